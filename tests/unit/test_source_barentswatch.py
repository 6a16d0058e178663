"""BarentsWatch: what its requests are, what its refusals mean, and what its bodies become."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import DataError
from headgate.sources.model import Answer, Call, Provider, Rejected, Unavailable, Want, Window
from headgate.sources.providers import barentswatch_records as reading
from headgate.sources.providers.barentswatch import BarentsWatch, BarentsWatchAis, NotReported
from tests.answers import answer_of, want
from tests.sources import contract_of, read

BARENTSWATCH, AIS = BarentsWatch(), BarentsWatchAis()
WEEK = Window(datetime(2026, 7, 20, tzinfo=UTC), datetime(2026, 7, 27, tzinfo=UTC))  # 2026-W30
SHIP = {"mmsi": 257034450, "msgtime": "2023-02-17T11:38:39+00:00", "latitude": 66.5, "longitude": 12.1}
WAVE = {
    "forecastTime": "2026-07-20T03:00:00+00:00",
    "totalSignificantWaveHeight": 2,
    "expectedMaximumWaveHeight": 3.8,
    "totalMeanWaveDirection": 116,
    "totalPeakPeriod": 8.1,
    "latitude": 62.24,
    "longitude": 5.08,
    "source": "MyWaveWam800",
    "fileSource": "run.nc",
}


LISTS = {"fish_health": "localities", "fishing_gear": "fishingFacilities", "zones": "features"}


def asked(provider: Provider, wanted: Want, body: Any = None) -> list[Call]:
    """The calls for what is wanted, each answered with this body, else with an empty list."""
    calls: list[Call] = []
    place = LISTS.get(wanted.source.endpoint)
    body = body or ({place: []} if place else "[]")

    def ask(call: Call) -> Answer:
        calls.append(call)
        return answer_of(body, call=call)

    list(provider.pages(ask, wanted))
    return calls


# Requests


def test_a_window_of_fish_health_is_its_iso_weeks() -> None:
    calls = asked(BARENTSWATCH, want("barentswatch", "fish_health", date(2020, 12, 28), date(2021, 1, 5)))
    prefix = "/v1/geodata/fishhealth/locality"
    assert [call.path for call in calls] == [f"{prefix}/2020/53", f"{prefix}/2021/1"]


@given(st.integers(0, 18 * 365 * 24 * 60), st.integers(1, 60 * 24 * 60))
def test_the_pages_of_a_window_are_the_weeks_it_touches(first: int, minutes: int) -> None:
    start = datetime(2012, 1, 1, tzinfo=UTC) + timedelta(minutes=first)
    wanted = want("barentswatch", "fish_health", date(2020, 1, 1), date(2020, 1, 2))
    window = Window(start, start + timedelta(minutes=minutes))
    touched = {(start + timedelta(minutes=minute)).isocalendar()[:2] for minute in range(0, minutes, 60)}
    touched.add((window.end - timedelta(microseconds=1)).isocalendar()[:2])
    calls = asked(BARENTSWATCH, Want(wanted.source, window))
    assert [tuple(map(int, call.path.split("/")[-2:])) for call in calls] == sorted(touched)


def test_the_export_covers_all_weeks_at_once_and_lands_as_csv() -> None:
    wanted = want("barentswatch", "lice_export", date(2026, 7, 20), date(2026, 8, 3))
    [page] = BARENTSWATCH.pages(lambda call: answer_of("", call=call), wanted)
    span = {"fromyear": 2026, "fromweek": 30, "toyear": 2026, "toweek": 31}
    assert page.answer.call.params == {"reporttype": "Lice", "filetype": "Csv", **span}
    assert page.suffix == "csv"


def test_changes_of_gear_are_asked_for_from_before_the_window() -> None:
    wanted = want("barentswatch", "fishing_gear", date(2024, 1, 2), date(2024, 1, 3), overlap=3600)
    [call] = asked(BARENTSWATCH, wanted)
    assert call.params == {"since": "2024-01-01T23:00:00Z"}


def test_a_point_is_longitude_then_latitude() -> None:
    slice = {"point": "5.10,62.25"}
    wanted = want("barentswatch", "wave_forecast", date(2024, 1, 2), date(2024, 1, 3), slice=slice)
    [call] = asked(BARENTSWATCH, wanted)
    assert (call.path, call.params) == ("/v1/waveforecastpoint/nearest/all", {"x": "5.10", "y": "62.25"})


def test_no_point_of_the_model_is_an_answer_without_a_body() -> None:
    slice = {"point": "10.75,61.00"}
    wanted = want("barentswatch", "wave_forecast", date(2024, 1, 2), date(2024, 1, 3), slice=slice)
    [page] = BARENTSWATCH.pages(lambda call: answer_of("", 204, call=call), wanted)
    assert page.answer.size == 0


def test_only_the_map_server_is_asked_without_a_token_and_ships_with_a_scope_of_their_own() -> None:
    slices = {"zones": {"layer": "pdprotectionzone"}, "tracks": {"mmsi": "1"}}
    scopes = {}
    for provider in (BARENTSWATCH, AIS):
        for name in ("fish_health", "fishing_gear", "zones", "latest", "tracks"):
            if name in provider.endpoints:
                wanted = want("x", name, date(2024, 1, 2), date(2024, 1, 3), slice=slices.get(name, {}))
                [call] = asked(provider, wanted)
                scopes[name] = provider.token_scope(call)
    assert scopes == {
        "fish_health": "api",
        "fishing_gear": "api",
        "zones": "",
        "latest": "ais",
        "tracks": "ais",
    }


def zones(count: int, size: int) -> tuple[list[int], list[int]]:
    """Features of each page that is landed, of a layer with so many, and where the pages began."""
    starts = []

    def ask(call: Call) -> Answer:
        start, most = int(str(call.params["startIndex"])), int(str(call.params["count"]))
        starts.append(start)
        shown = [{"type": "Feature", "id": number} for number in range(count)[start : start + most]]
        return answer_of({"features": shown, "numberMatched": "unknown", "totalFeatures": 99})

    terms = {"slice": {"layer": "pdprotectionzone"}, "parameters": {"count": size}}
    wanted = want("barentswatch", "zones", date(2024, 1, 2), date(2024, 1, 3), **terms)
    pages = [len(page.answer.json()["features"]) for page in BARENTSWATCH.pages(ask, wanted)]
    return pages, starts


@given(st.integers(0, 40), st.integers(1, 10))
def test_a_layer_is_read_to_its_end_whatever_its_totals_say(count: int, size: int) -> None:
    pages, starts = zones(count, size)
    assert sum(pages) == count
    assert starts == [number * size for number in range(len(pages))]
    assert pages[-1] < size


def test_a_page_of_zones_may_be_gone_once_it_is_landed() -> None:
    def ask(call: Call) -> Answer:
        return answer_of({"features": [{"type": "Feature"}] * (2 if call.params["startIndex"] == 0 else 1)})

    terms = {"slice": {"layer": "pdprotectionzone"}, "parameters": {"count": 2}}
    wanted = want("barentswatch", "zones", date(2024, 1, 2), date(2024, 1, 3), **terms)
    names = []
    for page in BARENTSWATCH.pages(ask, wanted):
        page.answer.body.unlink()
        names.append(page.name)
    assert names == ["page-00001", "page-00002"]


def register(ask: Any, **slice: str) -> Iterator[str]:
    wanted = want("barentswatch", "aquaculture_register", WEEK.start.date(), WEEK.end.date(), slice=slice)
    return (page.name for page in BARENTSWATCH.pages(ask, wanted))


def test_a_site_without_a_report_is_passed_over() -> None:
    def ask(call: Call) -> Answer:
        if call.path.endswith("localitieswithsalmonoids"):
            return answer_of('[{"localityNo": 1, "name": "A"}, {"localityNo": 2}, {"localityNo": 3}]')
        if call.path.endswith("/locality/2/2026/30"):
            raise NotReported("400: Locality week for 2 2026-W30 was not found.")
        return answer_of("{}", call=call)

    assert list(register(ask)) == ["locality=1", "locality=3"]
    assert list(register(ask, locality="2")) == []
    assert list(register(ask, locality="7")) == ["locality=7"]


@pytest.mark.parametrize("endpoint", ["fish_health", "fishing_gear", "zones", "wave_forecast", "sea_current"])
def test_an_answer_of_another_shape_is_not_taken_for_an_empty_one(endpoint: str) -> None:
    slice = {"layer": "pdprotectionzone", "point": "5.10,62.25"}
    wanted = want("barentswatch", endpoint, date(2024, 1, 2), date(2024, 1, 3), slice=slice)
    with pytest.raises(Rejected, match=r"without a list of .*: .*An error occurred"):
        asked(BARENTSWATCH, wanted, {"title": "An error occurred"})


# Refusals


EXPORT = Call("/v1/geodata/download/fishhealth", {"reporttype": "Lice", "filetype": "Csv"})


def problem(body: Any, status: int, content_type: str = "application/json") -> Exception | None:
    return BARENTSWATCH.problem(answer_of(body, status, {"content-type": content_type}))


def test_a_refusal_tells_the_providers_own_words() -> None:
    errors = {"errors": {"": ["Atleast one of IncludePosition … must be true."]}, "title": "Errors occurred."}
    found = problem(errors, 400)
    assert isinstance(found, Rejected)
    assert str(found) == "400: Errors occurred. Atleast one of IncludePosition … must be true."
    olex = problem("Only OLEX format is supported without authentication", 400, "text/plain")
    assert isinstance(olex, Rejected)
    assert "Only OLEX" in str(olex)


def test_a_site_that_is_not_found_is_told_from_a_bad_week() -> None:
    assert isinstance(problem({"title": "Locality week for 11340 2030-W1 was not found."}, 400), NotReported)
    bad_week = problem({"title": "Week must in the range [1, 52] or [1, 53] depending on the year."}, 400)
    assert isinstance(bad_week, Rejected)
    assert not isinstance(bad_week, NotReported)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_access_limits_and_outages_are_left_to_the_client(status: int) -> None:
    assert problem("", status) is None
    assert problem("<html><body>Service Unavailable</body></html>", max(status, 500), "text/html") is None


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
def test_html_with_status_200_is_an_outage(content_type: str) -> None:
    assert isinstance(problem("\ufeff <!DOCTYPE html><html></html>", 200, content_type), Unavailable)


def test_an_exception_of_the_map_server_is_told_by_its_text() -> None:
    body = "<ows:ExceptionReport><ows:ExceptionText>{}</ows:ExceptionText></ows:ExceptionReport>"
    join = problem(body.format("Join query must specify a filter"), 500, "application/xml")
    assert isinstance(join, Rejected)
    assert str(join) == "500: Join query must specify a filter"
    assert isinstance(problem(body.format("Unknown layer"), 200, "application/xml"), Rejected)
    assert isinstance(problem(body.format("Connection lost"), 500, "application/xml"), Unavailable)


def test_answers_are_no_problem() -> None:
    for body in ("[]", {"year": 2010, "localities": []}):
        assert problem(body, 200) is None
    assert problem("", 204) is None
    assert BARENTSWATCH.problem(answer_of("\ufeffUke,År,Lokalitetsnummer\r\n", call=EXPORT)) is None


@pytest.mark.parametrize("notice", ["", "The service is under maintenance."])
def test_a_notice_in_plain_text_is_an_outage(notice: str) -> None:
    assert isinstance(problem(notice, 200, "text/plain"), Unavailable)
    assert isinstance(BARENTSWATCH.problem(answer_of(notice, call=EXPORT)), Unavailable)
    assert BARENTSWATCH.problem(answer_of(notice, 500, call=EXPORT)) is None


# Fish health


def test_a_week_without_sites_is_no_failure() -> None:
    body = {"year": 2011, "week": 5, "localities": []}
    assert read(contract_of("fish_health"), body, page="week=2011-W05").rows == []


def test_a_site_is_keyed_by_the_week_that_was_asked_for() -> None:
    site = {"localityNo": 10029, "municipalityNo": "0301", "lat": 59, "lon": 5.2, "avgAdultFemaleLice": None}
    [row] = read(contract_of("fish_health"), {"localities": [site]}, page="week=2020-W53").rows
    assert (row["year"], row["week"], row["week_start"]) == (2020, 53, date(2020, 12, 28))
    assert (row["municipality_no"], row["latitude"], row["avg_adult_female_lice"]) == ("0301", 59.0, None)


LICE = "Uke,År,Lokalitetsnummer,Voksne hunnlus,Trolig uten fisk,Har telt lakselus,Kommunenummer,Sjøtemperatur"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_lice_export_is_read_behind_its_mark_and_with_any_line_ends(mark: str, end: str) -> None:
    lines = [LICE, "53,2020,13035,1,Nei,Ja,301,196", '1,2021,13035,,Ja,Nei,4625,""', ""]
    found = read(contract_of("fish_health_lice"), mark + end.join(lines))
    first, second = found.rows
    assert (first["year"], first["week"], first["week_start"]) == (2020, 53, date(2020, 12, 28))
    assert (first["adult_female_lice"], first["sea_temperature"], first["municipality_no"]) == (
        1.0,
        196.0,
        "0301",
    )
    assert (first["probably_fallow"], first["has_counted_lice"]) == (False, True)
    assert (second["week_start"], second["adult_female_lice"]) == (date(2021, 1, 4), None)
    assert not found.rejects


def test_a_line_end_in_a_name_of_the_export_is_part_of_it() -> None:
    text = 'Uke,År,Lokalitetsnummer,Lokalitetsnavn\r\n1,2021,13035,"Sauaneset\r\nI"\r\n'
    [row] = read(contract_of("fish_health_lice"), text).rows
    assert row["locality_name"] == "Sauaneset\r\nI"


def test_a_bad_line_of_the_export_stops_itself_only() -> None:
    lines = [
        LICE,
        "54,2020,13035,1,Nei,Ja,301,8",
        "x,2020,13036,1,Nei,Ja,301,8",
        "2,2020,13037,a,Nei,Ja,301,8",
    ]
    found = read(contract_of("fish_health_lice"), "\n".join(lines))
    assert [(row["locality_no"], row["week_start"]) for row in found.rows] == [
        (13035, None)
    ]  # the suite has it
    assert [reject["row_number"] for reject in found.rejects] == [2, 3]


def test_a_licence_stands_with_its_site_and_the_week_of_the_request() -> None:
    licence = {
        "licenseNo": "H AV 0011",
        "capacity": 780,
        "localities": [{}, {}],
        "species": ["Laks", "Ørret"],
    }
    dates = {"grantDate": "1973-12-03T23:00:00.000Z", "expirationDate": "9999-12-30T00:00:00"}
    body = {
        "locality": {"no": 10029, "name": "Tuholmane Ø"},
        "geometry": {"type": "Point", "coordinates": [5.2, 59.3]},
        "aquaCultureRegister": {"capacity": 3120, "unit": "TN", "licenses": [{**licence, **dates}]},
    }
    contract = contract_of("aquaculture_capacity")
    [row] = read(contract, body, {"locality": "10029"}, page="locality=10029", window=WEEK).rows
    assert (row["locality_no"], row["license_key"], row["year"], row["week"]) == (10029, "HAV0011", 2026, 30)
    assert (row["license_no"], row["capacity"], row["site_capacity"]) == ("H AV 0011", 780.0, 3120.0)
    assert (row["grant_date"], row["expiration_date"]) == (date(1973, 12, 4), None)
    assert (row["species"], row["sites_of_license"], row["longitude"]) == ("Laks, Ørret", 2, 5.2)


def test_a_site_without_a_register_has_no_licences() -> None:
    body = {"locality": {"no": 1}, "aquaCultureRegister": None}
    assert read(contract_of("aquaculture_capacity"), body, page="locality=1", window=WEEK).rows == []


def test_a_body_that_is_no_report_of_a_site_is_held() -> None:
    with pytest.raises(DataError, match="no report of a site"):
        read(contract_of("aquaculture_capacity"), {"title": "error"}, page="locality=1", window=WEEK)


# Days in Norway


@given(st.dates(date(1950, 1, 1), date(2100, 1, 1)))
def test_norwegian_midnight_in_utc_is_the_norwegian_day(day: date) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("Europe/Oslo")).astimezone(UTC)
    for text in (f"{midnight:%Y-%m-%dT%H:%M:%SZ}", midnight.isoformat(), f"{day}Z", f"{day}"):
        assert reading._norwegian_day(text) == day.isoformat()


def test_the_end_of_time_is_a_day_too() -> None:
    assert reading._norwegian_day("9999-12-31T23:00:00Z") == "9999-12-31"
    assert reading._norwegian_day("") is reading._norwegian_day(None) is None


# Gear, waves, zones


def test_a_shape_is_text_for_postgis_and_its_first_point() -> None:
    line = {"type": "LineString", "coordinates": [[5.5, 62.1], [5.6, 62.2]]}
    point = {"type": "Point", "coordinates": [5, 62.5]}
    tools = [{"toolId": str(number), "geometry": shape} for number, shape in enumerate((line, point, None))]
    rows = read(contract_of("fishing_gear"), {"fishingFacilities": tools}).rows
    assert [(row["longitude"], row["latitude"]) for row in rows] == [(5.5, 62.1), (5.0, 62.5), (None, None)]
    assert [json.loads(row["geometry"] or "null") for row in rows] == [line, point, None]
    assert [row["geometry_type"] for row in rows] == ["LineString", "Point", None]


def test_a_height_without_a_direction_is_no_calm_sea() -> None:
    nothing = {"totalMeanWaveDirection": None, "totalSignificantWaveHeight": 0.0, "totalPeakPeriod": 1.2}
    calm = {"totalMeanWaveDirection": 90, "totalSignificantWaveHeight": 0.0}
    changes = ({}, nothing, calm, {"totalMeanWaveDirection": None})
    steps = [
        {**WAVE, **change, "forecastTime": f"2026-07-20T{3 * step:02}:00:00Z"}
        for step, change in enumerate(changes)
    ]
    rows = read(contract_of("wave_forecast"), steps, {"point": "5.1,62.2"}).rows
    assert [row["significant_wave_height"] for row in rows] == [2.0, None, 0.0, 2.0]
    assert [row["peak_period"] for row in rows] == [8.1, None, 8.1, 8.1]
    assert [row["mean_wave_direction"] for row in rows] == [116.0, None, 90.0, None]
    assert {row["point"] for row in rows} == {"5.1,62.2"}


def test_no_model_point_is_no_record() -> None:
    assert read(contract_of("wave_forecast"), b"", {"point": "10,61"}).rows == []


def test_the_days_of_a_zone_are_days_in_norway() -> None:
    days = {"fromdate": "2024-04-30T22:00:00Z", "todate": None, "originaldate": "2023-11-15Z"}
    changed = {"sistendret": "2024-05-02T07:10:00Z"}
    feature = {"type": "Feature", "geometry": None, "properties": {"id": 7, "version": 2, **days, **changed}}
    [row] = read(contract_of("protection_zones"), {"features": [feature]}, {"layer": "pdprotectionzone"}).rows
    assert (row["layer"], row["zone_id"], row["version"]) == ("pdprotectionzone", 7, 2)
    assert (row["valid_from"], row["valid_to"], row["original_from"]) == (
        date(2024, 5, 1),
        None,
        date(2023, 11, 15),
    )
    assert row["last_changed_at"] == datetime(2024, 5, 2, 7, 10, tzinfo=UTC)


# Ships


def test_what_a_ship_does_not_say_is_null_and_units_stay() -> None:
    ships = [
        {**SHIP, "trueHeading": 511, "eta": "00002460", "draught": 47, "courseOverGround": 17},
        {
            **SHIP,
            "mmsi": 2573250,
            "eta": "11302460",
            "trueHeading": 359,
            "msgtime": "2023-02-17T11:38:43.9935271+00:00",
        },
    ]
    first, second = read(contract_of("ais_latest"), ships).rows
    assert (first["true_heading"], first["eta"], first["draught"], first["course_over_ground"]) == (
        None,
        None,
        47,
        17.0,
    )
    assert (second["mmsi"], second["eta"], second["true_heading"]) == (2573250, "11302460", 359)
    assert second["msgtime"] == datetime(2023, 2, 17, 11, 38, 43, 993527, tzinfo=UTC)
    assert "2023" not in second["eta"]  # a month and a day without a year is no time


def test_an_echo_is_no_record_and_another_position_is() -> None:
    elsewhere = {**SHIP, "latitude": 66.6}
    found = read(contract_of("ais_tracks"), [SHIP, SHIP, elsewhere, SHIP], {"mmsi": "257034450"})
    assert [row["latitude"] for row in found.rows] == [66.5, 66.6]


def test_an_echo_is_equal_in_every_field() -> None:
    turning = [{**SHIP, "rateOfTurn": turn} for turn in (-1, -2, None, 0)]  # -1 and -2 have one hash
    assert list(reading._without_echoes(turning)) == turning


@given(st.lists(st.integers(0, 30)))
def test_echoes_are_told_within_their_reach_only(numbers: list[int]) -> None:
    rows = [{"n": number} for number in numbers]
    assert [row["n"] for row in reading._without_echoes(rows)] == list(dict.fromkeys(numbers))


def test_the_memory_for_echoes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "REPEATS_WITHIN", 3)
    numbers = [1, 2, 3, 4, 1, 1]
    assert [row["n"] for row in reading._without_echoes([{"n": n} for n in numbers])] == [1, 2, 3, 4, 1]


@pytest.mark.parametrize("separator", [",\n", "\n"])
def test_an_array_and_a_stream_of_lines_are_read_alike(separator: str) -> None:
    text = separator.join(json.dumps({**SHIP, "mmsi": number}) for number in range(1, 4))
    body = f"[{text}]" if separator[0] == "," else text + "\n"
    assert [row["mmsi"] for row in read(contract_of("ais_latest"), body).rows] == [1, 2, 3]


def test_a_body_is_read_record_by_record() -> None:
    class Endless(io.RawIOBase):
        """An array that has no end."""

        sent, rest = 0, b"["

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            while len(self.rest) < len(buffer):
                self.rest += b'{"mmsi":1,"n":%d},' % self.sent
                self.sent += 1
            buffer[:], self.rest = self.rest[: len(buffer)], self.rest[len(buffer) :]
            return len(buffer)

    body: Any = io.BufferedReader(Endless())
    records = AIS.records({"endpoint": "latest"}, body)
    assert [next(records)["n"] for _ in range(5000)] == list(range(5000))
