"""GLOBE: failures that look like answers, the ends of a window, values that mean nothing, keys."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import DataError
from headgate.records import Refused
from headgate.sources.model import Unavailable, Window
from headgate.sources.providers.globe import Globe
from tests.answers import PlainAsker, answer_of, want
from tests.sources import contract_of, read
from tests.stubs.globe import FAILURE
from tests.stubs.host import Stubs

TODAY = date(2024, 3, 10)
FEBRUARY = (date(2024, 2, 1), date(2024, 3, 1))
WINDOW = Window(datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
DATASETS = {
    "globe_land_covers": "land_covers",
    "globe_mosquito_habitats": "mosquito_habitat_mapper",
    "globe_sky_conditions": "sky_conditions",
    "globe_air_temperatures": "air_temps",
}


@pytest.fixture
def globe(stubs: Stubs) -> PlainAsker:
    stubs.reset(TODAY)
    return PlainAsker(Globe(), stubs.address("globe"))


def body_of(asker: PlainAsker, endpoint: str, **terms: Any) -> dict[str, Any]:
    wanted = want("globe", endpoint, *FEBRUARY, window="month", **terms)
    [page] = asker.provider.pages(asker, wanted)
    body: dict[str, Any] = page.answer.json()
    return body


def result(**fields: Any) -> dict[str, Any]:
    data = {"landcoversLandCoverId": 7, **fields.pop("data", {})}
    return {"protocol": "land_covers", "measuredDate": "2024-02-03", **fields, "data": data}


def answer(*results: dict[str, Any]) -> dict[str, Any]:
    return {"count": len(results), "message": "success", "results": list(results)}


@pytest.mark.parametrize(("dataset", "endpoint"), DATASETS.items())
def test_a_month_is_read_with_nothing_left_over(globe: PlainAsker, dataset: str, endpoint: str) -> None:
    found = read(contract_of(dataset), body_of(globe, endpoint), window=WINDOW)
    assert (len(found.rows), found.rejects) == (29 * 4, [])
    assert {row["measured_on"] for row in found.rows} == {date(2024, 2, day) for day in range(1, 30)}
    assert {json.dumps(rest) for rest in found.rescued} == {"{}"}
    asked = globe.calls[0]
    assert asked.params["protocols"] == endpoint
    assert asked.params["geojson"] == asked.params["sample"] == "FALSE"
    assert asked.read_timeout >= 300


@pytest.mark.parametrize("end_excluded", [False, True])
def test_the_last_day_is_there_whether_the_end_counts_or_not(
    globe: PlainAsker, stubs: Stubs, end_excluded: bool
) -> None:
    if end_excluded:
        stubs.do("fault", provider="globe", kind="end_excluded")
    found = read(contract_of("globe_land_covers"), body_of(globe, "land_covers"), window=WINDOW)
    days = [row["measured_on"] for row in found.rows]
    assert (min(days), max(days)) == (date(2024, 2, 1), date(2024, 2, 29))


@given(st.lists(st.dates(date(2023, 12, 1), date(2024, 4, 30)), max_size=20))
def test_a_row_belongs_to_the_window_of_its_day(days: list[date]) -> None:
    rows = [
        result(measuredDate=f"{day}", data={"landcoversLandCoverId": number})
        for number, day in enumerate(days)
    ]
    found = read(contract_of("globe_land_covers"), answer(*rows), window=WINDOW)
    assert [row["measured_on"] for row in found.rows] == [
        day for day in days if date(2024, 2, 1) <= day < date(2024, 3, 1)
    ]


def test_a_failure_with_status_200_is_no_answer(globe: PlainAsker, stubs: Stubs) -> None:
    stubs.do("fault", provider="globe", kind="failure")
    with pytest.raises(Unavailable, match="GLOBE reports: failure: Connection refused"):
        body_of(globe, "land_covers")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (FAILURE, "GLOBE reports: failure: Connection refused"),
        ({"count": 0}, "GLOBE reports: no message of success"),
        ({"type": "FeatureCollection", "features": []}, "GLOBE reports: no message of success"),
        ("<html>Sorry</html>", "a page of HTML instead of data"),
        ("", "instead of data"),
        ('{"count": 1, "results": [{', "GLOBE answered with broken JSON"),
    ],
)
def test_only_a_message_of_success_is_an_answer(body: dict[str, Any] | str, message: str) -> None:
    problem = Globe().problem(answer_of(body))
    assert isinstance(problem, Unavailable)
    assert message in str(problem)


@pytest.mark.parametrize(
    "body",
    [answer(), answer(result()), {"type": "FeatureCollection", "features": [], "message": "success"}],
)
def test_a_message_of_success_is_found_wherever_it_stands(body: dict[str, Any]) -> None:
    assert Globe().problem(answer_of(body)) is None


@pytest.mark.parametrize(
    "body",
    [
        FAILURE,
        {"results": [], "message": "failure: Connection refused"},
        {"message": "success"},
        {"count": 3, "message": "success"},
    ],
)
def test_a_landed_report_is_never_read_as_no_rows(body: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        read(contract_of("globe_land_covers"), body, window=WINDOW)


def test_no_measurement_is_an_answer(globe: PlainAsker) -> None:
    found = read(contract_of("globe_land_covers"), answer(), window=WINDOW)
    assert (found.rows, found.rejects) == ([], [])


@given(st.sampled_from([None, "null", "", "absent"]), st.sampled_from([None, "null", "", "absent"]))
def test_all_ways_to_say_nothing_are_null(text: str | None, number: str | None) -> None:
    data = {"landcoversNorthExtraData": text, "landcoversUserid": number}
    row = result(data={name: value for name, value in data.items() if value != "absent"})
    [read_row] = read(contract_of("globe_land_covers"), answer(row, result()), window=WINDOW).rows[:1]
    assert (read_row.get("north_extra_data"), read_row.get("user_id")) == (None, None)


def test_times_without_zone_are_utc_with_or_without_fraction() -> None:
    rows = [
        result(data={"landcoversLandCoverId": 1, "landcoversMeasuredAt": "2024-02-03T10:00:00"}),
        result(data={"landcoversLandCoverId": 2, "landcoversMeasuredAt": "2024-02-03T10:00:00.123456"}),
    ]
    found = read(contract_of("globe_land_covers"), answer(*rows), window=WINDOW)
    assert [row["measured_at"] for row in found.rows] == [
        datetime(2024, 2, 3, 10, tzinfo=UTC),
        datetime(2024, 2, 3, 10, 0, 0, 123456, tzinfo=UTC),
    ]


def test_records_that_share_a_pid_are_all_kept(globe: PlainAsker) -> None:
    for dataset, endpoint in DATASETS.items():
        found = read(contract_of(dataset), body_of(globe, endpoint), window=WINDOW)
        contract = contract_of(dataset)
        keys = {tuple(row[name] for name in contract.key) for row in found.rows}
        assert len(keys) == len(found.rows) > len({row["pid"] for row in found.rows})


def test_a_temperature_without_observer_has_a_key(globe: PlainAsker) -> None:
    found = read(contract_of("globe_air_temperatures"), body_of(globe, "air_temps"), window=WINDOW)
    anonymous = [row for row in found.rows if row["user_id"] is None]
    assert anonymous
    assert {row["user_key"] for row in anonymous} == {0}
    assert all(row["user_key"] == row["user_id"] for row in found.rows if row["user_id"] is not None)


def test_counts_of_larvae_stay_as_they_were_written(globe: PlainAsker) -> None:
    body = body_of(globe, "mosquito_habitat_mapper")
    found = read(contract_of("globe_mosquito_habitats"), body, window=WINDOW)
    assert {row["larvae_count"] for row in found.rows} == {"0", "5", "1-25", "-9", None}


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"countrycode": "KEN"}, "country/"),
        ({"minlat": -60, "maxlat": -30, "minlon": -70, "maxlon": -50}, "lat/lon/"),
    ],
)
def test_an_area_is_asked_for_by_its_own_address(
    globe: PlainAsker, parameters: dict[str, Any], path: str
) -> None:
    body = body_of(globe, "land_covers", parameters=parameters)
    assert globe.calls[0].path.endswith(f"/measureddate/{path}")
    assert {entry["countryCode"] for entry in body["results"]} == ({"KEN"} if path == "country/" else {"ARG"})


def test_a_body_that_was_cut_is_held(globe: PlainAsker) -> None:
    whole = json.dumps(body_of(globe, "land_covers"))
    with pytest.raises(Refused, match="cannot be read as land_covers"):
        read(contract_of("globe_land_covers"), whole[: len(whole) // 2], window=WINDOW)
