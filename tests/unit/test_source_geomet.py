"""GeoMet: what is asked page by page, and what its records are, against a server that pages as it does."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.sources.model import Answer, Call, Rejected, Unavailable
from headgate.sources.providers.geomet import GeoMet
from tests.answers import PlainAsker, answer_of, want
from tests.sources import contract_of, read
from tests.stubs.host import Stubs

TODAY = date(2024, 3, 10)
FEBRUARY = (date(2024, 2, 1), date(2024, 3, 1))
DAILY = {"sortby": "LOCAL_DATE,CLIMATE_IDENTIFIER"}


@pytest.fixture
def geomet(stubs: Stubs) -> PlainAsker:
    stubs.reset(TODAY)
    return PlainAsker(GeoMet(), stubs.address("geomet"))


def daily(**terms: Any) -> Any:
    terms = {"parameters": DAILY, "slice": {"CLIMATE_IDENTIFIER": "6158731"}, "window": "month", **terms}
    return want("geomet", "climate-daily", *FEBRUARY, **terms)


def bodies(asker: PlainAsker, wanted: Any) -> list[dict[str, Any]]:
    return [page.answer.json() for page in asker.provider.pages(asker, wanted)]


def ids(pages: list[dict[str, Any]]) -> list[str]:
    return [feature["id"] for page in pages for feature in page["features"]]


@dataclass
class Server:
    """Pages as pygeoapi does; ``cap``: the most that it gives at once, ``totals``: what it says there is.

    ``endless``: every page links to a next one.
    """

    rows: int
    cap: int
    totals: list[int]
    endless: bool = False
    offsets: list[int] = field(default_factory=list)

    def __call__(self, call: Call) -> Answer:
        if call.path.endswith("/queryables"):
            return answer_of({"properties": {"LOCAL_DATE": {}, "CLIMATE_IDENTIFIER": {}}})
        query: Mapping[str, Any] = call.params
        limit, offset = min(int(query["limit"]), self.cap), int(query["offset"])
        self.offsets.append(offset)
        assert len(self.offsets) < 70, "it goes on for ever"
        ids = range(offset, min(offset + limit, self.rows))
        has_next = self.endless or offset + limit < self.rows or len(ids) == limit
        return answer_of(
            {
                "features": [{"id": f"{self.rows}.{number}", "properties": {}} for number in ids],
                "numberMatched": self.totals[len(self.offsets) % len(self.totals)],
                "links": [{"rel": "self"}, *([{"rel": "next", "href": "?offset=0"}] if has_next else [])],
            }
        )


@given(
    st.integers(0, 60),
    st.integers(1, 25),
    st.integers(1, 25),
    st.lists(st.integers(0, 100), min_size=1, max_size=5),
    st.booleans(),
)
def test_every_row_is_in_one_page(rows: int, limit: int, cap: int, totals: list[int], endless: bool) -> None:
    server = Server(rows, cap, totals, endless)
    wanted = daily(parameters=DAILY | {"limit": limit})
    pages = [page.answer.json()["features"] for page in GeoMet().pages(server, wanted)]
    assert [one["id"] for page in pages for one in page] == [f"{rows}.{number}" for number in range(rows)]
    assert all(pages) or (rows, len(pages)) == (0, 1)
    assert len(server.offsets) <= rows // min(limit, cap) + 1 + endless


def test_a_month_of_a_station_is_one_page_in_the_order_asked_for(geomet: PlainAsker) -> None:
    [page] = bodies(geomet, daily())
    assert ids([page]) == [f"6158731.2024.2.{day}" for day in range(1, 30)]
    query = geomet.calls[-1].params
    assert (query["f"], query["sortby"], query["limit"]) == ("json", DAILY["sortby"], 1000)
    assert geomet.calls[-1].headers == {"Accept": "application/json"}


def test_a_last_page_that_is_full_leads_to_an_empty_one(geomet: PlainAsker, stubs: Stubs) -> None:
    stations = want("geomet", "climate-stations", *FEBRUARY, parameters={"sortby": "CLIMATE_IDENTIFIER"})
    pages = bodies(geomet, stations)
    assert [len(page["features"]) for page in pages] == [1000, 1000]
    assert len(set(ids(pages))) == 2000
    assert stubs.calls("geomet", "offset=2000")[0]["status"] == 200
    assert {call.params["f"] for call in geomet.calls} == {"json"}  # its own links leave that out


def test_nothing_found_is_an_answer_without_rows(geomet: PlainAsker) -> None:
    bodies_found = bodies(geomet, daily(slice={"CLIMATE_IDENTIFIER": "0000000"}))
    assert [page["features"] for page in bodies_found] == [[]]
    found = read(contract_of("geomet_daily"), bodies_found[0], window=daily().window)
    assert (found.rows, found.rejects) == ([], [])


def test_totals_that_change_are_not_believed(geomet: PlainAsker, stubs: Stubs) -> None:
    stubs.do("fault", provider="geomet", kind="total_changes", times=9)
    pages = bodies(geomet, daily(parameters=DAILY | {"limit": 10}))
    assert [page["numberMatched"] for page in pages] == [1, 1, 1]
    assert len(ids(pages)) == 29


def test_a_limit_that_is_cut_in_silence_loses_nothing(geomet: PlainAsker, stubs: Stubs) -> None:
    stubs.do("fault", provider="geomet", kind="limit_cut_to_100", times=99)
    stations = want("geomet", "climate-stations", *FEBRUARY, parameters={"sortby": "CLIMATE_IDENTIFIER"})
    assert len(set(ids(bodies(geomet, stations)))) == 2000


@pytest.mark.parametrize("dropped", [False, True])
def test_an_unknown_name_is_refused_before_it_gives_nothing_or_everything(
    geomet: PlainAsker, stubs: Stubs, dropped: bool
) -> None:
    if dropped:
        stubs.do("fault", provider="geomet", kind="unknown_names_dropped", times=9)
    with pytest.raises(Rejected, match=r"climate-daily has no property CLIMATE_ID; .*CLIMATE_IDENTIFIER"):
        bodies(geomet, daily(slice={"CLIMATE_ID": "6158731"}))
    assert stubs.calls("geomet", "/items") == []


def test_names_are_asked_for_once(geomet: PlainAsker, stubs: Stubs) -> None:
    for station in ("6158731", "7025251"):
        bodies(geomet, daily(slice={"CLIMATE_IDENTIFIER": station}))
    assert len(stubs.calls("geomet", "/queryables")) == 1


def test_what_it_says_of_a_bad_request_is_passed_on(geomet: PlainAsker) -> None:
    with pytest.raises(Rejected, match="GeoMet: limit value should be strictly positive"):
        bodies(geomet, daily(parameters=DAILY | {"limit": 0}))
    with pytest.raises(Rejected, match="GeoMet: Collection not found"):
        bodies(geomet, want("geomet", "climate-dayly", *FEBRUARY, parameters=DAILY))


def test_html_with_status_200_is_an_outage(geomet: PlainAsker, stubs: Stubs) -> None:
    stubs.do("fault", provider="geomet", kind="html", match="/items")
    with pytest.raises(Unavailable, match="a page of HTML instead of data"):
        bodies(geomet, daily())


def test_a_page_that_is_broken_is_an_outage() -> None:
    server = Server(3, 10, [3])

    def broken(call: Call) -> Answer:
        answer = server(call)
        return answer if call.path.endswith("/queryables") else answer_of('{"features": [{"id": "1"')

    with pytest.raises(Unavailable, match="GeoMet answered with broken JSON"):
        list(GeoMet().pages(broken, daily()))


def test_an_answer_without_features_is_not_taken_for_an_empty_one() -> None:
    server = Server(3, 10, [3])

    def failing(call: Call) -> Answer:
        notice = {"code": "NoApplicableCode", "description": "query error (check logs)"}
        return server(call) if call.path.endswith("/queryables") else answer_of(notice)

    with pytest.raises(Rejected, match=r"without a list of features: .*check logs"):
        list(GeoMet().pages(failing, daily()))


def test_hours_are_those_of_the_month_in_utc(geomet: PlainAsker) -> None:
    hours = want(
        "geomet",
        "climate-hourly",
        *FEBRUARY,
        parameters=DAILY,
        slice={"CLIMATE_IDENTIFIER": "6158731"},
        window="month",
    )
    [page] = bodies(geomet, hours)
    found = read(contract_of("geomet_hourly"), page, window=hours.window)
    times = [row["observed_at"] for row in found.rows]
    assert (min(times), max(times), len(times)) == (
        hours.window.start,
        hours.window.end.replace(month=2, day=29, hour=23),
        29 * 24,
    )
    assert (found.rows[0]["local_time"].hour, found.rows[0]["local_hour"]) == (19, 19)
    assert {json.dumps(rest) for rest in found.rescued} == {"{}"}
    assert {row["weather_english"] for row in found.rows} == {None}


def test_units_and_flags_stay(geomet: PlainAsker) -> None:
    [page] = bodies(geomet, daily())
    found = read(contract_of("geomet_daily"), page, window=daily().window)
    sent = [feature["properties"] for feature in page["features"]]
    for ours, theirs in (
        ("max_gust_direction", "DIRECTION_MAX_GUST"),
        ("mean_temperature_flag", "MEAN_TEMPERATURE_FLAG"),
        ("mean_temperature", "MEAN_TEMPERATURE"),
        ("total_precipitation_flag", "TOTAL_PRECIPITATION_FLAG"),
    ):
        assert [row[ours] for row in found.rows] == [record[theirs] for record in sent]
    assert {row["max_gust_direction"] for row in found.rows} == {29, 4, None}
    assert {row["mean_temperature_flag"] for row in found.rows} == {"M", None}
    assert {row["longitude"] for row in found.rows} == {-79.631}
    assert {json.dumps(rest) for rest in found.rescued} == {"{}"}


def test_stations_lie_where_their_geometry_says(geomet: PlainAsker) -> None:
    stations = want("geomet", "climate-stations", *FEBRUARY, parameters={"sortby": "CLIMATE_IDENTIFIER"})
    page = next(page for page in bodies(geomet, stations) if "6158731" in ids([page]))
    toronto = next(
        row
        for row in read(contract_of("geomet_stations"), page).rows
        if row["climate_identifier"] == "6158731"
    )
    assert (toronto["longitude"], toronto["latitude"]) == (-79.631, 43.677)
    assert (toronto["elevation"], toronto["has_hourly_data"]) == (173.4, True)
    assert toronto["data_first_date"] == date(1840, 3, 1)
    assert json.loads(toronto["_rescued"]) == {"LATITUDE": "434037000", "LONGITUDE": "-793750000"}


def test_a_station_that_moved_is_another_row_of_the_day(geomet: PlainAsker) -> None:
    both = {"CLIMATE_IDENTIFIER": "7025251|702525A"}
    [page] = bodies(geomet, daily(slice=both))
    found = read(contract_of("geomet_daily"), page, window=daily().window)
    assert len({row["id"] for row in found.rows}) == 58
    assert {row["station_name"] for row in found.rows} == {"MONTREAL INTL A"}
    assert found.rejects == []


@pytest.mark.parametrize(
    ("collection", "id"),
    [
        ("climate-daily", "6104027.2015.1.1"),
        ("climate-hourly", "6104027.2015.1.1.0"),
        ("climate-monthly", "4337.2015.1"),
        ("climate-normals", "4337.1.1"),
    ],
)
def test_a_record_has_the_id_that_its_collection_gives_it(collection: str, id: str) -> None:
    """Some build it from the climate identifier, some from the number of the station."""
    contract = contract_of("geomet_daily")
    assert contract.source is not None
    asked = replace(contract, source=replace(contract.source, endpoint=collection))
    station = {"CLIMATE_IDENTIFIER": "6104027", "STN_ID": 4337}
    feature = {"id": id, "geometry": None, "properties": {"ID": id, **station}}
    [row] = read(asked, {"features": [feature]}).rows
    assert (row["id"], row["climate_identifier"], row["station_number"]) == (id, "6104027", "4337")


def test_a_record_that_was_asked_for_alone_is_one_row() -> None:
    feature = {"id": "a", "geometry": {"coordinates": [-98.5, 58.7, 281.3]}, "properties": {"air_temp": 5.9}}
    where = {"endpoint": "swob-realtime/items/a", "window_start": "", "window_end": ""}
    [record] = GeoMet().records(where, io.BytesIO(json.dumps(feature).encode()))
    assert record == {
        "air_temp": 5.9,
        "feature.id": "a",
        "feature.longitude": -98.5,
        "feature.latitude": 58.7,
    }


def test_a_record_without_a_place_has_none() -> None:
    body = {"features": [{"id": "a", "geometry": None, "properties": {"ID": "a"}}]}
    found = read(contract_of("geomet_daily"), body)
    assert [(row["id"], row["longitude"]) for row in found.rows] == [("a", None)]
