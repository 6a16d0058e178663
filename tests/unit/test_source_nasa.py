"""NASA's POWER and CMR: what is asked, how granules are paged, and what values and deletions become."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.records import Refused
from headgate.sources.model import Answer, Call, Rejected, Unavailable, Want, Window
from headgate.sources.providers.nasa_cmr import NasaCmr
from headgate.sources.providers.nasa_power import NasaPower
from tests.answers import PlainAsker, answer_of, want
from tests.sources import contract_of, read
from tests.stubs.host import Stubs

TODAY = date(2024, 3, 10)
MARCH = (date(2024, 3, 1), date(2024, 4, 1))
POINT = {"community": "RE", "point": "35.79,-105.78"}
COLLECTION = {"collection_concept_id": "C2021957657-LPCLOUD"}
UTC_T2M = {"parameters": "T2M,ALLSKY_SFC_SW_DWN", "time-standard": "UTC"}


@pytest.fixture
def power(stubs: Stubs) -> PlainAsker:
    stubs.reset(TODAY)
    return PlainAsker(NasaPower(), stubs.address("nasa_power"))


def body(values: Mapping[str, Any], **header: Any) -> dict[str, Any]:
    """A point's answer with one parameter."""
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [-105.78, 35.79, 2100.5]},
        "properties": {"parameter": {"T2M": values}},
        "header": {"fill_value": -999, "time_standard": "UTC", **header},
        "messages": [],
        "parameters": {"T2M": {"units": "C", "longname": "Temperature at 2 Meters"}},
    }


def test_a_month_of_a_point_is_a_row_for_each_parameter_and_day(power: PlainAsker) -> None:
    [page] = NasaPower().pages(
        power, want("nasa_power", "daily/point", *MARCH, parameters=UTC_T2M, slice=POINT)
    )
    query = power.calls[0].params
    assert (query["start"], query["end"]) == ("20240301", "20240331")
    assert (query["latitude"], query["longitude"], query["community"]) == ("35.79", "-105.78", "RE")
    found = read(contract_of("power_daily"), page.answer.json(), POINT)
    assert (len(found.rows), found.rejects, found.rescued[0]) == (62, [], {})
    known = {(one["parameter"], one["date"]): one for one in found.rows}
    assert len(known) == 62
    first = known["T2M", date(2024, 3, 1)]
    assert (first["latitude_deg"], first["longitude_deg"]) == (Decimal("35.790000"), Decimal("-105.780000"))
    assert (first["community"], first["time_standard"], first["units"]) == ("RE", "UTC", "C")


def test_what_is_not_produced_yet_is_null_and_comes_later(power: PlainAsker, stubs: Stubs) -> None:
    def value(parameter: str, day: date) -> float | None:
        wanted = want("nasa_power", "daily/point", *MARCH, parameters=UTC_T2M, slice=POINT)
        [page] = NasaPower().pages(power, wanted)
        rows = read(contract_of("power_daily"), page.answer.json(), POINT).rows
        [found] = [one["value"] for one in rows if (one["parameter"], one["date"]) == (parameter, day)]
        return found

    assert value("T2M", date(2024, 3, 7)) is not None
    assert value("T2M", date(2024, 3, 8)) is None
    assert value("ALLSKY_SFC_SW_DWN", date(2024, 3, 5)) is None
    stubs.do("advance", days=1)
    assert value("T2M", date(2024, 3, 8)) is not None


@given(
    st.dictionaries(
        st.dates(date(1981, 1, 1), date(2030, 1, 1)),
        st.sampled_from([-999, -999.0, -9])
        | st.integers(-90, 60)
        | st.decimals(-90, 60, places=2).map(float),
        max_size=40,
    ),
    st.sampled_from(["-999", "-999.0", "-9"]),
)
def test_fill_values_are_null_and_others_stay(series: dict[date, float], fill: str) -> None:
    values = {f"{day:%Y%m%d}": value for day, value in series.items()}
    found = read(contract_of("power_daily"), body(values, fill_value=float(fill)), POINT)
    missing = {float(fill), -999.0}
    assert {one["date"]: one["value"] for one in found.rows} == {
        day: None if value in missing else value for day, value in series.items()
    }


