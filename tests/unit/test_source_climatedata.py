"""ClimateData.ca: what is asked, series by series what is read, and errors in plain text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import DataError
from headgate.sources.model import Rejected, Unavailable
from headgate.sources.providers.climatedata import ClimateData
from tests.answers import PlainAsker, want
from tests.sources import contract_of, read
from tests.stubs.host import Stubs

OTTAWA = {"dataset_name": "CMIP6", "month": "ann", "point": "45.4215,-75.6972", "variable": "tg_mean"}
DAYS = (date(2024, 1, 1), date(2024, 2, 1))


@pytest.fixture
def climatedata(stubs: Stubs) -> PlainAsker:
    return PlainAsker(ClimateData(), stubs.address("climatedata"))


def chart(asker: PlainAsker, **slice: str) -> dict[str, Any]:
    wanted = want("climatedata", "generate-charts", *DAYS, slice=OTTAWA | slice, parameters={"decimals": 2})
    [page] = asker.provider.pages(asker, wanted)
    body: dict[str, Any] = page.answer.json()
    return body


def rows(body: dict[str, Any], **slice: str) -> list[dict[str, Any]]:
    found = read(contract_of("climate_charts"), body, OTTAWA | slice)
    assert found.rejects == []
    return found.rows


def values(body: dict[str, Any]) -> int:
    """How many numbers there are besides the times."""
    return sum(
        sum(len(point) for point in points.values())
        if isinstance(points, dict)
        else sum(len(point) - 1 for point in points)
        for points in body.values()
    )


def test_each_value_of_a_chart_is_a_row(climatedata: PlainAsker) -> None:
    body = chart(climatedata)
    found = rows(body)
    contract = contract_of("climate_charts")
    assert len(found) == values(body) == len({tuple(row[name] for name in contract.key) for row in found})
    assert {row["averaging"] for row in found} == {"year", "30y", "delta7100"}
    assert {row["statistic"] for row in found} == {"value", "median", "p10", "p90"}
    assert {row["scenario"] for row in found} == {
        "observations",
        "modeled_historical",
        "ssp126",
        "ssp245",
        "ssp370",
        "ssp585",
    }
    assert {(row["latitude"], row["longitude"]) for row in found} == {(45.4215, -75.6972)}


def test_the_dataset_is_always_named(climatedata: PlainAsker) -> None:
    chart(climatedata)
    [call] = climatedata.calls
    assert call.path == "/generate-charts/45.4215/-75.6972/tg_mean/ann"
    assert call.params == {"decimals": 2, "dataset_name": "CMIP6"}


@pytest.mark.parametrize(("dataset", "year"), [("CMIP5", 2005), ("CMIP6", 2014)])
def test_the_last_historical_year_is_in_every_series(
    climatedata: PlainAsker, dataset: str, year: int
) -> None:
    found = rows(chart(climatedata, dataset_name=dataset), dataset_name=dataset)
    of_year = [
        row
        for row in found
        if row["time"] == datetime(year, 1, 1, tzinfo=UTC) and row["statistic"] == "median"
    ]
    scenarios = 3 if dataset == "CMIP5" else 4
    assert len(of_year) == len({row["series"] for row in of_year}) == 1 + scenarios


def test_the_sea_has_no_values(climatedata: PlainAsker) -> None:
    point = "50,-140"
    body = chart(climatedata, point=point)
    assert body["observations"] == []
    assert rows(body, point=point) == []


@pytest.mark.parametrize(("dataset", "bounds"), [("CMIP5", {"p05", "p95"}), ("CMIP6", {"p17", "p83"})])
def test_ranges_of_the_sea_level_have_bounds_of_their_own(
    climatedata: PlainAsker, dataset: str, bounds: set[str]
) -> None:
    slice = {"dataset_name": dataset, "variable": "slr"}
    found = rows(chart(climatedata, **slice), **slice)
    assert {row["statistic"] for row in found} == {"median", "value", *bounds}
    alone = {row["series"] for row in found if row["statistic"] == "value"}
    assert alone == (
        {"rcp85_enhanced"} if dataset == "CMIP5" else {"ssp585lowConf", "ssp585highEnd", "uplift"}
    )


@given(st.integers(-3_700_000_000, 10_000_000_000), st.booleans())
def test_times_are_milliseconds_since_1970(seconds: int, as_text: bool) -> None:
    body: dict[str, Any] = {"ssp126_median": [[seconds * 1000, 1.5]]}
    if as_text:
        body = {"30y_ssp126_median": {str(seconds * 1000): [1.5]}}
    [row] = rows(body)
    assert (row["time"].timestamp(), row["value"]) == (seconds, 1.5)


@pytest.mark.parametrize("nothing", [[], {}])
def test_a_series_without_points_is_a_list_or_a_mapping(nothing: Any) -> None:
    assert rows({"30y_observations": nothing, "observations": [[0, 1]]})[0]["series"] == "observations"


def test_whole_numbers_among_the_others_are_numbers() -> None:
    assert [row["value"] for row in rows({"observations": [[0, 1], [1, 2.5]]})] == [1.0, 2.5]


@pytest.mark.parametrize(
    ("slice", "message"),
    [({"variable": "warmth"}, "Bad request"), ({"month": "june"}, "Bad request")],
)
def test_what_it_says_of_a_bad_request_is_passed_on(
    climatedata: PlainAsker, slice: dict[str, str], message: str
) -> None:
    with pytest.raises(Rejected, match=f"ClimateData.ca: {message}"):
        chart(climatedata, **slice)


def test_a_missing_file_is_no_outage(climatedata: PlainAsker) -> None:
    with pytest.raises(Rejected, match="no file for the variable and the month"):
        chart(climatedata, variable="hddheat_18", month="jan")


def test_html_with_status_200_is_an_outage(climatedata: PlainAsker, stubs: Stubs) -> None:
    stubs.do("fault", provider="climatedata", kind="html")
    with pytest.raises(Unavailable):
        chart(climatedata)


@pytest.mark.parametrize("body", [{"uplift": 3.5}, {"ssp126_range": [[0, 1, 2, 3]]}])
def test_a_series_of_another_shape_is_held(body: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"uplift|cannot be read"):
        rows(body)
