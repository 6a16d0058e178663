"""NOAA and NASA on the whole road: client, landing, ledger, queue, tables, books."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.books import RunBooks
from headgate.db import connect
from tests.conftest import Environment
from tests.integration.road import balanced
from tests.integration.source_road import SourceRoad, make_source_road, serving
from tests.stubs.host import Stubs

TODAY = date(2024, 3, 10)
FEBRUARY = (date(2024, 2, 1), date(2024, 2, 29))
MARCH = (date(2024, 3, 1), date(2024, 3, 31))
EVERYWHERE = {"datasetid": ["GHCND"]}
POINT = {"community": ["RE"], "point": ["35.79,-105.78"]}


def inserted(books: RunBooks) -> int:
    """Of a run that did nothing but insert."""
    rows = books.as_json()["rows"]
    balanced(books, read=rows["read"], inserted=rows["read"])
    return int(rows["read"])


# --- the stubs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "span", "rows"),
    [
        ("ghcn_daily", FEBRUARY, 350),
        ("gsom_monthly", FEBRUARY, 3 * 2 * 6),
        ("noaa_stations", FEBRUARY, 22),
        ("daily_summaries", FEBRUARY, 3 * 29),
        ("power_daily", FEBRUARY, 2 * 8 * 29),
        ("power_hourly", FEBRUARY, 2 * 5 * 29 * 24),
        ("cmr_granules", FEBRUARY, 3 * 29),
    ],
)
def test_a_dataset_comes_from_nothing_to_rows_and_not_twice(
    environment: Environment, world: Stubs, dataset: str, span: tuple[date, date], rows: int
) -> None:
    road = make_source_road(environment, dataset)
    source = road.contract.source
    assert source is not None
    found = inserted(road.load(*span))
    assert found >= rows
    assert road.rows(f"SELECT count(*) FROM {road.contract.qualified_table}") == [(found,)]
    assert rescued(road) == 0
    asked = len(world.calls(source.provider))
    balanced(road.load(*span))
    assert len(world.calls(source.provider)) == asked


def rescued(road: SourceRoad) -> int:
    """Rows with something that the contract does not know."""
    [(count,)] = road.rows(f"SELECT count(*) FROM {road.contract.qualified_table} WHERE _rescued <> '{{}}'")
    return int(count)


@pytest.mark.parametrize(
    ("dataset", "provider"),
    [("ghcn_daily", "noaa_cdo"), ("daily_summaries", "ncei"), ("power_daily", "nasa_power")],
)
def test_corrections_of_the_next_day_are_updates(
    environment: Environment, world: Stubs, dataset: str, provider: str
) -> None:
    road = make_source_road(environment, dataset)
    read = inserted(road.load(*FEBRUARY))
    world.do("advance", days=1)
    world.do("correct", provider=provider)
    books = road.load(*FEBRUARY, refetch=True)
    rows = books.as_json()["rows"]
    assert (books.state, rows["read"], rows["inserted"], rows["quarantined"]) == ("success", read, 0, 0)
    assert rows["updated"] > 0
    assert rows["updated"] + rows["unchanged"] == read


def test_a_quality_flag_that_comes_later_marks_the_row(environment: Environment, world: Stubs) -> None:
    road = make_source_road(environment, "ghcn_daily")
    road.load(*FEBRUARY)
    failed = "SELECT count(*) FROM climate.ghcn_daily WHERE quality_failed AND quality_flag = 'I'"
    [(before,)] = road.rows(failed)
    world.do("correct", provider="noaa_cdo")
    road.load(*FEBRUARY, refetch=True)
    [(after,)] = road.rows(failed)
    assert after > before


def test_what_power_did_not_have_yet_is_null_until_it_comes(environment: Environment, world: Stubs) -> None:
    parameters = {"parameters": "T2M", "time-standard": "UTC"}
    road = make_source_road(environment, "power_daily", each=POINT, parameters=parameters)
    balanced(road.load(*MARCH), read=31, inserted=31)
    known = "SELECT max(date) FROM climate.power_daily WHERE value IS NOT NULL"
    assert road.rows(known) == [(TODAY - timedelta(days=3),)]
    world.do("advance", days=2)
    balanced(road.load(*MARCH, refetch=True), read=31, updated=2, unchanged=29)
    assert road.rows(known) == [(TODAY - timedelta(days=1),)]


@pytest.mark.parametrize(("dataset", "field"), [("power_daily", "process"), ("cmr_granules", "took")])
def test_the_same_values_are_no_new_version_though_each_answer_says_how_long_it_took(
    environment: Environment, world: Stubs, dataset: str, field: str
) -> None:
    road = make_source_road(environment, dataset)
    inserted(road.load(*FEBRUARY))
    before = road.landed()
    balanced(road.load(*FEBRUARY, refetch=True))
    assert road.landed() == before
    assert all(field.encode() in body for body in before.values())


@pytest.mark.parametrize("fault", ["shrinks", "repeats"])
def test_a_row_that_comes_or_goes_between_pages_is_neither_lost_nor_double(
    environment: Environment, world: Stubs, fault: str
) -> None:
    road = make_source_road(environment, "ghcn_daily", each=EVERYWHERE)
    world.do("fault", provider="noaa_cdo", kind=fault, match="/data", after=1)
    books = road.load(*FEBRUARY)
    rows = books.as_json()["rows"]
    assert (books.state, books.balanced, rows["quarantined"]) == ("success", True, 0)
    assert rows["unchanged"] > 0  # the list was read again
    keys = "SELECT count(*), count(DISTINCT (station_id, datatype, date)) FROM climate.ghcn_daily"
    [(count, distinct)] = road.rows(keys)
    assert count == distinct > 3000
    world.reset(TODAY)
    assert inserted_again(road) == count


@pytest.mark.parametrize(
    ("dataset", "provider", "fault"),
    [
        ("ghcn_daily", "noaa_cdo", "second"),
        ("ghcn_daily", "noaa_cdo", "text"),
        ("ghcn_daily", "noaa_cdo", "cut"),
        ("daily_summaries", "ncei", "html"),
        ("power_daily", "nasa_power", "burst"),
        ("cmr_granules", "nasa_cmr", "429:1"),
        ("cmr_granules", "nasa_cmr", "timed-out"),
    ],
)
def test_what_passes_is_asked_for_again_and_nothing_is_lost(
    environment: Environment, world: Stubs, dataset: str, provider: str, fault: str
) -> None:
    road = make_source_road(environment, dataset)
    world.do("fault", provider=provider, kind=fault)
    found = inserted(road.load(*FEBRUARY))
    assert len(world.calls(provider)) > len(road.landed()) > 0
    world.reset(TODAY)
    undisturbed = inserted_again(road)
    assert undisturbed == found


def inserted_again(road: SourceRoad) -> int:
    """Rows of the same fetch without faults, which changes nothing."""
    books = road.load(*FEBRUARY, refetch=True)
    rows = books.as_json()["rows"]
    assert (rows["inserted"], rows["updated"]) == (0, 0)
    [(count,)] = road.rows(f"SELECT count(*) FROM {road.contract.qualified_table}")
    return int(count)


def test_the_limit_of_a_day_loads_what_is_landed_and_goes_on_later(
    environment: Environment, world: Stubs
) -> None:
    road = make_source_road(environment, "ghcn_daily")
    world.do("fault", provider="noaa_cdo", kind="day", times=99, after=1)
    books = road.load(*FEBRUARY)
    assert (books.state, len(road.landed()), len(world.calls("noaa_cdo"))) == ("failed", 1, 2)
    assert "request limit of 10000 per day" in (books.run.reason or "")
    assert books.as_json()["rows"]["inserted"] > 0
    world.reset(TODAY)
    with closing(connect(environment.database.owner_url)) as conn, conn, conn.cursor() as cursor:
        cursor.execute("UPDATE headgate.source SET held_until = NULL")  # the next day
    assert inserted(road.load(*FEBRUARY)) > 0
    assert len(road.landed()) == 3


def test_a_refused_token_says_what_to_set_and_not_the_token(
    environment: Environment, world: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_SOURCE_NOAA_CDO_TOKEN", "wrongSecretToken")
    road = make_source_road(environment, "ghcn_daily")
    with pytest.raises(Exception, match="HEADGATE_SOURCE_NOAA_CDO_TOKEN") as caught:
        road.load(*FEBRUARY)
    assert "wrongSecretToken" not in str(caught.value)


def test_a_refused_request_says_why(environment: Environment, world: Stubs) -> None:
    parameters = {"parameters": "T2M,NOSUCH", "time-standard": "UTC"}
    road = make_source_road(environment, "power_daily", each=POINT, parameters=parameters)
    books = road.load(*FEBRUARY)
    assert books.state == "failed"
    assert "NOSUCH is not a valid parameter" in (books.run.reason or "")
    assert len(world.calls("nasa_power")) == 1


def test_granules_change_and_go_and_deletions_are_marked(environment: Environment, world: Stubs) -> None:
    """Yesterday, which is over at any hour; CMR tells deletions of the last year only."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    world.reset(yesterday)
    span = (yesterday - timedelta(days=6), yesterday + timedelta(days=2))  # as far as now, each time
    road = make_source_road(environment, "cmr_granules", parameters={"page_size": 4})
    found = inserted(road.load(*span))
    assert len([key for key in road.landed() if "page-" in key]) == found // 4 + 1
    world.do("vanish", provider="nasa_cmr")
    books = road.load(*span, refetch=True)
    balanced(books, read=found, updated=1, unchanged=found - 1)
    state = "SELECT count(*), count(deleted_at), count(granule_ur) FROM earth.cmr_granules"
    assert road.rows(state) == [(found, 1, found)]
    world.do("correct", provider="nasa_cmr")
    books = road.load(*span, refetch=True)
    assert books.as_json()["rows"]["updated"] == 3 * 3 - 1  # of three days, and one of them is gone
    assert road.rows("SELECT max(revision_id) FROM earth.cmr_granules") == [(2,)]
    assert road.rows(state) == [(found, 1, found)]