def test_days_to_come_are_not_asked_for(power: PlainAsker) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    window = (tomorrow.replace(day=1), tomorrow + timedelta(days=20))
    list(
        NasaPower().pages(power, want("nasa_power", "daily/point", *window, parameters=UTC_T2M, slice=POINT))
    )
    assert str(power.calls[0].params["end"]) < f"{tomorrow + timedelta(days=1):%Y%m%d}"


def test_hours_are_points_in_time_in_utc_only() -> None:
    found = read(contract_of("power_hourly"), body({"2024030105": 1, "2024030106": -999.0}), POINT)
    assert [(one["time"], one["value"]) for one in found.rows] == [
        (datetime(2024, 3, 1, 5, tzinfo=UTC), 1.0),
        (datetime(2024, 3, 1, 6, tzinfo=UTC), None),
    ]
    with pytest.raises(Exception, match="local solar time belong to no time zone"):
        read(contract_of("power_hourly"), body({"2024030105": 1}, time_standard="LST"), POINT)


def test_the_two_forms_of_csv_say_the_same_as_json() -> None:
    head = (
        "-BEGIN HEADER-\r\nNASA/POWER Source Native Resolution Daily Data \r\n"
        "Dates (month/day/year): 03/01/2024 through 03/02/2024 in UTC\r\n"
        "Location: latitude  35.79   longitude -105.78 \r\n"
        "elevation from MERRA-2: Average for 0.5 x 0.625 degree lat/lon region = 2100.5 meters\r\n"
        "parameter(s): \r\nT2M         MERRA-2 Temperature at 2 Meters (C) \r\n-END HEADER-\r\n"
    )
    by_day_of_year = read(
        contract_of("power_daily"), f"{head}YEAR,DOY,T2M\r\n2024,61,1.5\r\n2024,62,-999\r\n", POINT
    )
    by_month = read(
        contract_of("power_daily"), f"{head}YEAR,MO,DY,T2M\n2024,3,1,1.5\n2024,3,2,-999.0\n", POINT
    )
    json_form = read(contract_of("power_daily"), body({"20240301": 1.5, "20240302": -999}), POINT)

    def values(found: Any) -> list[Any]:
        names = ("parameter", "date", "value", "units", "elevation_m", "latitude_deg", "time_standard")
        return [tuple(one[name] for name in names) for one in found.rows]

    assert values(by_day_of_year) == values(by_month) == values(json_form)


@pytest.mark.parametrize("text", ["-BEGIN HEADER-\r\nYEAR,DOY,T2M\r\n", '{"header": {}'])
def test_a_body_that_is_cut_is_held(text: str) -> None:
    with pytest.raises(Exception, match=r"CSV has no|cannot be read"):
        read(contract_of("power_daily"), text, POINT)


def test_what_a_refusal_of_power_means(power: PlainAsker, stubs: Stubs) -> None:
    wrong = {**UTC_T2M, "parameters": "T2M,NOSUCH"}
    with pytest.raises(Rejected, match="NOSUCH is not a valid parameter"):
        list(
            NasaPower().pages(power, want("nasa_power", "daily/point", *MARCH, parameters=wrong, slice=POINT))
        )
    problem = NasaPower().problem
    framework = answer_of({"detail": [{"loc": ["query"], "msg": "field required", "type": "missing"}]}, 422)
    assert "field required" in str(problem(framework))
    assert type(problem(answer_of("<html></html>"))) is Unavailable
    assert problem(answer_of({"message": "Too Many Requests"}, 429)) is None  # the client's: by its status
    assert problem(answer_of("-BEGIN HEADER-")) is None


# --- CMR


