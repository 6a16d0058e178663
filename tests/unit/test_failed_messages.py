"""Failed messages as people see them: what is told of them, which are meant, which queue needs a hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pika
import pytest
import typer
from typer.testing import CliRunner

from headgate import topology
from headgate.cli.app import app
from headgate.cli.queues import hint
from headgate.cli.where import where_of
from headgate.failures import Cause, failed
from headgate.replay import Where
from headgate.replay.message import UNKNOWN, WaitingMessage

ROWS = topology.rows_queue("plants")
DEATH = {"queue": ROWS, "reason": "rejected", "time": datetime(2026, 1, 1, tzinfo=UTC), "count": 1}
IDS = {"run_id": 1, "object_id": 2, "chunk_id": 3}


def waiting(headers: dict[str, Any] | None, key: str = "parking.plants", **properties: Any) -> WaitingMessage:
    return WaitingMessage.of(key, pika.BasicProperties(headers=headers, **properties), b"body")


def test_what_the_error_consumer_parked_says_all() -> None:
    failure = failed(IDS, Cause.CHECKSUM, "not what was sent", queue=ROWS, consumer="c").known_as(7)
    found = waiting(IDS | failure.headers(), message_id="m")
    assert (found.dataset, found.home, found.error_id, found.message_id) == ("plants", ROWS, 7, "m")
    assert (found.cause, found.failure_class, found.reason) == ("checksum", "data", "not what was sent")
    assert (found.run_id, found.object_id, found.chunk_id, found.replays) == (1, 2, 3, 0)
    assert found.failed_at is not None


@pytest.mark.parametrize(
    ("headers", "key", "cause", "home"),
    [
        ({"x-death": [DEATH]}, "parking.plants", "dead_lettered", ROWS),
        (
            {"x-headgate-queue": ROWS, "x-headgate-reason": "of an older release"},
            "parking.plants",
            UNKNOWN,
            ROWS,
        ),
        (None, "parking.plants", UNKNOWN, ROWS),
        (None, "headgate.parking", UNKNOWN, None),
        ({"x-headgate-queue": topology.ERRORS_QUEUE}, "parking.system", UNKNOWN, None),
        ({"x-death": "no list", "run_id": "no number", "x-headgate-cause": "flu"}, "x", UNKNOWN, None),
        ({"x-death": [], "x-headgate-replays": "many", "x-headgate-queue": 7}, "x", UNKNOWN, None),
    ],
)
def test_nothing_in_a_message_is_taken_for_granted(
    headers: dict[str, Any] | None, key: str, cause: str, home: str | None
) -> None:
    found = waiting(headers, key)
    assert (found.cause, found.home) == (cause, home)
    assert (found.replays, found.run_id, found.error_id) == (0, None, None)
    assert found.reason


def test_conditions_are_read_and_hold_together() -> None:
    found = waiting(IDS | {"x-death": [DEATH]})
    assert where_of([]) == Where()
    for holds in (
        ["dataset=plants"],
        ["dataset=other", "dataset=plants"],
        ["run=1", "object=2", "chunk=3", "class=fatal", "cause=dead_lettered"],
        ["reason~rejected$", "since=2025-12-31"],
    ):
        assert where_of(holds).holds(found), holds
    for does_not in (
        ["dataset=other"],
        ["run=1", "chunk=4"],
        ["error=7"],
        ["message=m"],
        ["since=2026-01-03"],
    ):
        assert not where_of(does_not).holds(found), does_not


@pytest.mark.parametrize(
    "wrong",
    ["dataset", "dataset=", "run~1", "cause=flu", "class=bad", "run=x", "reason=t", "reason~(", "since=x"],
)
def test_a_condition_that_means_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(typer.BadParameter):
        where_of([wrong])


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["replay"], 2, "say which messages"),
        (["replay", "--where", "colour=red"], 2, "is none of dataset="),
        (["replay", "--all"], 2, "nobody is there to be asked"),
        (["errors", "dismiss", "--note", "why"], 2, "say which: --where, or --all"),
        (["errors", "dismiss", "--all", "--note", " "], 1, "--note is empty"),
        (["errors", "list", "--state", "odd"], 2, "--state is open, all,"),
    ],
)
def test_wrong_usage_says_what_is_understood(arguments: list[str], code: int, told: str) -> None:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == code
    assert told in done.output + str(done.exception)


@pytest.mark.parametrize(
    ("queue", "ready", "consumers", "told"),
    [
        (ROWS, 1, 0, "headgate-consumer database"),
        (ROWS, 1, 1, None),
        (ROWS, 0, 0, None),
        (topology.ERRORS_QUEUE, 1, 0, "headgate-consumer error"),
        (topology.NOTIFICATIONS_QUEUE, 1, 0, "headgate-consumer notification"),
        (topology.PARKING_QUEUE, 1, 0, "headgate replay"),
        (topology.retry_queue(300), 1, 0, None),
    ],
)
def test_a_queue_says_what_it_needs(queue: str, ready: int, consumers: int, told: str | None) -> None:
    found = hint(queue, ready, consumers)
    assert (told in found) if told and found else found is told
