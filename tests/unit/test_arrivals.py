"""Arrivals: what the store announces, how often it is asked, and when that is a run's start."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.announcements import created
from headgate.listing import StoredObject
from headgate.steps.arrivals import FIRST_REPEAT, LONGEST_REPEAT, Pace, Starts
from tests.notifications import notification


def stored(key: str, etag: str = "a") -> StoredObject:
    return StoredObject("landing", key, etag, 1, datetime(2026, 1, 1, tzinfo=UTC))


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=4))
def test_a_notification_names_its_objects_whatever_their_names(keys: list[str]) -> None:
    assert list(created(notification("landing", *keys))) == [("landing", key) for key in keys]


@pytest.mark.parametrize("name", ["ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Copy"])
def test_multipart_uploads_and_copies_are_arrivals_too(name: str) -> None:
    assert list(created(notification("landing", "d/a", name=name))) == [("landing", "d/a")]


def test_removals_are_no_arrivals() -> None:
    assert list(created(notification("landing", "d/a", name="s3:ObjectRemoved:Delete"))) == []


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_what_is_no_notification_is_passed_over(body: bytes | str) -> None:
    assert list(created(body if isinstance(body, bytes) else body.encode())) == []


def test_a_run_is_started_once_for_what_is_unknown() -> None:
    starts, first = Starts(), frozenset({stored("a")})
    assert starts.due(first, 0.0)
    starts.started(first, 0.0)
    assert not starts.due(first, 1.0)
    assert not starts.due(first | {stored("b")}, 2.0)  # the run to come takes it, too
    assert not starts.due(frozenset(), 3.0)
    assert starts.due(frozenset({stored("b")}), 3.5)  # it came after that run's scan


def test_another_version_of_the_same_key_is_something_new() -> None:
    starts = Starts()
    starts.started(frozenset({stored("a", "1")}), 0.0)
    assert starts.due(frozenset({stored("a", "2")}), 1.0)


def test_a_start_that_took_nothing_is_repeated_ever_more_seldom() -> None:
    starts, unknown = Starts(), frozenset({stored("a")})
    moments = []
    for second in range(0, 6 * 3600, 10):
        if starts.due(unknown, float(second)):
            starts.started(unknown, float(second))
            moments.append(second)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps[0] == FIRST_REPEAT
    assert all(later >= earlier for earlier, later in pairwise(gaps))
    assert gaps[-1] == LONGEST_REPEAT


@given(st.lists(st.sampled_from(["arrive", "scan", "look"]), max_size=60))
def test_nothing_is_left_and_no_run_finds_nothing(steps: list[str]) -> None:
    """Runs scan some time after they were started, and take all there is by then."""
    starts, waiting, runs, number = Starts(), set[StoredObject](), 0, 0
    for second, step in enumerate([*steps, "look", "scan"]):
        if step == "arrive":
            number += 1
            waiting.add(stored(f"k{number}"))
        elif step == "look" and starts.due(frozenset(waiting), float(second) / 100):
            starts.started(frozenset(waiting), float(second) / 100)
            runs += 1
            assert runs == 1, "two runs at once for the same objects"
        elif step == "scan" and runs:
            assert waiting, "a run that found nothing"
            waiting.clear()
            runs = 0
    assert not waiting


@given(st.lists(st.floats(0.001, 30.0), min_size=1, max_size=30), st.floats(0.01, 0.5))
def test_looks_take_no_more_than_their_share_of_the_time(costs: list[float], share: float) -> None:
    pace = Pace(share)
    for who, cost in enumerate(costs):
        pace.pause(who, cost)
    busy = sum(cost / (cost + pace.pause(who, cost)) for who, cost in enumerate(costs))
    assert busy <= share * 1.0001


def test_one_that_leaves_slows_the_others_no_more() -> None:
    pace = Pace(0.1)
    pace.pause("big", 10.0)
    assert pace.pause("small", 0.01) > 100
    pace.leave("big")
    assert pace.pause("small", 0.01) == pytest.approx(0.1)