@dataclass
class Search:
    """Pages as CMR does: by an opaque header, which the last page has too. Items may come in between.

    ``hits``: how many it says that there are.
    """

    ids: list[int]
    arrives: Mapping[int, int]
    header: bool = True
    hits: int = 0
    calls: int = 0

    def __call__(self, call: Call) -> Answer:
        if call.path == "/deleted-granules.json":
            return answer_of("[]", call=call)
        if self.calls in self.arrives:
            self.ids = sorted({*self.ids, self.arrives[self.calls]})
        self.calls += 1
        assert self.calls < 200, "it goes on for ever"
        after = json.loads(call.headers.get("CMR-Search-After", "[-1]"))[0]
        page = [number for number in self.ids if number > after][: int(call.params["page_size"])]  # type: ignore[call-overload]
        items = [{"meta": {"concept-id": f"G{number}-P"}, "umm": {}} for number in page]
        headers = {"cmr-hits": str(self.hits)}
        headers |= {"cmr-search-after": json.dumps(page[-1:])} if page and self.header else {}
        return answer_of({"hits": self.hits, "took": 1, "items": items}, headers=headers, call=call)


def granules(server: Any, size: int, endpoint: str = "granules.umm_json") -> list[str]:
    wanted = want("nasa_cmr", endpoint, *MARCH, parameters={"page_size": size}, slice=COLLECTION)
    pages = [page for page in NasaCmr().pages(server, wanted) if page.name.startswith("page-")]
    assert [page.name for page in pages] == [f"page-{number:05}" for number in range(1, len(pages) + 1)]
    return [item["meta"]["concept-id"] for page in pages for item in page.answer.json()["items"]]


@given(
    st.sets(st.integers(0, 99), max_size=60),
    st.integers(1, 20),
    st.dictionaries(st.integers(1, 5), st.integers(100, 120), max_size=3),
    st.integers(0, 60),
)
def test_every_granule_comes_once_whatever_the_hits(
    ids: set[int], size: int, arrives: dict[int, int], hits: int
) -> None:
    server = Search(sorted(ids), arrives, hits=hits)
    found = granules(server, size)
    assert len(found) == len(set(found))
    assert {f"G{number}-P" for number in ids} <= set(found)


def test_a_full_page_without_the_header_is_the_last() -> None:
    server = Search(list(range(10)), {}, header=False)
    assert len(granules(server, 10)) == 10
    assert server.calls == 1


def test_the_header_goes_back_as_it_came_with_the_same_parameters() -> None:
    asked: list[Call] = []
    server = Search(list(range(5)), {})

    def ask(call: Call) -> Answer:
        asked.append(call)
        return server(call)

    granules(ask, 2)
    searches = [call for call in asked if call.path == "/granules.umm_json"]
    assert [call.headers.get("CMR-Search-After") for call in searches] == [None, "[1]", "[3]"]
    assert len({json.dumps(dict(call.params)) for call in searches}) == 1
    assert searches[0].params["revision_date[]"] == "2024-03-01T00:00:00Z,2024-04-01T00:00:00Z"


def test_changes_are_asked_for_from_before_the_window() -> None:
    wanted = want("nasa_cmr", "granules.umm_json", *MARCH, slice=COLLECTION, overlap=3600)
    calls: list[Call] = []

    def ask(call: Call) -> Answer:
        calls.append(call)
        return answer_of({"items": []}, call=call)

    list(NasaCmr().pages(ask, wanted))
    assert calls[-1].params["revision_date[]"] == "2024-02-29T23:00:00Z,2024-04-01T00:00:00Z"


@pytest.mark.parametrize("header", ["cmr-timed-out", "cmr-time-out"])
def test_a_part_of_the_granules_is_no_answer(header: str) -> None:
    problem = NasaCmr().problem(answer_of({"hits": 5, "items": []}, headers={header: "true"}))
    assert type(problem) is Unavailable
    assert NasaCmr().problem(answer_of({"hits": 5, "items": []}, headers={header: "false"})) is None


def test_what_a_refusal_of_cmr_means() -> None:
    problem = NasaCmr().problem(answer_of({"errors": ["Parameter [x] was not recognized.", "So."]}, 400))
    assert (type(problem), "[x] was not recognized.; So." in str(problem)) == (Rejected, True)
    assert type(NasaCmr().problem(answer_of("<html>", 200))) is Unavailable


