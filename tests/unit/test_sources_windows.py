"""Which windows a run asks for: of its interval, missing ones, those to be read again; nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.contract import Source
from headgate.errors import DataError
from headgate.sources.keys import folder
from headgate.sources.model import Want, Window
from headgate.sources.windows import Asked, Known, wants, windows
from headgate.steps.fetch import span_of
from tests.tiny import contract

MOMENTS = st.integers(1_500_000_000, 1_900_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
SIZES = ("hour", "day", "week", "month", "year")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(start: str, end: str) -> Window:
    return Window(at(start), at(end))


def source(**terms: Any) -> Source:
    found = contract(**terms).source
    assert found is not None
    return found


def landed(want: Want, fetched_at: datetime | None, **changes: Any) -> Known:
    """The row of a want that was landed by a fetch at this time."""
    row: dict[str, Any] = {
        "folder": folder(want.window, want.slice),
        "window_start": want.window.start,
        "window_end": want.window.end,
        "slice": dict(want.slice),
        "state": "landed",
        "fetched_at": fetched_at,
    }
    return Known(**row | changes)


def days(found: list[Want]) -> list[str]:
    return [f"{want.window.start:%Y-%m-%d}" for want in found]


@pytest.mark.parametrize(
    ("size", "start", "end"),
    [
        ("hour", "2024-02-29T23:00", "2024-03-01T00:00"),
        ("day", "2024-02-29", "2024-03-01"),
        ("week", "2024-02-26", "2024-03-04"),
        ("month", "2024-02-01", "2024-03-01"),
        ("year", "2024-01-01", "2025-01-01"),
    ],
)
def test_a_calendar_window_is_whole_whatever_part_of_it_is_asked_for(size: str, start: str, end: str) -> None:
    asked = windows(source(window=size), at("2024-02-29T23:10"), at("2024-02-29T23:20"))
    assert list(asked) == [span(start, end)]


@given(st.sampled_from(SIZES), MOMENTS, st.integers(1, 4_000_000))
def test_calendar_windows_follow_each_other_and_cover_the_span(
    size: str, start: datetime, seconds: int
) -> None:
    end = start + timedelta(seconds=min(seconds, 300_000) if size == "hour" else seconds)
    found = list(windows(source(window=size), start, end))
    assert found[0].start <= start < found[0].end
    assert found[-1].start < end <= found[-1].end
    assert all(one.end == two.start for one, two in pairwise(found))


def test_nothing_before_since_or_from_until_on_is_asked_for() -> None:
    terms = source(window="month", since="2024-01-15", until="2024-02-10")
    found = list(windows(terms, at("2023-01-01"), at("2025-01-01")))
    assert found == [span("2024-01-15", "2024-02-01"), span("2024-02-01", "2024-02-10")]


@pytest.mark.parametrize(
    "last", ["2024-01-31", "20240131", "2024-W05-3", "2024-02-01T00:00", "2024-02-01T01+01"]
)
def test_a_last_day_is_asked_for_to_its_end_however_it_is_written(last: str) -> None:
    assert span_of(source(), "2024-01-01", last, at("2024-03-01")) == span("2024-01-01", "2024-02-01")


def test_dates_at_the_ends_of_the_calendar_are_no_crash() -> None:
    now = at("2024-03-01")
    assert span_of(source(), "2024-01-01", "9999-12-31", now).end >= now
    with pytest.raises(DataError, match="is no day and no moment"):
        span_of(source(), "0001-01-01T00:00+14:00", "", now)


def test_every_slice_of_a_window_is_a_want() -> None:
    terms = source(each={"place": ["a", "b"], "kind": ["x", "y"]})
    found = wants(terms, Asked(at("2024-01-02"), span("2024-01-01", "2024-01-02")), [])
    assert [dict(want.slice) for want in found] == [
        {"place": "a", "kind": "x"},
        {"place": "a", "kind": "y"},
        {"place": "b", "kind": "x"},
        {"place": "b", "kind": "y"},
    ]


def test_a_first_scheduled_run_asks_for_its_interval_and_not_for_all_of_history() -> None:
    terms = source(since="2020-01-01", reread=30)
    found = wants(terms, Asked(at("2024-01-02"), span("2024-01-01", "2024-01-02")), [])
    assert days(found) == ["2024-01-01"]


def test_a_scheduled_run_asks_for_what_was_missed_while_none_ran() -> None:
    terms = source()
    before = landed(Want(terms, span("2024-01-01", "2024-01-02")), at("2024-01-02"))
    asked = Asked(at("2024-01-06"), span("2024-01-05", "2024-01-06"))
    assert days(wants(terms, asked, [before])) == ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]


def test_a_backfill_of_long_ago_does_not_make_the_next_run_fetch_all_in_between() -> None:
    terms = source()
    old = landed(Want(terms, span("2020-01-01", "2020-01-02")), at("2024-01-02"), routine=False)
    asked = Asked(at("2024-01-06"), span("2024-01-05", "2024-01-06"))
    assert days(wants(terms, asked, [old])) == ["2024-01-05"]


def test_windows_are_read_again_until_corrections_have_ended() -> None:
    terms = source(reread=3, lag=1)
    rows = [
        landed(Want(terms, Window(day, day + timedelta(days=1))), day + timedelta(days=age))
        for day, age in [(at("2024-01-01"), 5), (at("2024-01-02"), 4), (at("2024-01-03"), 1)]
    ]
    asked = Asked(at("2024-01-05"), span("2024-01-04", "2024-01-05"))
    assert days(wants(terms, asked, rows)) == ["2024-01-02", "2024-01-03", "2024-01-04"]


def test_a_backfill_asks_for_its_interval_only_and_for_nothing_that_is_landed_for_good() -> None:
    terms = source(reread=3)
    final = landed(Want(terms, span("2024-01-01", "2024-01-02")), at("2024-02-01"))
    failed = landed(Want(terms, span("2024-01-03", "2024-01-04")), at("2024-02-01"), state="failed")
    asked = Asked(at("2024-02-01"), span("2024-01-01", "2024-01-03"), alone=True)
    assert days(wants(terms, asked, [final, failed])) == ["2024-01-02"]
    again = Asked(at("2024-02-01"), span("2024-01-01", "2024-01-03"), alone=True, refetch=True)
    assert days(wants(terms, again, [final, failed])) == ["2024-01-01", "2024-01-02"]


def test_backfills_of_the_days_of_a_month_ask_for_the_month_once() -> None:
    terms = source(window="month", reread=180)
    month = wants(terms, Asked(at("2024-02-20"), span("2024-01-01", "2024-01-02"), alone=True), [])
    rows = [landed(month[0], at("2024-02-20"))]
    for day in range(1, 31):
        period = span(f"2024-01-{day:02}", f"2024-01-{day + 1:02}")
        assert wants(terms, Asked(at("2024-02-20"), period, alone=True, missing=True), rows) == []
    early = [landed(month[0], at("2024-01-10"))]
    late = Asked(at("2024-02-20"), span("2024-01-15", "2024-01-16"), alone=True, missing=True)
    assert wants(terms, late, early) == month


@pytest.mark.parametrize("state", ["failed", "wanted"])
def test_what_failed_or_was_left_is_asked_for_again(state: str) -> None:
    terms = source()
    row = landed(Want(terms, span("2024-01-01", "2024-01-02")), None, state=state)
    asked = Asked(at("2024-03-02"), span("2024-03-01", "2024-03-02"))
    reached = landed(Want(terms, span("2024-02-29", "2024-03-01")), at("2024-03-01"))
    assert days(wants(terms, asked, [row, reached])) == ["2024-01-01", "2024-03-01"]


def test_what_failed_is_asked_for_in_the_windows_of_another_size() -> None:
    row = landed(Want(source(), span("2024-01-30", "2024-01-31")), None, state="failed")
    reached = landed(Want(source(), span("2024-02-29", "2024-03-01")), at("2024-03-01"))
    asked = Asked(at("2024-04-01"), span("2024-03-01", "2024-04-01"))
    by_month = wants(source(window="month"), asked, [row, reached])
    assert days(by_month) == ["2024-01-01", "2024-03-01"]
    rows = [row, reached, *(landed(want, at("2024-04-01")) for want in by_month)]
    assert wants(source(window="month"), asked, rows) == []


@pytest.mark.parametrize("window", ["day", "interval"])
def test_what_failed_is_asked_for_in_the_slices_of_other_names(window: str) -> None:
    old = source(window=window, each={"place": ["a", "b"]})
    row = landed(Want(old, span("2024-01-30", "2024-01-31"), {"place": "a"}), None, state="failed")
    reached = landed(Want(old, span("2024-02-01", "2024-03-01"), {"place": "a"}), at("2024-03-01"))
    asked = Asked(at("2024-03-02"), span("2024-03-01", "2024-03-02"))
    for each, slices in [
        ({"place": ["a"], "kind": ["x", "y"]}, [{"place": "a", "kind": "x"}, {"place": "a", "kind": "y"}]),
        ({}, [{}]),
        ({"place": ["b"], "kind": ["x"]}, []),
    ]:
        new = source(window=window, each=each)
        found = wants(new, asked, [row, reached])
        again = [want for want in found if want.window == span("2024-01-30", "2024-01-31")]
        assert [dict(want.slice) for want in again] == slices
        rows = [row, reached, *(landed(want, at("2024-03-02")) for want in found)]
        assert wants(new, asked, rows) == []
        later = [
            landed(Want(new, span("2024-03-02", "2024-03-03"), slice), None, state="failed")
            for slice in slices
        ]
        found = wants(new, Asked(at("2024-03-04"), span("2024-03-03", "2024-03-04")), [*rows, *later])
        assert {want.window.start for want in found} <= {at("2024-03-02"), at("2024-03-03")}


def test_a_run_that_is_tried_again_does_not_ask_for_what_it_has_landed() -> None:
    terms = source(reread=30)
    row = landed(Want(terms, span("2024-01-01", "2024-01-02")), at("2024-01-02"), run_id=7)
    asked = Asked(at("2024-01-02"), span("2024-01-01", "2024-01-02"), refetch=True)
    assert wants(terms, asked, [row], run_id=7) == []
    assert days(wants(terms, asked, [row], run_id=8)) == ["2024-01-01"]


def test_a_person_who_gives_no_dates_gets_all_that_is_missing_since_the_beginning() -> None:
    terms = source(since="2024-01-01")
    hole = [
        landed(Want(terms, Window(day, day + timedelta(days=1))), at("2024-02-01"))
        for day in (at("2024-01-01"), at("2024-01-03"))
    ]
    assert days(wants(terms, Asked(at("2024-01-04T12:00")), hole)) == ["2024-01-02", "2024-01-04"]


def test_changes_are_asked_for_from_where_the_last_run_stopped() -> None:
    terms = source(window="interval", since="2024-01-01")
    first = wants(terms, Asked(at("2024-01-04T12:00")), [])
    assert [want.window for want in first] == [span("2024-01-01", "2024-01-04T12:00")]
    rows = [landed(first[0], at("2024-01-04T12:00"))]
    later = Asked(at("2024-01-07"), span("2024-01-06", "2024-01-07"))
    assert [want.window for want in wants(terms, later, rows)] == [
        span("2024-01-04T12:00", "2024-01-06"),
        span("2024-01-06", "2024-01-07"),
    ]


def test_the_first_list_of_changes_begins_at_since() -> None:
    terms = source(window="interval", since="2024-01-01")
    found = wants(terms, Asked(at("2024-01-07"), span("2024-01-06", "2024-01-07")), [])
    assert [want.window for want in found] == [
        span("2024-01-01", "2024-01-06"),
        span("2024-01-06", "2024-01-07"),
    ]


def test_after_an_outage_one_interval_stands_for_all_that_failed() -> None:
    terms = source(window="interval")
    failed = [
        landed(Want(terms, Window(day, day + timedelta(days=1))), None, state="failed")
        for day in (at("2024-01-01"), at("2024-01-02"), at("2024-01-03"))
    ]
    asked = Asked(at("2024-01-05"), span("2024-01-04", "2024-01-05"))
    found = wants(terms, asked, failed)
    assert [want.window for want in found] == [
        span("2024-01-01", "2024-01-04"),
        span("2024-01-04", "2024-01-05"),
    ]
    rows = [*failed, *(landed(want, at("2024-01-05")) for want in found)]
    later = wants(terms, Asked(at("2024-01-06"), span("2024-01-05", "2024-01-06")), rows)
    assert [want.window for want in later] == [span("2024-01-05", "2024-01-06")]


def test_a_slice_that_the_contract_no_longer_has_is_not_read_again() -> None:
    old = source(each={"place": ["a", "b"]}, reread=30)
    rows = [
        landed(want, at("2024-01-02"))
        for want in wants(old, Asked(at("2024-01-02"), span("2024-01-01", "2024-01-02")), [])
    ]
    new = source(each={"place": ["b"]}, reread=30)
    found = wants(new, Asked(at("2024-01-03"), span("2024-01-02", "2024-01-03")), rows)
    assert [(want.window.start.day, want.slice["place"]) for want in found] == [(1, "b"), (2, "b")]


@given(
    st.sampled_from(SIZES[1:]),
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5)), max_size=12),
    st.integers(0, 5),
)
def test_however_runs_come_all_of_the_span_is_landed_and_nothing_final_is_asked_twice(
    size: str, runs: list[tuple[int, int]], reread: int
) -> None:
    terms, begin = source(window=size, reread=reread), at("2024-01-01")
    rows: dict[str, Known] = {}
    asked_final: list[str] = []
    for start, length in sorted(runs):
        first, last = begin + timedelta(days=start), begin + timedelta(days=start + length)
        for want in wants(terms, Asked(last, Window(first, last)), list(rows.values())):
            place = folder(want.window, want.slice)
            before = rows.get(place)
            if before and before.fetched_at and before.fetched_at >= want.window.end + timedelta(days=reread):
                asked_final.append(place)
            rows[place] = landed(want, last)
    assert asked_final == []
    if runs:
        start, end = min(start for start, _ in runs), max(start + length for start, length in runs)
        expected = windows(terms, begin + timedelta(days=start), begin + timedelta(days=end))
        assert {folder(window, {}) for window in expected} <= set(rows)