def test_deletions_and_revisions_of_one_fetch_all_count(environment: Environment, world: Stubs) -> None:
    """The granules behind one that is gone move to the page before, with what has changed of them."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    world.reset(yesterday)
    span = (yesterday - timedelta(days=6), yesterday)  # the same window each time
    road = make_source_road(environment, "cmr_granules", parameters={"page_size": 4})
    inserted(road.load(*span))
    world.do("vanish", provider="nasa_cmr")
    world.do("correct", provider="nasa_cmr")
    rows = road.load(*span, refetch=True).as_json()["rows"]
    assert (rows["inserted"], rows["updated"], rows["superseded"]) == (0, 3 * 3, 0)
    state = "SELECT count(deleted_at), count(*) FILTER (WHERE revision_id = 2) FROM earth.cmr_granules"
    assert road.rows(state) == [(1, 3 * 3 - 1)]


# --- recorded answers, byte for byte -----------------------------------------------------------------------


def asks(monkeypatch: pytest.MonkeyPatch, provider: str, address: str) -> None:
    """The provider is asked there."""
    monkeypatch.setenv(f"HEADGATE_SOURCE_{provider.upper()}_URL", address)
    monkeypatch.setenv("HEADGATE_SOURCE_NOAA_CDO_TOKEN", "any")


@pytest.mark.usefixtures("consuming")
def test_a_recorded_page_of_daily_data(
    environment: Environment, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten of 209,585 rows: behind them comes the recorded empty answer, so the list is read three times."""
    recorded = (recordings / "noaa" / "data.json").read_bytes()
    nothing = (recordings / "noaa" / "datacategories.json").read_bytes()
    road = make_source_road(environment, "ghcn_daily", each=EVERYWHERE, parameters={"limit": 10})
    with serving({"offset=11": nothing, "": recorded}) as address:
        asks(monkeypatch, "noaa_cdo", address)
        books = road.load(date(2024, 1, 1), date(2024, 1, 31))
    balanced(books, read=30, inserted=10, unchanged=20)
    assert list(road.landed().values()) == [recorded, nothing] * 3
    rows = road.rows(
        "SELECT station_id, datatype, date, value, source_flag, observation_time FROM climate.ghcn_daily "
        "WHERE datatype IN ('TMIN', 'PRCP') ORDER BY 1, 2"
    )
    day = date(2024, 1, 1)
    assert rows == [
        ("GHCND:CA003053600", "PRCP", day, 0.0, "C", None),
        ("GHCND:CA003053600", "TMIN", day, -50.0, "C", None),
        ("GHCND:US1Hami4288", "PRCP", day, 0.0, "N", "0700"),
        ("GHCND:US1NMLU0001", "PRCP", day, 0.0, "N", "0700"),
        ("GHCND:US1PABR0012", "PRCP", day, 8.0, "N", "0700"),
    ]
    assert rescued(road) == 0