def recent(days: int = 3, **terms: Any) -> Want:
    """A window of so many days, today whole among them: the stub deletes at two in the morning."""
    end = datetime.now(UTC) + timedelta(days=1)
    wanted = want(
        "nasa_cmr", "granules.umm_json", *MARCH, parameters={"page_size": 2}, slice=COLLECTION, **terms
    )
    return Want(wanted.source, Window(end - timedelta(days=days), end), wanted.slice)


def test_a_granule_that_was_deleted_is_marked_and_one_made_again_is_there(stubs: Stubs) -> None:
    """Deletions come before the granules of the same window, and only those of the window."""
    asker = PlainAsker(NasaCmr(), stubs.address("nasa_cmr"))
    wanted = recent()
    before = granule_rows(asker, wanted)
    stubs.do("vanish", provider="nasa_cmr")
    pages = list(NasaCmr().pages(asker, wanted))
    assert [page.name for page in pages][:2] == ["feed=deleted", "page-00001"]
    [gone] = read(
        contract_of("cmr_granules"), pages[0].answer.json(), COLLECTION, pages[0].name, wanted.window
    ).rows
    assert gone["concept_id"] in before
    assert gone["deleted_at"] == gone["revision_date"]
    assert gone["granule_ur"].startswith("HLS.L30")
    assert set(granule_rows(asker, wanted)) == set(before) - {gone["concept_id"]}
    earlier = Window(wanted.window.start, gone["deleted_at"])
    left = read(contract_of("cmr_granules"), pages[0].answer.json(), COLLECTION, pages[0].name, earlier).rows
    assert left == []


def granule_rows(asker: PlainAsker, wanted: Want) -> dict[str, dict[str, Any]]:
    pages = [page for page in NasaCmr().pages(asker, wanted) if page.name != "feed=deleted"]
    rows = [one for page in pages for one in read(contract_of("cmr_granules"), page.answer.json()).rows]
    assert len({one["concept_id"] for one in rows}) == len(rows)
    return {one["concept_id"]: one for one in rows}


def test_deletions_are_asked_for_by_one_date_within_a_year_and_one_collection() -> None:
    def deletions(wanted: Want) -> list[Call]:
        calls: list[Call] = []

        def ask(call: Call) -> Answer:
            calls.append(call)
            return answer_of("[]" if "deleted" in call.path else {"items": []})

        list(NasaCmr().pages(ask, wanted))
        return [call for call in calls if call.path == "/deleted-granules.json"]

    [long_ago] = deletions(recent(days=3000))
    since = datetime.fromisoformat(str(long_ago.params["revision_date"]))
    assert datetime.now(UTC) - since < timedelta(days=365)
    assert long_ago.params["parent_collection_id"] == COLLECTION["collection_concept_id"]
    assert deletions(want("nasa_cmr", "granules.umm_json", *MARCH, slice=COLLECTION)) == []
    anywhere = recent()
    assert deletions(Want(anywhere.source, anywhere.window, {})) == []


def test_a_new_revision_has_the_same_id_and_a_new_date(stubs: Stubs) -> None:
    asker = PlainAsker(NasaCmr(), stubs.address("nasa_cmr"))
    stubs.reset(TODAY)
    march = want("nasa_cmr", "granules.umm_json", *MARCH, slice=COLLECTION)
    before = granule_rows(asker, march)
    stubs.do("correct", provider="nasa_cmr")
    after = granule_rows(asker, march)
    changed = {name for name in before if before[name] != after[name]}
    assert len(changed) == 9
    assert {after[name]["revision_id"] for name in changed} == {2}
    assert {after[name]["revision_date"].date() for name in changed} == {TODAY}


