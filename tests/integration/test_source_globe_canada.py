"""GLOBE, GeoMet and ClimateData.ca on the whole road: client, landing, ledger, queue, tables, books."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from headgate.sources import catalogue
from tests.conftest import Environment
from tests.integration.road import balanced
from tests.integration.source_road import make_source_road, serving
from tests.stubs.host import Stubs

FEBRUARY = (date(2024, 2, 1), date(2024, 2, 29))
TORONTO = {"CLIMATE_IDENTIFIER": ["6158731"]}


@pytest.fixture(autouse=True)
def _fresh_providers() -> Iterator[None]:
    """A provider remembers names of collections."""
    catalogue.provider.cache_clear()
    yield
    catalogue.provider.cache_clear()


CHART = 65 * 4 + 4 + 4 * (87 * 3 + 2 * 13 * 3)
DATASETS = {
    "globe_land_covers": 29 * 4,
    "globe_mosquito_habitats": 29 * 4,
    "globe_sky_conditions": 29 * 4,
    "globe_air_temperatures": 29 * 4,
    "geomet_daily": 29 * 3,
    "geomet_hourly": 29 * 24,
    "geomet_stations": 2000,
    "climate_charts": 4 * CHART,
}


@pytest.mark.parametrize(("dataset", "rows"), DATASETS.items())
def test_a_dataset_comes_from_nothing_to_rows_and_not_twice(
    environment: Environment, world: Stubs, dataset: str, rows: int
) -> None:
    road = make_source_road(environment, dataset)
    balanced(road.load(*FEBRUARY), read=rows, inserted=rows)
    assert road.rows(f"SELECT count(*) FROM {road.contract.qualified_table}") == [(rows,)]
    provider = road.contract.source.provider if road.contract.source else ""
    before = len(world.calls(provider))
    balanced(road.load(*FEBRUARY))
    assert len(world.calls(provider)) == before
    balanced(road.load(*FEBRUARY, refetch=True))
    assert len(world.calls(provider)) > before


@pytest.mark.parametrize(
    ("dataset", "provider", "changed"),
    [
        ("globe_land_covers", "globe", "SELECT count(*) FROM {} WHERE muc_description ~ 'checked'"),
        ("geomet_daily", "geomet", "SELECT count(*) FROM {} WHERE mean_temperature_flag = 'E'"),
    ],
)
def test_corrections_that_come_later_are_counted_as_updated(
    environment: Environment, world: Stubs, dataset: str, provider: str, changed: str
) -> None:
    road = make_source_road(environment, dataset)
    read = road.load(*FEBRUARY).as_json()["rows"]["inserted"]
    world.do("advance", days=1)
    world.do("correct", provider=provider)
    books = road.load(*FEBRUARY, refetch=True)
    [(there,)] = road.rows(changed.format(road.contract.qualified_table))
    assert there > 0
    balanced(books, read=read, updated=there, unchanged=read - there)


def test_a_missing_mean_is_flagged_until_it_is_known(environment: Environment, world: Stubs) -> None:
    road = make_source_road(environment, "geomet_daily", each=TORONTO)
    road.load(*FEBRUARY)
    flags = (
        "SELECT DISTINCT mean_temperature_flag, mean_temperature IS NULL FROM climate.geomet_daily ORDER BY 1"
    )
    assert road.rows(flags) == [("M", True), (None, False)]
    world.do("correct", provider="geomet")
    road.load(*FEBRUARY, refetch=True)
    assert road.rows(flags) == [("E", False), (None, False)]


def test_a_row_that_comes_twice_over_a_page_edge_is_one_row(environment: Environment, world: Stubs) -> None:
    limits = {"sortby": "LOCAL_DATE,CLIMATE_IDENTIFIER", "limit": 10}
    road = make_source_road(environment, "geomet_daily", each=TORONTO, parameters=limits)
    world.do("fault", provider="geomet", kind="row_came_before", times=9)
    books = road.load(*FEBRUARY)
    assert (books.state, books.balanced) == ("success", True)
    rows = books.as_json()["rows"]
    assert (rows["read"], rows["inserted"], rows["quarantined"]) == (30, 29, 0)
    assert road.rows("SELECT count(*), count(DISTINCT id) FROM climate.geomet_daily") == [(29, 29)]


def test_rows_that_globe_takes_back_are_removed_and_counted(environment: Environment, world: Stubs) -> None:
    road = make_source_road(environment, "globe_land_covers")
    march = (date(2024, 3, 1), date(2024, 3, 9))
    there = road.load(*march).as_json()["rows"]["inserted"]
    world.do("vanish", provider="globe")
    world.do("vanish", provider="globe")
    books = road.load(*march, refetch=True)
    balanced(books, read=there - 2, unchanged=there - 2, removed=2)
    assert road.rows("SELECT count(*) FROM earth.globe_land_covers") == [(there - 2,)]


def test_a_failure_of_globe_loads_nothing_and_takes_nothing_away(
    environment: Environment, world: Stubs
) -> None:
    road = make_source_road(environment, "globe_land_covers")
    road.load(*FEBRUARY)
    world.do("fault", provider="globe", kind="failure", times=99)
    books = road.load(*FEBRUARY, refetch=True)
    balanced(books)
    assert "GLOBE reports: failure: Connection refused" in str(books.as_json())
    assert road.rows("SELECT count(*) FROM earth.globe_land_covers") == [(116,)]


@pytest.mark.parametrize("fault", ["html", "cut"])
def test_what_passes_is_asked_for_again(environment: Environment, world: Stubs, fault: str) -> None:
    road = make_source_road(environment, "geomet_daily", each=TORONTO)
    world.do("fault", provider="geomet", kind=fault, match="/items")
    balanced(road.load(*FEBRUARY), read=29, inserted=29)


def test_an_unknown_name_fails_the_run_with_the_names_that_there_are(
    environment: Environment, world: Stubs
) -> None:
    road = make_source_road(environment, "geomet_daily", each={"CLIMATE_ID": ["6158731"]})
    books = road.load(*FEBRUARY)
    assert books.state == "failed"
    assert "has no property CLIMATE_ID; it has CLIMATE_IDENTIFIER" in str(books.run.reason)
    assert road.landed() == {}


def test_points_over_the_sea_are_no_rows(environment: Environment, world: Stubs) -> None:
    each = {"dataset_name": ["CMIP6"], "month": ["ann"], "point": ["50,-140"], "variable": ["tg_mean"]}
    road = make_source_road(environment, "climate_charts", each=each)
    balanced(road.load(*FEBRUARY))
    assert len(road.landed()) == 1


# --- recorded answers, byte for byte -----------------------------------------------------------------------


@pytest.mark.usefixtures("consuming")
@pytest.mark.parametrize(
    ("dataset", "name", "rows"),
    [
        (
            "globe_land_covers",
            "sample_lc_json.json",
            [
                (12736, date(2010, 10, 5), "M91", "Urban, Residential", None, -34.552, 42.0),
                (12737, date(2012, 5, 11), "M94", "Urban, Other", None, -54.4892, -12.2),
            ],
        ),
        (
            "globe_mosquito_habitats",
            "sample_mhm_json.json",
            [
                (4, date(2017, 5, 29), None, "fountain or bird bath", False, 34.124374, 485.3),
                (6, date(2017, 5, 29), "0", "cement, metal or plastic tank", True, 34.123473, 467.6),
            ],
        ),
    ],
)
def test_recorded_answers_of_globe(
    environment: Environment,
    recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    name: str,
    rows: list[tuple[Any, ...]],
) -> None:
    columns = {
        "globe_land_covers": "land_cover_id, measured_on, muc_code, muc_description, snow_ice",
        "globe_mosquito_habitats": "mosquito_habitat_id, measured_on, larvae_count, water_source, "
        "breeding_ground_eliminated",
    }[dataset]
    recorded = (recordings / "globe" / name).read_bytes()
    road = make_source_road(environment, dataset, window="year")
    with serving({"": recorded}) as address:
        monkeypatch.setenv("HEADGATE_SOURCE_GLOBE_URL", address)
        balanced(road.load(date(2010, 1, 1), date(2017, 12, 31)), read=2, inserted=2)
    assert list(road.landed().values()) == [recorded] * 8  # of which each year has its own
    table = road.contract.qualified_table
    assert road.rows(f"SELECT {columns}, site_latitude, site_elevation FROM {table} ORDER BY 1") == rows
    [(rescued,)] = road.rows(f"SELECT count(*) FROM {table} WHERE coalesce(_rescued, '{{}}') <> '{{}}'")
    assert rescued == 0


@pytest.mark.usefixtures("consuming")
def test_a_recorded_failure_of_globe_is_no_empty_answer(
    environment: Environment, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    road = make_source_road(environment, "globe_land_covers")
    with serving({"": (recordings / "globe" / "failure.json").read_bytes()}) as address:
        monkeypatch.setenv("HEADGATE_SOURCE_GLOBE_URL", address)
        books = road.load(*FEBRUARY)
    assert "failure: Connection refused" in str(books.as_json())
    assert road.landed() == {}


@pytest.mark.usefixtures("consuming")
def test_a_recorded_export_is_no_answer_of_globe_and_its_values_are(
    environment: Environment, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CSV is what a client made of GLOBE's answer: as it is, it is refused; its values are loaded."""
    export = (recordings / "globe" / "lc_small.csv").read_bytes()
    road = make_source_road(environment, "globe_land_covers")
    january = (date(2021, 1, 1), date(2021, 1, 31))
    with serving({"": export}, "text/csv") as address:
        monkeypatch.setenv("HEADGATE_SOURCE_GLOBE_URL", address)
        assert "instead of data" in str(road.load(*january).as_json())
    assert road.landed() == {}
    with serving({"": json.dumps(as_answer(export)).encode()}) as address:
        monkeypatch.setenv("HEADGATE_SOURCE_GLOBE_URL", address)
        balanced(road.load(*january), read=5, inserted=5)
    photos = "SELECT DISTINCT downward_photo_url FROM earth.globe_land_covers ORDER BY 1"
    [(first,), *_] = road.rows(photos)
    assert first.startswith("https://data.globe.gov/")
    assert {text for (text,) in road.rows(photos)} >= {"pending", "rejected"}
    notes = "SELECT DISTINCT field_notes, snow_ice FROM earth.globe_land_covers ORDER BY 2"
    assert road.rows(notes) == [(None, False), (None, True)]


