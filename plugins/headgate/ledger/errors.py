"""Failures in the ledger: one row for each failed message and each failed try of a task, and their events."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg2.extras import Json

from headgate import events
from headgate.db import one, query, transaction
from headgate.events import Event
from headgate.failures import NAMESPACE, Cause, Delay, Failure, Park, TaskError, error_key, storable

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

_NO_TASK = dict.fromkeys(("dag_id", "dag_run_id", "task_id", "map_index", "try_number"))
_NO_MESSAGE = dict.fromkeys(("chunk_id", "queue", "consumer"))


@dataclass(frozen=True)
class FailedMessage:
    """What is known of a message that failed; ids as it gives them itself."""

    dataset: str
    message_id: str  # empty when it has none
    identity: str  # tells it from other messages, those that claim the same id too
    run_id: int | None = None
    object_id: int | None = None
    chunk_id: int | None = None
    traceparent: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def record_failure(cursor: Cursor, message: FailedMessage, failure: Failure, to: Delay | Park) -> int:
    """Record a failure and where the message goes now, in the caller's transaction; the error's id."""
    key = error_key(failure.queue, message.identity, failure.replays)
    values = {
        **_NO_TASK,
        "error_key": key,
        "source": "consumer",
        "class": str(failure.failure_class),
        "cause": str(failure.cause),
        "reason": storable(failure.reason),
        "trace": storable(failure.trace),
        "dataset": message.dataset,
        "run_id": message.run_id,
        "object_id": message.object_id,
        "chunk_id": message.chunk_id,
        "message_id": storable(message.message_id),
        "replays": failure.replays,
        "queue": storable(failure.queue),
        "consumer": storable(failure.consumer),
        "attempts": failure.attempts,
        "state": "retrying" if isinstance(to, Delay) else "parked",
        "first_failed_at": failure.first_failed_at,
        "delay": to.seconds if isinstance(to, Delay) else None,
        "traceparent": message.traceparent,
        "detail": Json(dict(message.detail)),
    }
    cursor.execute(query("error_record"), values)
    (error_id,) = one(cursor)
    if failure.replays:
        cursor.execute(query("error_supersede"), values)
    events.record(cursor, _event(values, error_id, to))
    return int(error_id)


def _event(values: Mapping[str, Any], error_id: int, to: Delay | Park) -> Event:
    """What people hear of it. Told again after a crash it is the same event."""
    names = ("message_id", "cause", "reason", "attempts", "queue", "run_id", "object_id", "chunk_id")
    data = {name: values[name] for name in names} | {"error_id": error_id}
    match to:
        case Delay(seconds):
            kind, data = "message.retried", data | {"delay_seconds": seconds}
        case Park(exhausted):
            kind = "message.exhausted" if exhausted else "message.parked"
    return Event(
        kind,
        values["dataset"],
        values["message_id"] or values["queue"],
        data,
        event_id=str(uuid.uuid5(NAMESPACE, f"{values['error_key']}/{values['attempts']}/{kind}")),
        traceparent=values["traceparent"],
    )


def record_task_error(cursor: Cursor, error: TaskError) -> int:
    """Record a failed try of a task in the caller's transaction; the error's id."""
    values = {
        **_NO_MESSAGE,
        "error_key": error.error_key,
        "source": "task",
        "class": error.error_class,
        "cause": str(Cause.TASK),
        "reason": error.reason,
        "trace": error.trace,
        "dataset": error.dataset,
        "run_id": error.run_id,
        "object_id": error.object_id,
        "message_id": "",
        "replays": 0,
        "attempts": error.try_number,
        "state": "recorded",
        "first_failed_at": error.failed_at,
        "delay": None,
        "traceparent": error.traceparent,
        "dag_id": error.dag_id,
        "dag_run_id": error.dag_run_id,
        "task_id": error.task_id,
        "map_index": error.map_index,
        "try_number": error.try_number,
        "detail": Json({"exception": error.exception, "will_retry": error.will_retry}),
    }
    cursor.execute(query("error_record"), values)
    (error_id,) = one(cursor)
    events.record(cursor, _task_failed(error, error_id))
    return int(error_id)


def _task_failed(error: TaskError, error_id: int) -> Event:
    """What people hear of it, once for each try."""
    fields = {
        "run_id",
        "dag_run_id",
        "object_id",
        "task_id",
        "map_index",
        "try_number",
        "reason",
        "will_retry",
    }
    return Event(
        "task.failed",
        error.dataset,
        f"{error.task_id}[{error.map_index}]" if error.map_index >= 0 else error.task_id,
        error.model_dump(include=fields) | {"cause": str(Cause.TASK), "error_id": error_id},
        event_id=str(uuid.uuid5(NAMESPACE, f"{error.error_key}/task.failed")),
        traceparent=error.traceparent,
    )


def resolve_errors(conn: Connection) -> int:
    """Mark the errors of messages that have their receipt by now; how many."""
    with transaction(conn) as cursor:
        cursor.execute(query("error_resolve"))
        return cursor.rowcount


def tell_ends(conn: Connection) -> int:
    """Record the end of alerts of parked messages whose cause has no open error any more; how many."""
    with transaction(conn) as cursor:
        if not _alerts_over(cursor):
            return 0
        cursor.execute(query("error_freeze"))  # else a failure recorded just now would count as ended
        over = _alerts_over(cursor)
        for kind, dataset, cause, event_id in over:
            end = events.resolving(kind).kind
            end_id = str(uuid.uuid5(NAMESPACE, f"{event_id}/{end}"))
            events.record_change(cursor, Event(end, dataset, cause, {"cause": cause}, event_id=end_id))
        return len(over)


def _alerts_over(cursor: Cursor) -> list[tuple[str, str, str, str]]:
    """Kind, dataset, cause and newest event of each."""
    cursor.execute(query("error_alerts_over"))
    return list(cursor.fetchall())
