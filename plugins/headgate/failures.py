"""Failures that are not a row's, judged in this one place: what caused it, and what to do about it.

An *outage* is no failure: while a server is away a consumer keeps its messages and waits. A failed message
is copied to ``headgate.errors`` with what is known of the failure in ``x-headgate-*`` headers; its body,
its properties and its other headers stay as they were. The error consumer asks ``verdict`` where it goes.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from headgate.errors import DataError

NAMESPACE: Final = uuid.UUID("0d0c1c0e-3f5b-5f0a-8c55-2f6a6c1a9d77")
HEADER: Final = "x-headgate-"
TASK_ERROR: Final = "headgate.task-error.v1"
# Seconds before the first, second, … retry; after the last one the message is parked.
DELAYS: Final = (5.0, 30.0, 300.0, 1800.0)
# A stack or reason longer than this says nothing more; AMQP headers share one frame with the broker's own.
LONGEST_REASON: Final = 2_000
LONGEST_TRACE: Final = 8_000
# Set by the broker. Kept on a copy they would end its second delay (the dead-letter cycle rule,
# https://www.rabbitmq.com/docs/dlx#routing) or count deliveries of an earlier life.
_OF_THE_BROKER: Final = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")
# A sender's wish for more queues is fulfilled; a copy must go its own way only.
_COPIES: Final = ("CC", "BCC")


class Class(StrEnum):
    """What to do about a failure."""

    RETRIABLE = "retriable"  # time mends it, or a person who brings the set-up up to date
    DATA = "data"  # the message itself is wrong: again is in vain
    FATAL = "fatal"  # neither: a person has to look


class Cause(StrEnum):
    """Why a message could not be handled, or that it was a task."""

    UNDECODABLE = "undecodable"  # headers or body cannot be read
    WRONG_TYPE = "wrong_type"  # not a message of the type that this queue carries
    CHECKSUM = "checksum"  # the body is not what was sent
    TOO_LARGE = "too_large"
    ROW_COUNT = "row_count"  # not as many rows as the message says
    WRONG_COLUMNS = "wrong_columns"  # of the message, against its own contract version
    UNKNOWN_OBJECT = "unknown_object"  # the ledger has no such object: of a lost future
    CONFLICT = "conflict"  # the ledger has another batch under this id
    UNKNOWN_DATASET = "unknown_dataset"
    UNKNOWN_CONTRACT = "unknown_contract"  # a version that is not registered (yet)
    TABLE_MISSING = "table_missing"
    COLUMN_MISSING = "column_missing"
    PERMISSION = "permission"
    REFUSED_STATEMENT = "refused_statement"  # Postgres refused what is neither a row nor one of the above
    UNEXPECTED = "unexpected"  # our own code did not know what to do with it
    DEAD_LETTERED = "dead_lettered"  # by the broker itself
    TASK = "task"


_CLASSES: Final[Mapping[Cause, Class]] = {
    Cause.UNDECODABLE: Class.DATA,
    Cause.WRONG_TYPE: Class.DATA,
    Cause.CHECKSUM: Class.DATA,
    Cause.TOO_LARGE: Class.DATA,
    Cause.ROW_COUNT: Class.DATA,
    Cause.WRONG_COLUMNS: Class.DATA,
    Cause.UNKNOWN_OBJECT: Class.FATAL,
    Cause.CONFLICT: Class.FATAL,
    Cause.UNKNOWN_DATASET: Class.RETRIABLE,
    Cause.UNKNOWN_CONTRACT: Class.RETRIABLE,
    Cause.TABLE_MISSING: Class.RETRIABLE,
    Cause.COLUMN_MISSING: Class.RETRIABLE,
    Cause.PERMISSION: Class.RETRIABLE,
    Cause.REFUSED_STATEMENT: Class.RETRIABLE,
    Cause.UNEXPECTED: Class.RETRIABLE,
    Cause.DEAD_LETTERED: Class.FATAL,
    Cause.TASK: Class.FATAL,
}


_CAUSES_BY_SQLSTATE: Final[Mapping[str, Cause]] = {
    "3F000": Cause.TABLE_MISSING,  # its schema
    "42P01": Cause.TABLE_MISSING,
    "42703": Cause.COLUMN_MISSING,
    "42501": Cause.PERMISSION,
}


def cause_of(sqlstate: str | None) -> Cause:
    """Why Postgres refused a statement that a message needs, and that is not about one of its rows."""
    return _CAUSES_BY_SQLSTATE.get(sqlstate or "", Cause.REFUSED_STATEMENT)


def class_of(cause: Cause) -> Class:
    """The class of a message's failure; a task's says its own."""
    return _CLASSES[cause]


class MessageError(DataError):
    """A message that cannot be handled, and why."""

    def __init__(self, cause: Cause, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause


@dataclass(frozen=True)
class Delay:
    """To its queue again after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Park:
    """To the parking queue. ``exhausted``: it could have been retried, and was, as often as is allowed."""

    exhausted: bool