@pytest.mark.usefixtures("consuming")
@pytest.mark.parametrize(
    ("name", "endpoint", "rows"),
    [
        ("stations.json", "stations", 25),
        ("datasets.json", "datasets", 11),
        ("datacategories.json", "datacategories", 0),
    ],
)
def test_recorded_lists_of_climate_data_online(
    environment: Environment,
    recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    endpoint: str,
    rows: int,
) -> None:
    recorded = (recordings / "noaa" / name).read_bytes()
    road = make_source_road(
        environment, "noaa_stations", endpoint=endpoint, parameters={"limit": 25}, each={}
    )
    with serving({"offset=26": b"{}", "": recorded}) as address:
        asks(monkeypatch, "noaa_cdo", address)
        books = road.load(*FEBRUARY)
    assert (books.state, books.balanced) == ("success", True)
    assert road.rows("SELECT count(*) FROM climate.noaa_stations") == [(rows,)]
    assert next(iter(road.landed().values())) == recorded
    listed = [row["id"] for row in json.loads(recorded).get("results", ())]
    assert road.rows("SELECT station_id FROM climate.noaa_stations ORDER BY 1") == [
        (one,) for one in sorted(listed)
    ]


@pytest.mark.usefixtures("consuming")
@pytest.mark.parametrize(
    ("name", "endpoint", "row"),
    [
        ("stations-id.json", "stations", ("COOP:010008", "ABBEVILLE, AL US", 31.5702, date(2014, 1, 1))),
        ("datasets-id.json", "datasets", ("GHCND", "Daily Summaries", None, date(2025, 4, 6))),
        ("datacategories-id.json", "datacategories", ("ANNAGR", "Annual Agricultural", None, None)),
    ],
)
def test_recorded_answers_about_one_thing(
    environment: Environment,
    recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    endpoint: str,
    row: tuple[Any, ...],
) -> None:
    recorded = (recordings / "noaa" / name).read_bytes()
    road = make_source_road(
        environment, "noaa_stations", endpoint=endpoint, each={"id": [row[0]]}, parameters={}
    )
    with serving({"": recorded}) as address:
        asks(monkeypatch, "noaa_cdo", address)
        balanced(road.load(*FEBRUARY), read=1, inserted=1)
    assert list(road.landed().values()) == [recorded]
    assert road.rows("SELECT station_id, name, latitude_deg, last_date FROM climate.noaa_stations") == [row]