def test_a_granule_is_flat_with_its_place_as_wkt() -> None:
    item = {
        "meta": {"concept-id": "G1-P", "revision-id": 3, "revision-date": "2024-03-01T01:02:03.836Z"},
        "umm": {
            "GranuleUR": "one",
            "TemporalExtent": {"SingleDateTime": "2024-02-28T12:00:00Z"},
            "SpatialExtent": {
                "HorizontalSpatialDomain": {
                    "Geometry": {
                        "BoundingRectangles": [
                            {
                                "WestBoundingCoordinate": -10.5,
                                "SouthBoundingCoordinate": 40,
                                "EastBoundingCoordinate": 5,
                                "NorthBoundingCoordinate": 50,
                            }
                        ]
                    }
                }
            },
            "DataGranule": {
                "ArchiveAndDistributionInformation": [
                    {"Name": "a", "SizeInBytes": 1_048_576},
                    {"Name": "b", "Size": 2, "SizeUnit": "GB"},
                    {"Name": "c", "SizeUnit": "NA"},
                ]
            },
        },
    }
    [one] = read(contract_of("cmr_granules"), {"hits": 1, "items": [item]}, COLLECTION).rows
    assert one["footprint"] == "MULTIPOLYGON (((-10.5 40, 5 40, 5 50, -10.5 50, -10.5 40)))"
    assert one["time_start"] == one["time_end"] == datetime(2024, 2, 28, 12, tzinfo=UTC)
    assert (one["size_mb"], one["revision_id"], one["deleted_at"]) == (2049.0, 3, None)
    assert one["revision_date"] == datetime(2024, 3, 1, 1, 2, 3, 836000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("deleted", "found", "told"),
    [
        ({"notice": "moved"}, {"items": []}, "without a list of records: .*moved"),
        ([], {"notice": "moved"}, "without a list of items: .*moved"),
    ],
)
def test_an_answer_of_another_shape_is_not_taken_for_an_empty_one(
    deleted: Any, found: Any, told: str
) -> None:
    def ask(call: Call) -> Answer:
        body = deleted if call.path == "/deleted-granules.json" else found
        return answer_of(json.dumps(body), call=call)

    with pytest.raises(Rejected, match=told):
        list(NasaCmr().pages(ask, recent()))


def test_the_feed_form_has_its_size_as_text_and_latitude_first() -> None:
    entry = {
        "id": "G1-P",
        "title": "one",
        "data_center": "P",
        "granule_size": "1.0474653244018555",
        "time_start": "2024-03-01T00:00:00.000Z",
        "polygons": [["35.1 -106.1 35.2 -104.9 36.1 -104.9 35.1 -106.1"]],
        "links": [
            {"rel": "http://esipfed.org/ns/fedsearch/1.1/data#", "href": "https://x/all", "inherited": True},
            {"rel": "http://esipfed.org/ns/fedsearch/1.1/data#", "href": "https://x/one"},
        ],
    }
    [row] = NasaCmr().records(
        {"endpoint": "granules.json"}, io.BytesIO(json.dumps({"feed": {"entry": [entry]}}).encode())
    )
    assert row["footprint"] == "MULTIPOLYGON (((-106.1 35.1, -104.9 35.2, -104.9 36.1, -106.1 35.1)))"
    assert (row["size-mb"], row["data-url"], row["time-end"]) == ("1.0474653244018555", "https://x/one", None)
    entries = [{"id": "G2-P", "boxes": ["-10 20 30 40"]}, {"id": "G3-P", "points": ["1 2"]}]
    feed = io.BytesIO(json.dumps({"feed": {"entry": entries}}).encode())
    boxed = NasaCmr().records({"endpoint": "granules.json"}, feed)
    assert [one["footprint"] for one in boxed] == [
        "MULTIPOLYGON (((20 -10, 40 -10, 40 30, 20 30, 20 -10)))",
        "MULTIPOINT (2 1)",
    ]


def test_a_token_is_sent_where_there_is_one() -> None:
    assert NasaCmr().authenticate(Call("/x"), {"token": "t"}) == {"Authorization": "Bearer t"}
    assert NasaCmr().authenticate(Call("/x"), {}) == {}


def test_a_body_without_the_end_is_held() -> None:
    with pytest.raises(Refused, match="cannot be read"):
        read(contract_of("cmr_granules"), b'{"hits": 1, "items": [{"meta": {"concept-id"')
