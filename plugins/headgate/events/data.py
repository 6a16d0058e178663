"""What each type of event says: the ``data`` of its CloudEvent, one model a type.

Every field that holds a time span ends in ``_seconds``; counts are of rows unless the name says otherwise.
Unknown fields are refused, so that the generated page tells all there is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_REASON = Field(description="Why, in words; may name objects and columns, never a row")
_KEY = Field(description="Key of the object in its bucket")
_MESSAGE = Field(description="Message in RabbitMQ, and its batch in the ledger")


class Data(BaseModel):
    """What every event may say: the sentence, the way out, and what it is about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = Field("", description="What happened, in one line for people")
    mend: str = Field("", description="The command that mends it, or shows more; empty: nothing to do")
    reason: Annotated[str | None, _REASON] = None
    run_id: int | None = Field(None, description="Run in the ledger")
    dag_run_id: str | None = Field(None, description="Run in Airflow")
    object_id: int | None = Field(None, description="Object version in the ledger")
    key: Annotated[str | None, _KEY] = None
    chunk_id: int | None = Field(None, description="Chunk in the ledger")
    message_id: Annotated[str | None, _MESSAGE] = None
    error_id: int | None = Field(None, description="Error in `headgate errors`")


class RunFailed(Data):
    reason: Annotated[str, _REASON]


class RunRecovered(Data):
    failed_at: datetime | None = Field(None, description="End of the failed run before")


class RunLate(Data):
    due_at: datetime | None = Field(None, description="When it should have been done")


class RunFinished(Data):
    state: Literal["success", "failed", "dry_run"]
    books: dict[str, Any] = Field(default_factory=dict, description="As `headgate books --json` prints them")


class TaskFailed(Data):
    task_id: str
    map_index: int = Field(-1, description="-1: the task is not mapped")
    try_number: int = 1
    cause: str | None = Field(None, description="Cause of the error in `headgate errors`")
    will_retry: bool = False


class ServerAway(Data):
    reason: Annotated[str, _REASON]


class ObjectHeld(Data):
    key: Annotated[str, _KEY]
    reason: Annotated[str, _REASON]
    rule: str | None = Field(None, description="Rule of the gate or of inspection that holds it")
    read: int | None = Field(None, description="Rows that validation read")
    rejected: int | None = Field(None, description="Rows of these that are bad")
    rules: dict[str, int] = Field(
        default_factory=dict, description="Bad rows by rule; warnings as warning:RULE"
    )


class ObjectReleased(Data):
    key: Annotated[str, _KEY]


class BooksUnbalanced(Data):
    missing: int = Field(description="Rows that were read and have no receipt or no quarantine entry")
    gaps: list[str] = Field(default_factory=list, description="The first chunks that do not balance")


class Quarantine(Data):
    read: int
    quarantined: int = Field(description="Rows in quarantine, those refused by Postgres included")
    threshold: float = Field(description="Share that the contract allows, 0 to 1")
    share: float = Field(description="quarantined / read, 0 to 1")


class SchemaDrifted(Data):
    key: Annotated[str, _KEY]
    added: list[str] = Field(default_factory=list, description="Columns that are new")
    missing: list[str] = Field(default_factory=list, description="Columns that are gone")
    renamed: dict[str, str] = Field(default_factory=dict, description="Headers by their names before")


class ServiceLevel(Data):
    level: Literal["freshness", "latency"] = Field(description="Property of the contract's `slaProperties`")
    since: datetime | None = Field(None, description="Arrival of the newest loaded or oldest waiting object")
    age_seconds: float = Field(description="Time since then")
    limit_seconds: float = Field(description="Time that the contract allows")


class Volume(Data):
    rows: int = Field(description="Rows of this run")
    median: float = Field(description="Median rows of the runs before it")
    low: float = Field(description="Fewest rows that are usual")
    high: float = Field(description="Most rows that are usual")
    runs: int = Field(description="Number of runs that it is compared with")


class Queue(Data):
    queue: str
    messages: int = Field(description="Messages that wait in it")


class ConsumerGone(Queue):
    seconds: float = Field(description="For how long nobody has read it")


class QueueStalled(Queue):
    seconds: float = Field(description="For how long none of them has been handled")


class QueueAge(Queue):
    oldest_seconds: float = Field(description="Time since the oldest message without a receipt was sent")
    limit_seconds: float = Field(description="Time that is allowed")


class QueueDepth(Queue):
    limit: int = Field(description="Messages that are allowed to wait")


class ConsumerStopped(Data):
    role: str = Field(description="Kind of consumer: database, error or notification")
    consumer: str = Field(description="Its name: host and process")
    reason: Annotated[str, _REASON]


class SourceClosed(Data):
    provider: str = Field(description="Its name in contracts and `headgate sources`")
    title: str = Field(description="Its name for people")


class SourceOpened(SourceClosed):
    reason: Annotated[str, _REASON]
    failures: int = Field(0, description="Failures in a row; 0: a person opened it")


class StreamSilent(Data):
    silent_seconds: float
    reason: Annotated[str, _REASON]


class StreamGap(Data):
    gap_start: datetime
    gap_end: datetime


class Message(Data):
    message_id: Annotated[str, _MESSAGE]
    cause: str = Field(description="Cause of the error in `headgate errors`")
    reason: Annotated[str, _REASON]
    attempts: int = Field(1, description="Times it was tried")
    queue: str | None = Field(None, description="Queue that it came from")


class MessageRetried(Message):
    delay_seconds: float = Field(description="Wait until it is tried again")


class MessageCause(Data):
    cause: str = Field(description="Cause of the errors in `headgate errors`")


class Parking(Data):
    messages: int = Field(description="Messages of the dataset in parking")


class RetentionFinished(Data):
    removed: dict[str, int] = Field(description="What was removed: kind of thing and number")
    seconds: float = Field(0, description="How long it took")


class NotificationTest(Data):
    text: str = "This is a test."
