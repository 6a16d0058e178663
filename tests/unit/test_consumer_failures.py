"""Causes, classes and verdicts of failures, and how they travel in headers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.delivery import Delivery, Reject
from consumers.handover import HEADER_ROOM, Handover
from headgate import topology
from headgate.failures import (
    DELAYS,
    Cause,
    Class,
    Delay,
    Failure,
    Park,
    cause_of,
    class_of,
    delays_of,
    failed,
    failure_of,
    original_headers,
    verdict,
)
from headgate.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
FAILURES = st.builds(
    Failure,
    cause=st.sampled_from(Cause),
    reason=st.text(max_size=200),
    queue=st.text(max_size=50),
    consumer=st.text(max_size=50),
    attempts=st.integers(1, 100),
    first_failed_at=st.integers(0, 4 * 10**12).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC)),
    replays=st.integers(0, 100),
    trace=st.text(max_size=200),
    error_id=st.integers(0, 2**31),
)


@given(FAILURES)
def test_what_the_headers_say_is_what_was_said(failure: Failure) -> None:
    assert failure_of(failure.headers()) == failure


@given(
    st.dictionaries(
        st.sampled_from(["cause", "attempts", "reason", "first-failed-at", "replays"]),
        st.one_of(st.text(), st.integers(), st.none(), st.binary(), st.lists(st.text())),
    )
)
def test_headers_of_strangers_are_read_without_an_error(headers: dict[str, Any]) -> None:
    strange = {f"x-headgate-{name}": value for name, value in headers.items()}
    assert failure_of(strange) is None or failure_of(strange).attempts >= 1
    assert failed(strange, Cause.CHECKSUM, "", queue="q", consumer="c").attempts >= 1


def test_each_delay_comes_once_and_then_a_person() -> None:
    assert [verdict(Cause.TABLE_MISSING, attempts) for attempts in range(1, 6)] == [
        *map(Delay, DELAYS),
        Park(exhausted=True),
    ]


@pytest.mark.parametrize("cause", [cause for cause in Cause if class_of(cause) is not Class.RETRIABLE])
def test_what_time_does_not_mend_is_parked_at_once(cause: Cause) -> None:
    assert verdict(cause, 1) == Park(exhausted=False)


def test_a_reason_can_be_sent_and_stored_whatever_it_quotes() -> None:
    failure = failed({}, Cause.UNEXPECTED, "half a pair \ud800 and \0", queue="q", consumer="c")
    assert failure.reason == "half a pair \\ud800 and ␀"


def test_a_failure_remembers_the_first_of_its_message() -> None:
    first = failed({}, Cause.TABLE_MISSING, "gone", queue="q", consumer="one")
    second = failed(first.headers(), Cause.PERMISSION, "no", queue="q", consumer="two")
    assert (second.attempts, second.consumer, second.cause) == (2, "two", Cause.PERMISSION)
    assert abs(second.first_failed_at - first.first_failed_at) < timedelta(milliseconds=1)


def test_only_the_senders_headers_are_kept() -> None:
    theirs = {"dataset": "plants", "x-own": 1, b"\xff": 2}
    added = {
        "x-death": [],
        "x-first-death-queue": "q",
        "x-delivery-count": 3,
        "x-headgate-cause": "task",
        "CC": [],
    }
    assert original_headers(theirs | added) == theirs


def test_the_default_of_the_setting_is_the_default_of_the_library() -> None:
    assert delays_of(Settings(_env_file=None).retry_delays) == DELAYS


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(0.2, "200ms"), (5, "5s"), (30, "30s"), (90, "90s"), (300, "5m"), (1800, "30m"), (7200, "2h")],
)
def test_the_queue_of_a_delay_says_how_long(seconds: float, name: str) -> None:
    assert topology.retry_queue(seconds) == f"headgate.retry.{name}"


def test_an_error_of_postgres_that_is_about_no_row_has_a_cause() -> None:
    states = ("42P01", "3F000", "42703", "42501", "42883", None)
    assert [str(cause_of(state)) for state in states] == [
        "table_missing",
        "table_missing",
        "column_missing",
        "permission",
        "refused_statement",
        "refused_statement",
    ]


def test_the_page_for_people_names_every_cause_under_its_class() -> None:
    rows = re.findall(r"^\| (retriable|data|fatal) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    told = {(name, group) for group, causes in rows for name in re.findall(r"`(\w+)`", causes)}
    known = {(str(cause), str(class_of(cause))) for cause in Cause if cause is not Cause.TASK}
    assert told == known


class Kept:
    """Stands for the publisher; keeps what it is given."""

    def fail(self, dataset: str, properties: pika.BasicProperties, body: bytes) -> None:
        self.dataset, self.properties, self.body = dataset, properties, body


@pytest.mark.parametrize("size", [0, 100_000, 115_000, 126_000])
def test_what_is_handed_over_fits_into_a_frame(size: int) -> None:
    kept = Kept()
    properties = pika.BasicProperties(headers={"room": "r" * size}, expiration="1", user_id="me")
    outcome = Reject(Cause.CHECKSUM, "ä" * 5000, "t" * 20_000)
    delivery = Delivery("headgate.rows.plants", 1, 1, properties, b"body")
    Handover(kept, "c").reject(delivery, outcome)  # type: ignore[arg-type]
    assert sum(map(len, kept.properties.encode())) <= HEADER_ROOM
    assert (kept.dataset, kept.body) == ("plants", b"body")
    assert ("room" in kept.properties.headers) == (size < 120_000)
    assert ("x-headgate-trace" in kept.properties.headers) == (size <= 100_000)
