"""NOAA's two services: what is asked page by page, what their refusals mean, what their rows become."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import Fatal
from headgate.sources.model import Answer, Call, QuotaUsed, Rejected, Unavailable
from headgate.sources.providers.ncei import Ncei
from headgate.sources.providers.noaa_cdo import NoaaCdo
from headgate.sources.providers.noaa_flags import named_flags
from tests.answers import PlainAsker, answer_of, want
from tests.sources import contract_of, read
from tests.stubs.host import Stubs
from tests.stubs.noaa import CREDENTIALS

TODAY = date(2024, 3, 10)
FEBRUARY = (date(2024, 2, 1), date(2024, 3, 1))
GHCND = {"datasetid": "GHCND", "stationid": "GHCND:USW00014895"}
HTML = "<!DOCTYPE html><html><body>Climate Data Online is retired.</body></html>"


class Signed(PlainAsker):
    """With the token of the stub."""

    def __call__(self, call: Call) -> Answer:
        token = {"token": CREDENTIALS["HEADGATE_SOURCE_NOAA_CDO_TOKEN"]}
        return super().__call__(Call(**{**vars(call), "headers": self.provider.authenticate(call, token)}))


@pytest.fixture
def cdo(stubs: Stubs) -> Signed:
    stubs.reset(TODAY)
    return Signed(NoaaCdo(), stubs.address("noaa_cdo"))


@pytest.fixture
def ncei(stubs: Stubs) -> PlainAsker:
    stubs.reset(TODAY)
    return PlainAsker(Ncei(), stubs.address("ncei"))


@dataclass
class Listing:
    """Pages as the API does, from 1 on. ``changes``: after so many calls the list becomes another.

    ``cap``: the most rows that it gives at once, whatever is asked; ``wrong``: by what its totals are wrong.
    """

    rows: list[int]
    cap: int = 1000
    wrong: int = 0
    changes: Mapping[int, Callable[[list[int]], list[int]]] = field(default_factory=dict)
    calls: int = 0

    def __call__(self, call: Call) -> Answer:
        query: Mapping[str, Any] = call.params
        limit, first = min(int(query["limit"]), self.cap), max(int(query["offset"]), 1) - 1
        self.rows = self.changes.get(self.calls, list)(self.rows)
        self.calls += 1
        assert self.calls < 200, "it goes on for ever"
        page = self.rows[first : first + limit]
        resultset = {"offset": first + 1, "count": len(self.rows) + self.wrong, "limit": limit}
        found = {"metadata": {"resultset": resultset}, "results": [{"id": number} for number in page]}
        return answer_of(found if page else {}, call=call)


def listed(server: Listing, limit: int = 10) -> list[int]:
    """The ids of all pages, in the order of their landing."""
    wanted = want("noaa_cdo", "stations", *FEBRUARY, parameters={"limit": limit})
    pages = list(NoaaCdo().pages(server, wanted))
    names = [page.name for page in pages]
    assert names == sorted(set(names)), "a page has the name of another"
    return [row["id"] for page in pages for row in page.answer.json().get("results", ())]


@given(st.integers(0, 65), st.integers(1, 20), st.integers(1, 20))
def test_every_row_comes_once_whatever_the_total_and_the_page(total: int, limit: int, cap: int) -> None:
    assert listed(Listing(list(range(total)), cap=cap), limit) == list(range(total))


@given(st.integers(0, 65), st.integers(1, 20), st.integers(-3, 3))
def test_a_total_that_is_wrong_loses_no_row(rows: int, limit: int, wrong: int) -> None:
    assert set(listed(Listing(list(range(rows)), wrong=wrong), limit)) == set(range(rows))


@given(
    st.integers(0, 65),
    st.integers(1, 20),
    st.dictionaries(st.integers(0, 3), st.booleans(), max_size=2),
)
def test_rows_that_move_over_the_edges_of_pages_are_not_lost(
    total: int, limit: int, moves: dict[int, bool]
) -> None:
    def comes(rows: list[int]) -> list[int]:
        return [max(rows, default=0) + 1000, *rows]

    def goes(rows: list[int]) -> list[int]:
        return rows[1:]

    changes = {call: comes if more else goes for call, more in moves.items()}
    server = Listing(list(range(total)), changes=changes)
    found = listed(server, limit)
    assert set(server.rows) <= set(found)


def test_a_list_that_does_not_change_is_read_once() -> None:
    server = Listing(list(range(30)))
    assert listed(server) == list(range(30))
    assert server.calls == 4  # a full last page says nothing of the end; `{}` does


def test_a_month_is_asked_for_by_days_that_both_count(cdo: Signed) -> None:
    pages = list(NoaaCdo().pages(cdo, want("noaa_cdo", "data", *FEBRUARY, slice=GHCND)))
    [call] = cdo.calls
    assert (call.params["startdate"], call.params["enddate"]) == ("2024-02-01", "2024-02-29")
    days = {row["date"] for page in pages for row in page.answer.json()["results"]}
    assert (min(days), max(days)) == ("2024-02-01T00:00:00", "2024-02-29T00:00:00")


@pytest.mark.parametrize("fault", ["shrinks", "repeats"])
def test_a_row_that_comes_or_goes_between_pages_loses_none(cdo: Signed, stubs: Stubs, fault: str) -> None:
    wanted = want("noaa_cdo", "data", *FEBRUARY, slice={"datasetid": "GHCND"})
    before = keys(NoaaCdo().pages(cdo, wanted))
    assert len(before) == len(set(before)) > 2000
    stubs.do("fault", provider="noaa_cdo", kind=fault, after=1)
    after = keys(NoaaCdo().pages(cdo, wanted))
    assert set(before[1:]) <= set(after)


def keys(pages: Any) -> list[tuple[str, str, str]]:
    rows = [row for page in pages for row in page.answer.json().get("results", ())]
    return [(row["station"], row["datatype"], row["date"]) for row in rows]


@pytest.mark.parametrize(
    ("body", "status", "error", "told"),
    [
        (HTML, 200, Unavailable, "HTML"),
        ("No service today.", 200, Unavailable, "No service today"),
        ("", 200, Unavailable, "instead of data"),
        ({"status": "429", "message": "limit of 5 per second."}, 429, Unavailable, "5 per second"),
        ({"status": "429", "message": "limit of 10000 per day."}, 429, QuotaUsed, "10000 per day"),
        ({"status": "429", "message": "limit of 10000 per day."}, 200, QuotaUsed, "10000 per day"),
        ({"status": "429", "message": "The daily request limit is reached."}, 429, QuotaUsed, "daily"),
        ({"status": "400", "message": "Token parameter is required."}, 400, Fatal, "NOAA_CDO_TOKEN"),
        ({"statusCode": "400", "developerMessage": "less than 1 year."}, 400, Rejected, "1 year"),
        ({"statusCode": "500", "developerMessage": "An error occured"}, 500, Unavailable, "occured"),
    ],
)
def test_what_a_refusal_of_climate_data_online_means(
    body: Any, status: int, error: type[Exception], told: str
) -> None:
    problem = NoaaCdo().problem(answer_of(body, status, {"content-type": "application/json"}))
    assert type(problem) is error
    assert told in str(problem)


def test_without_a_time_to_wait_the_limit_of_a_second_waits_a_second() -> None:
    problem = NoaaCdo().problem(answer_of({"status": "429", "message": "5 per second"}, 429))
    assert isinstance(problem, Unavailable)
    assert problem.retry_after == 1.0


@pytest.mark.parametrize("body", [{}, {"results": []}, {"id": "GHCND", "name": "Daily Summaries"}])
def test_an_answer_is_no_problem_and_may_be_empty(body: dict[str, Any]) -> None:
    assert NoaaCdo().problem(answer_of(body)) is None


def test_the_stub_refuses_what_the_api_refuses(cdo: Signed) -> None:
    years = want("noaa_cdo", "data", date(2022, 1, 1), date(2024, 1, 1), slice=GHCND)
    with pytest.raises(Rejected, match="less than 1 year"):
        list(NoaaCdo().pages(cdo, years))
    with pytest.raises(Fatal, match="Token parameter is required"):
        list(NoaaCdo().pages(PlainAsker(NoaaCdo(), cdo.address), want("noaa_cdo", "stations", *FEBRUARY)))


def test_an_answer_of_another_shape_is_not_taken_for_an_empty_one() -> None:
    def ask(call: Call) -> Answer:
        return answer_of({"notice": "moved"}, call=call)

    with pytest.raises(KeyError, match="metadata"):
        list(NoaaCdo().pages(ask, want("noaa_cdo", "stations", *FEBRUARY)))


def row(**changes: Any) -> dict[str, Any]:
    return {
        "date": "2024-01-01T00:00:00",
        "datatype": "TMAX",
        "station": "GHCND:USW00014895",
        "attributes": ",,W,2400",
        "value": 50,
        **changes,
    }


def test_daily_values_keep_their_unit_and_their_flags_get_names() -> None:
    found = read(
        contract_of("ghcn_daily"),
        {
            "results": [
                row(),
                row(datatype="PRCP", attributes="T,,n,0700", value=0),
                row(datatype="TMIN", attributes=",I,a", value=-2.5),
                row(datatype="SNOW", attributes=",,A,", value=3),
            ]
        },
        GHCND,
    )
    names = ("datatype", "value", "measurement_flag", "quality_flag", "source_flag", "observation_time")
    assert [tuple(one[name] for name in (*names, "trace", "quality_failed")) for one in found.rows] == [
        ("TMAX", 50.0, None, None, "W", "2400", False, False),
        ("PRCP", 0.0, "T", None, "n", "0700", True, False),
        ("TMIN", -2.5, None, "I", "a", None, False, True),
        ("SNOW", 3.0, None, None, "A", None, False, False),
    ]
    assert {(one["dataset"], one["date"], one["station_id"]) for one in found.rows} == {
        ("GHCND", date(2024, 1, 1), "GHCND:USW00014895")
    }
    assert found.rescued == [{}] * 4
    assert found.rejects == []


@pytest.mark.parametrize(
    ("element", "attributes", "flags"),
    [
        ("TAVG", "4,S", {"days_missing": "4", "source_flag": "S"}),
        ("CDSD", "S", {"source_flag": "S"}),
        (
            "TMAX",
            "1,,,W",
            {"days_missing": "1", "measurement_flag": "", "quality_flag": "", "source_flag": "W"},
        ),
        (
            "EMXT",
            ",W,17,+",
            {"days_missing": "", "source_flag": "W", "day_of_month": "17", "further_days": "+"},
        ),
        ("EMNT", ",W,17", {"days_missing": "", "source_flag": "W", "day_of_month": "17"}),
        (
            "EMXP",
            "2,T,W,3,",
            {
                "days_missing": "2",
                "measurement_flag": "T",
                "source_flag": "W",
                "day_of_month": "3",
                "further_days": "",
            },
        ),
    ],
)
def test_monthly_flags_depend_on_the_element(element: str, attributes: str, flags: dict[str, str]) -> None:
    assert named_flags("GSOM", element, attributes) == flags


def test_monthly_summaries_are_rows_of_their_month(cdo: Signed) -> None:
    slice = {"datasetid": "GSOM", "stationid": "GHCND:USW00014895"}
    wanted = want("noaa_cdo", "data", date(2023, 1, 1), date(2024, 1, 1), slice=slice)
    [page] = NoaaCdo().pages(cdo, wanted)
    found = read(contract_of("gsom_monthly"), page.answer.json(), slice)
    assert {one["month"] for one in found.rows} == {date(2023, month, 1) for month in range(1, 13)}
    assert {one["day_of_month"] for one in found.rows if one["datatype"] == "EMXT"} == {17}
    assert (found.rejects, found.rescued[0]) == ([], {})


def test_stations_may_lack_their_elevation(cdo: Signed) -> None:
    parameters = {"datasetid": "GHCND", "limit": 5}
    wanted = want("noaa_cdo", "stations", *FEBRUARY, parameters=parameters, slice={"locationid": "FIPS:10"})
    pages = [page.answer.json() for page in NoaaCdo().pages(cdo, wanted)]
    assert [len(page["results"]) for page in pages] == [5, 5, 5, 5, 2]
    found = [one for page in pages for one in read(contract_of("noaa_stations"), page).rows]
    assert len({one["station_id"] for one in found}) == 22
    assert {one["elevation_m"] is None for one in found} == {True, False}
    assert {type(one["last_date"]) for one in found} == {date}


def test_a_station_may_be_asked_for_by_its_id(cdo: Signed) -> None:
    slice = {"id": "GHCND:USW00014895"}
    [page] = NoaaCdo().pages(cdo, want("noaa_cdo", "stations", *FEBRUARY, slice=slice))
    assert cdo.calls[0].path == "/stations/GHCND%3AUSW00014895"
    [one] = read(contract_of("noaa_stations"), page.answer.json(), slice).rows
    assert one["station_id"] == "GHCND:USW00014895"


NCEI_SLICE = {"dataset": "daily-summaries", "stations": "USW00014895"}


def test_wide_rows_have_numbers_and_flags_by_element() -> None:
    body = (
        '[{"DATE":"2024-01-01","STATION":"USW00014895","TMAX":"  3.1","TMAX_ATTRIBUTES":",,W,2400",'
        '"PRCP":"0.0","PRCP_ATTRIBUTES":"T,,W,2400","WSF5":"12.1","WSF5_ATTRIBUTES":",,W"}\n'
        ',{"DATE":"2024-01-02","STATION":"USW00014895","TAVG":"-1.0","TAVG_ATTRIBUTES":"H,,S"}\n]'
    )
    found = read(contract_of("daily_summaries"), body, NCEI_SLICE)
    first, second = found.rows
    assert (first["tmax_c"], first["tmax_source_flag"], first["tmax_observation_time"]) == (3.1, "W", "2400")
    assert (first["prcp_mm"], first["prcp_measurement_flag"]) == (0.0, "T")
    assert found.rescued[0] == {
        "WSF5": "12.1",
        "WSF5_MEASUREMENT_FLAG": "",
        "WSF5_QUALITY_FLAG": "",
        "WSF5_SOURCE_FLAG": "W",
    }
    assert (second["tmax_c"], second["tavg_c"], second["tavg_measurement_flag"]) == (None, -1.0, "H")


@pytest.mark.parametrize(
    ("given", "day"),
    [("2024-02", date(2024, 2, 1)), ("2024", date(2024, 1, 1)), ("2024-02-29", date(2024, 2, 29))],
)
def test_months_and_years_are_dated_by_their_first_day(given: str, day: date) -> None:
    body = [{"DATE": given, "STATION": "USW00014895", "TAVG": "1.0"}]
    [one] = read(contract_of("daily_summaries"), body, NCEI_SLICE).rows
    assert one["date"] == day


def test_the_service_of_ncei_is_asked_in_the_units_of_the_contract(ncei: PlainAsker) -> None:
    source = contract_of("daily_summaries").source
    assert source is not None
    wanted = want("ncei", "data", *FEBRUARY, parameters=source.parameters, slice=NCEI_SLICE)
    [page] = Ncei().pages(ncei, wanted)
    found = read(contract_of("daily_summaries"), page.answer.json(), NCEI_SLICE)
    assert (len(found.rows), found.rejects) == (29, [])
    assert {one["latitude_deg"] for one in found.rows} == {39.5}
    assert max(one["tmax_c"] for one in found.rows if one["tmax_c"] is not None) < 40


def test_nothing_found_is_an_empty_list(ncei: PlainAsker) -> None:
    wanted = want("ncei", "data", *FEBRUARY, slice={**NCEI_SLICE, "stations": "NOSUCH"})
    [page] = Ncei().pages(ncei, wanted)
    assert page.answer.json() == []
    assert read(contract_of("daily_summaries"), b"[]", NCEI_SLICE).rows == []


def test_what_a_refusal_of_ncei_means(ncei: PlainAsker) -> None:
    with pytest.raises(Rejected, match="check parameters; stations is required"):
        list(Ncei().pages(ncei, want("ncei", "data", *FEBRUARY, slice={"dataset": "daily-summaries"})))
    error = {"errorCode": 503, "errorMessage": "Try later", "errors": None}
    assert type(Ncei().problem(answer_of(error, 503))) is Unavailable
    assert type(Ncei().problem(answer_of(json.dumps(error), 200))) is Rejected
    assert type(Ncei().problem(answer_of(HTML))) is Unavailable
    assert type(Ncei().problem(answer_of({"message": "no list"}))) is Unavailable
    assert Ncei().problem(answer_of("[]")) is None