def verdict(cause: Cause, attempts: int, delays: Sequence[float] = DELAYS) -> Delay | Park:
    """Where a message goes that has failed ``attempts`` times, this time by ``cause``."""
    if class_of(cause) is not Class.RETRIABLE:
        return Park(exhausted=False)
    return Delay(delays[attempts - 1]) if attempts <= len(delays) else Park(exhausted=True)


def delays_of(text: str) -> tuple[float, ...]:
    """The delays of the setting ``retry_delays``, in seconds."""
    return tuple(float(word) for word in text.split())


@dataclass(frozen=True)
class Failure:
    """What the ``x-headgate-*`` headers of a failed message say."""

    cause: Cause
    reason: str
    queue: str  # where it came from, and goes back to
    consumer: str
    attempts: int  # failures so far, this one included
    first_failed_at: datetime
    replays: int  # times that a person has sent it again
    trace: str = ""  # the stack; on the way to the error consumer only
    error_id: int = 0  # of its row in headgate.error; set by the error consumer

    @property
    def failure_class(self) -> Class:
        """What to do about it."""
        return class_of(self.cause)

    def headers(self) -> dict[str, Any]:
        """As they travel; what is empty does not."""
        values: dict[str, str | int] = {
            "cause": str(self.cause),
            "class": str(self.failure_class),
            "reason": self.reason[:LONGEST_REASON],
            "queue": self.queue,
            "consumer": self.consumer,
            "attempts": self.attempts,
            "first-failed-at": self.first_failed_at.isoformat(timespec="milliseconds"),
            "replays": self.replays,
            "trace": self.trace[-LONGEST_TRACE:],
        }
        if self.error_id:
            values["error-id"] = self.error_id
        return {HEADER + name: value for name, value in values.items() if value != ""}

    def known_as(self, error_id: int) -> Self:
        """The same with its row's id and without the trace, which stands in the row."""
        return replace(self, error_id=error_id, trace="")


def failed(
    headers: Mapping[str, Any] | None,
    cause: Cause,
    reason: str,
    *,
    queue: str,
    consumer: str,
    trace: str = "",
) -> Failure:
    """One more failure of a message with these headers; the first where they tell of none."""
    before = headers or {}
    return Failure(
        cause=cause,
        reason=storable(reason),
        queue=queue,
        consumer=consumer,
        attempts=_number(before, "attempts") + 1,
        first_failed_at=_time(before, "first-failed-at") or datetime.now(UTC),
        replays=_number(before, "replays"),
        trace=storable(trace),
    )


def failure_of(headers: Mapping[str, Any] | None) -> Failure | None:
    """What the headers tell of a failure; ``None`` when they tell of none that is ours."""
    given = headers or {}
    cause = given.get(HEADER + "cause")
    if cause not in list(Cause):
        return None
    return Failure(
        cause=Cause(cause),
        reason=_text(given, "reason"),
        queue=_text(given, "queue"),
        consumer=_text(given, "consumer"),
        attempts=max(1, _number(given, "attempts")),
        first_failed_at=_time(given, "first-failed-at") or datetime.now(UTC),
        replays=_number(given, "replays"),
        trace=_text(given, "trace"),
        error_id=_number(given, "error-id"),
    )


def original_headers(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """The headers that the sender gave: without the broker's and without ours about failures."""
    dropped = (HEADER, *_OF_THE_BROKER)
    return {
        name: value
        for name, value in (headers or {}).items()
        if not str(name).startswith(dropped) and name not in _COPIES
    }


def whole_number(value: object) -> int | None:
    """What a header says where a number belongs; anybody may have written anything there."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def error_key(queue: str, message_id: str, replays: int) -> uuid.UUID:
    """Key of the row of a failed message: the same for each of its attempts, another after a replay."""
    return uuid.uuid5(NAMESPACE, f"message/{queue}/{message_id}/{replays}")


class TaskError(BaseModel):
    """A failed try of a DAG's task: the JSON body of a message of type ``headgate.task-error.v1``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    dataset: str = Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = Field(ge=0)
    will_retry: bool  # Airflow tries it again by itself
    error_class: Literal["retriable", "data", "fatal"]
    exception: str  # name of its type
    reason: str
    trace: str = ""
    failed_at: datetime
    run_id: int | None = None
    object_id: int | None = None
    traceparent: str | None = None

    @field_validator("*")
    @classmethod
    def _storable(cls, value: object) -> object:
        return storable(value)[-LONGEST_TRACE:] if isinstance(value, str) else value

    @property
    def error_key(self) -> uuid.UUID:
        """Key of its row: one for each try."""
        what = (self.dag_id, self.dag_run_id, self.task_id, self.map_index, self.try_number)
        return uuid.uuid5(NAMESPACE, "task/" + "/".join(map(str, what)))


def storable(text: str) -> str:
    """As Postgres and JSON can hold it: without NUL and without halves of UTF-16 pairs."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "␀")


def _text(headers: Mapping[str, Any], name: str) -> str:
    value = headers.get(HEADER + name)
    return value if isinstance(value, str) else ""


def _number(headers: Mapping[str, Any], name: str) -> int:
    return max(0, whole_number(headers.get(HEADER + name)) or 0)


def _time(headers: Mapping[str, Any], name: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(_text(headers, name))
    except ValueError:
        return None
    return found if found.tzinfo else None