@pytest.mark.usefixtures("consuming")
def test_recorded_months_of_ncei(
    environment: Environment, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = (recordings / "noaa" / "gsom-54511-1991-2020.excerpt.json").read_bytes()
    each = {"dataset": ["daily-summaries"], "stations": ["CHM00054511"]}
    road = make_source_road(environment, "daily_summaries", each=each, window="year", since="1990-01-01")
    with serving({"": recorded}) as address:
        asks(monkeypatch, "ncei", address)
        balanced(road.load(date(1991, 1, 1), date(1991, 12, 31)), read=3, inserted=3)
    assert list(road.landed().values()) == [recorded]
    columns = "station_id, date, tmax_c, tavg_c, tmin_c, prcp_mm"
    assert road.rows(f"SELECT {columns} FROM climate.daily_summaries ORDER BY date LIMIT 2") == [
        ("CHM00054511", date(1991, 1, 1), 2.7, -2.0, -6.6, 0.3),
        ("CHM00054511", date(1991, 2, 1), 5.2, 0.1, -4.9, 0.8),
    ]


@pytest.mark.usefixtures("consuming")
def test_a_recorded_search_of_ncei_is_no_data(
    environment: Environment, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search for stations is another service: what it answers is not taken for a lack of data."""
    recorded = (recordings / "noaa" / "search-empty-pacific.json").read_bytes()
    assert json.loads(recorded)["results"] == []
    road = make_source_road(environment, "daily_summaries")
    with serving({"": recorded}) as address:
        asks(monkeypatch, "ncei", address)
        books = road.load(*FEBRUARY)
    assert "instead of data" in str(books.as_json())
    assert road.landed() == {}


@pytest.mark.usefixtures("consuming")
@pytest.mark.parametrize(
    ("name", "endpoint", "rows", "first"),
    [
        (
            "daily_point_T2M_site-elevation.json",
            "daily/point",
            10,
            (Decimal("33.8"), Decimal("-116.5"), 923.95, "PSC", date(2021, 8, 1), 99.01, "kPa"),
        ),
        (
            "daily_regional_T2M.three-of-many-features.json",
            "daily/regional",
            15,
            (Decimal("32"), Decimal("-116.875"), 220.39, "T2M", date(2021, 8, 1), 24.43, "C"),
        ),
    ],
)
def test_recorded_days_of_power(
    environment: Environment,
    recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    endpoint: str,
    rows: int,
    first: tuple[Any, ...],
) -> None:
    recorded = (recordings / "nasa-power" / name).read_bytes()
    road = make_source_road(environment, "power_daily", endpoint=endpoint, each={"community": ["AG"]})
    with serving({"": recorded}) as address:
        asks(monkeypatch, "nasa_power", address)
        balanced(road.load(date(2021, 8, 1), date(2021, 8, 31)), read=rows, inserted=rows)
    assert list(road.landed().values()) == [recorded]
    columns = "latitude_deg, longitude_deg, elevation_m, parameter, date, value, units"
    order = "ORDER BY parameter, latitude_deg, longitude_deg, date LIMIT 1"
    assert road.rows(f"SELECT {columns} FROM climate.power_daily {order}") == [first]
    assert rescued(road) == 0


def tape(recordings: Path, name: str) -> bytes:
    """The body of a recording by VCR."""
    text = (recordings / "nasa-power" / name).read_text()
    return str(json.loads(text)["http_interactions"][0]["response"]["body"]["string"]).encode()


@pytest.mark.usefixtures("consuming")
def test_a_recorded_csv_of_power(
    environment: Environment, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = tape(recordings, "daily_ag_point.json")
    assert b"\r\n" in recorded
    parameters = {"parameters": "T2M,PS", "format": "csv", "time-standard": "UTC"}
    each = {"community": ["AG"], "point": ["-89.5,-179.5"]}
    road = make_source_road(environment, "power_daily", each=each, parameters=parameters, since="1981-01-01")
    with serving({"": recorded}, "text/csv") as address:
        asks(monkeypatch, "nasa_power", address)
        balanced(road.load(date(1983, 1, 1), date(1983, 1, 1)), read=6, inserted=6)
    [(key, body)] = road.landed().items()
    assert (key.endswith("page-00001.csv.gz"), body) == (True, recorded)
    rows = road.rows("SELECT parameter, date, value, units, elevation_m FROM climate.power_daily ORDER BY 1")
    assert rows[0] == ("PS", date(1983, 1, 1), 69.23, "kPa", 2885.03)
    assert [row[0] for row in rows] == ["PS", "RH2M", "T2M", "T2M_MAX", "T2M_MIN", "WS10M"]


@pytest.mark.usefixtures("consuming")
def test_a_recorded_climatology_of_power(
    environment: Environment, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset that the project has not: months in the place of days."""
    recorded = tape(recordings, "climatology_ag_point.json")
    names = ("latitude", "longitude", "community", "time_standard", "parameter", "month")
    columns: list[dict[str, Any]] = [
        {"name": name, "logicalType": "string", "physicalType": "text", "primaryKey": True} for name in names
    ]
    columns += [{"name": "value", "logicalType": "number", "physicalType": "double precision"}]
    for name in ("units", "longname", "elevation"):
        columns += [{"name": name, "logicalType": "string", "physicalType": "text"}]
    each = {"community": ["AG"], "point": ["-89.5,-179.5"]}
    parameters = {"parameters": "T2M", "format": "csv"}
    road = make_source_road(
        environment,
        "noaa_stations",
        columns,
        provider="nasa_power",
        endpoint="climatology/point",
        each=each,
        parameters=parameters,
    )
    with serving({"": recorded}, "text/csv") as address:
        asks(monkeypatch, "nasa_power", address)
        balanced(road.load(*FEBRUARY), read=13, inserted=13)
    assert list(road.landed().values()) == [recorded]
    months = dict(road.rows("SELECT month, value FROM climate.noaa_stations WHERE time_standard = 'LST'"))
    assert (len(months), months["JAN"], months["ANN"]) == (13, -29.27, -50.04)


@pytest.mark.usefixtures("consuming")
@pytest.mark.parametrize(
    ("name", "endpoint", "rows"),
    [
        ("TestGranuleClass.test_stac_output.yaml", "granules.stac", 2),
        ("TestMultipleQueries.test_zero_hits_query.yaml", "granules.json", 0),
    ],
)
def test_recorded_searches_of_cmr(
    environment: Environment,
    recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    endpoint: str,
    rows: int,
) -> None:
    answer = yaml.safe_load((recordings / "nasa-cmr" / name).read_text())["interactions"][0]["response"]
    recorded = answer["body"]["string"].encode()
    assert len(recorded) == int(answer["headers"]["content-length"][0])
    road = make_source_road(environment, "cmr_granules", endpoint=endpoint)
    with serving({"": recorded}, answer["headers"]["Content-Type"][0]) as address:
        asks(monkeypatch, "nasa_cmr", address)
        balanced(road.load(*FEBRUARY), read=rows, inserted=rows)
    assert list(road.landed().values()) == [recorded]
    found = road.rows("SELECT concept_id, cloud_cover_percent, time_start FROM earth.cmr_granules ORDER BY 1")
    assert len(found) == rows
    if rows:
        begin = datetime(2021, 2, 20, 17, 38, 32, 415000, tzinfo=UTC)
        assert found[0] == ("G2147455974-LPCLOUD", 2.0, begin)