def as_answer(export: bytes) -> dict[str, Any]:
    """The rows of the export under the names that GLOBE has for them."""
    beside = ("measuredDate", "updateDate", "publishDate", "organizationId", "organizationName", "siteId")
    beside = (*beside, "siteName", "countryName", "countryCode", "elevation", "pid")
    results = []
    for row in csv.DictReader(export.decode().splitlines()):
        fields = {name.removeprefix("lc_"): value for name, value in row.items() if name}
        data = {f"landcovers{name}": value for name, value in fields.items() if name not in beside}
        results.append({"protocol": "land_covers", **{name: fields[name] for name in beside}, "data": data})
    return {"count": len(results), "message": "success", "results": results}


@pytest.mark.usefixtures("consuming")
def test_a_recorded_day_of_geomet(
    environment: Environment, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = (recordings / "geomet" / "climate-daily-kemptville-items.json").read_bytes()
    names = {"properties": {"LOCAL_DATE": {}, "CLIMATE_IDENTIFIER": {}}}
    road = make_source_road(environment, "geomet_daily", each={"CLIMATE_IDENTIFIER": ["6104027"]})
    with serving({"/queryables": json.dumps(names).encode(), "": recorded}) as address:
        monkeypatch.setenv("HEADGATE_SOURCE_GEOMET_URL", address)
        balanced(road.load(date(2015, 1, 1), date(2015, 1, 31)), read=1, inserted=1)
    assert list(road.landed().values()) == [recorded]
    values = "id, mean_temperature, heating_degree_days, cooling_degree_days, max_temperature, latitude"
    assert road.rows(f"SELECT {values} FROM climate.geomet_daily") == [
        ("6104027.2015.1.1", -5.1, 23.1, 0.0, None, 45.0)
    ]


SWOB = [
    {"name": "id", "logicalType": "string", "physicalType": "text", "primaryKey": True},
    *(
        {
            "name": name,
            "logicalType": logical,
            "physicalType": physical,
            "customProperties": [{"property": "aliases", "value": [alias]}],
        }
        for name, logical, physical, alias in (
            ("observed_at", "timestamp", "timestamptz", "obs_date_tm"),
            ("processed_at", "timestamp", "timestamptz", "processed_date_tm"),
            ("station", "string", "text", "stn_nam-value"),
            ("air_temperature", "number", "double precision", "air_temp"),
            ("air_temperature_quality", "integer", "smallint", "air_temp-qa"),
            ("pressure_tendency", "number", "double precision", "pres_tend_amt_pst3hrs"),
            ("pressure_tendency_quality", "integer", "smallint", "pres_tend_amt_pst3hrs-qa"),
            ("latitude", "number", "double precision", "feature.latitude"),
        )
    ),
]


@pytest.mark.usefixtures("consuming")
def test_a_recorded_surface_observation_of_geomet(
    environment: Environment, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "2020-05-31-0200-CYBQ-AUTO-swob"
    recorded = (recordings / "geomet" / f"{name}.geojson").read_bytes()
    endpoint = f"swob-realtime/items/{name}.xml"
    road = make_source_road(
        environment, "geomet_daily", SWOB, endpoint=endpoint, each={}, parameters={}, window="interval"
    )
    with serving({"": recorded}) as address:
        monkeypatch.setenv("HEADGATE_SOURCE_GEOMET_URL", address)
        balanced(road.load(date(2020, 5, 31), date(2020, 5, 31)), read=1, inserted=1)
    assert list(road.landed().values()) == [recorded]
    names = ", ".join(column["name"] for column in SWOB)
    assert road.rows(f"SELECT {names} FROM climate.geomet_daily") == [
        (
            f"{name}.xml",
            datetime(2020, 5, 31, 2, tzinfo=UTC),
            datetime(2020, 7, 13, 19, 45, 13, 33000, tzinfo=UTC),
            "CYBQ",
            5.9,
            100,
            None,
            -1,
            58.70611,
        )
    ]
    [(others,)] = road.rows("SELECT _rescued FROM climate.geomet_daily")
    assert (others["stn_pres"], others["stn_pres-uom"]) == ("985.9", "hPa")
