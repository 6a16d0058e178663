"""The catalogue: every type of event, what it says and how alerts are made of it.

An alert is what the events of one fingerprint tell. A *firing* type opens it, the type that *resolves* it
ends it and has the same fingerprint; an *info* type makes none. A firing type that nothing resolves ends
by itself when it has not come again for ``expires``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from headgate.errors import Fatal
from headgate.events import data as models
from headgate.topology import SYSTEM as SYSTEM  # stands for the dataset in events that belong to none

Severity = Literal["info", "warning", "critical"]
Status = Literal["firing", "resolved", "info"]

TYPE_PREFIX: Final = "headgate."


@dataclass(frozen=True)
class EventType:
    """One type of event. ``summary`` and ``mend`` are filled with the data's fields and the dataset."""

    kind: str  # the CloudEvent's type without its prefix
    meaning: str
    severity: Severity
    summary: str
    model: type[models.Data]
    example: Mapping[str, Any]
    mend: str = ""
    status: Status = "firing"
    identity: tuple[str, ...] = ()  # fields of the data that, with the dataset, tell one alert from another
    resolves: str | None = None
    expires: timedelta | None = None
    system: bool = False  # belongs to the installation, not to a dataset

    def fingerprint(self, dataset: str, data: Mapping[str, Any]) -> str:
        """32 hexadecimal digits: equal for everything that tells of the same condition."""
        values = (self.resolves or self.kind, dataset, *(str(data.get(name)) for name in self.identity))
        return hashlib.sha256("\x00".join(values).encode()).hexdigest()[:32]


def event_type(kind: str) -> EventType:
    """The type of that kind; ``Fatal`` when the catalogue has none."""
    try:
        return CATALOGUE[kind]
    except KeyError:
        raise Fatal(f"no event type {kind!r}: see `headgate events types`") from None


def resolving(kind: str) -> EventType:
    """The type that ends what this kind opens; ``Fatal`` when there is none."""
    for found in CATALOGUE.values():
        if found.resolves == kind:
            return found
    raise Fatal(f"no event type resolves {kind!r}")


def _ended(firing: EventType, kind: str, meaning: str, summary: str, **other: Any) -> list[EventType]:
    """The firing type and the type of its end: same identity, same model and example unless given."""
    values: dict[str, Any] = {"model": firing.model, "example": firing.example} | other
    end = EventType(
        kind,
        meaning,
        "info",
        summary,
        status="resolved",
        identity=firing.identity,
        resolves=firing.kind,
        system=firing.system,
        **values,
    )
    return [firing, end]


_RUN: Final = {"run_id": 7, "dag_run_id": "scheduled__2026-11-20T05:00:00+00:00"}
_OBJECT: Final = _RUN | {"object_id": 12, "key": "plnt_2019.csv"}
_QUEUE: Final = {"queue": "headgate.rows.egrid_plants", "messages": 40}
_MESSAGE: Final = {
    "message_id": "6a0f5d36-4f0b-5a3c-9a36-0c8f6f0d3a11",
    "queue": "headgate.rows.egrid_plants",
    "attempts": 4,
    "run_id": 7,
    "object_id": 12,
    "chunk_id": 31,
    "error_id": 5,
}
_BOOKS: Final = "headgate books {dataset}"
_QUEUES: Final = "headgate queues"
_REPLAY: Final = "headgate replay --where dataset={dataset} --where cause={cause} --dry-run"
_NONE_LEFT: Final = "every message of {dataset} that failed for {cause} is applied or dismissed"
_DAY: Final = timedelta(days=1)

_TYPES: Final = [
    *_ended(
        EventType(
            "run.failed",
            "A run of the dataset ended red.",
            "critical",
            "run {dag_run_id} of {dataset} failed: {reason}",
            models.RunFailed,
            _RUN | {"reason": "books do not balance"},
            mend="headgate books {dataset} --run {run_id}",
        ),
        "run.recovered",
        "A clean run after a failed one.",
        "{dataset} has recovered with run {dag_run_id}",
        model=models.RunRecovered,
        example=_RUN,
    ),
    *_ended(
        EventType(
            "run.late",
            "A run was not done at the time that the contract's service level names.",
            "warning",
            "run {dag_run_id} of {dataset} is late",
            models.RunLate,
            _RUN | {"due_at": "2026-11-20T06:00:00+00:00"},
            mend="headgate status",
        ),
        "run.caught_up",
        "A late run is done.",
        "run {dag_run_id} of {dataset} has caught up",
    ),
    EventType(
        "run.finished",
        "A run has ended, well or not; its books are in it.",
        "info",
        "run {dag_run_id} of {dataset} finished: {state}",
        models.RunFinished,
        _RUN | {"state": "success", "books": {"read": 100, "inserted": 99, "quarantined": 1}},
        mend="headgate books {dataset} --run {run_id}",
        status="info",
    ),
    EventType(
        "task.failed",
        "A try of a task failed; Airflow tries again where `will_retry` says so.",
        "warning",
        "task {task_id} of {dataset} failed: {reason}",
        models.TaskFailed,
        _RUN | {"task_id": "validate", "map_index": 0, "try_number": 1, "reason": "the store is away"},
        mend="headgate errors list --where dataset={dataset}",
        status="info",
    ),
    *_ended(
        EventType(
            "server.away",
            "A try of a task has ended because a server was away or refused the login; Airflow tries again.",
            "warning",
            "{dataset} waits for a server: {reason}",
            models.ServerAway,
            {"dag_run_id": _RUN["dag_run_id"], "reason": "Postgres at localhost:5432 is away"},
            mend="headgate doctor",
        ),
        "server.back",
        "A clean run after a server was away.",
        "{dataset} has its servers again",
        model=models.Data,
        example=_RUN,
    ),
    *_ended(
        EventType(
            "object.held",
            "The gate holds an object: nothing of it was published.",
            "critical",
            "{key} of {dataset} is held: {reason}",
            models.ObjectHeld,
            _OBJECT | {"reason": "12 % of its rows are rejected, 5 % are allowed"},
            mend="headgate quarantine list -d {dataset} --object {key}",
            identity=("key",),
        ),
        "object.released",
        "An object that was held went through the gate, or a newer version took its place.",
        "{key} of {dataset} is no longer held",
        model=models.ObjectReleased,
        example=_OBJECT,
    ),
    *_ended(
        EventType(
            "books.unbalanced",
            "Rows that were read are neither in the table nor in quarantine.",
            "critical",
            "the books of {dataset} do not balance: {missing:,} rows are missing",
            models.BooksUnbalanced,
            _RUN | {"missing": 500, "gaps": ["chunk 3 of plnt_2019.csv: 500 rows have no receipt"]},
            mend=_BOOKS,
        ),
        "books.balanced",
        "The books balance again.",
        "the books of {dataset} balance again",
        example=_RUN | {"missing": 0},
    ),
    *_ended(
        EventType(
            "quarantine.high",
            "More rows of a run are in quarantine than the contract's threshold allows.",
            "warning",
            "{quarantined:,} of {read:,} rows of {dataset} are in quarantine: {share:.2%} of {threshold:.2%}",
            models.Quarantine,
            _RUN | {"read": 1000, "quarantined": 80, "share": 0.08, "threshold": 0.05},
            mend="headgate quarantine list -d {dataset} --run {run_id}",
        ),
        "quarantine.normal",
        "A run with no more rows in quarantine than the threshold allows.",
        "{quarantined:,} of {read:,} rows of {dataset} are in quarantine, as few as allowed",
        example=_RUN | {"read": 1000, "quarantined": 1, "share": 0.001, "threshold": 0.05},
    ),
    EventType(
        "schema.drifted",
        "An object has columns that no object before it had, or lacks some; digits in their names, as of a"
        " year, do not count.",
        "warning",
        "the columns of {dataset} have changed with {key}",
        models.SchemaDrifted,
        _OBJECT | {"added": ["BACODE"], "missing": ["SECTOR"], "renamed": {"Plant name": "PNAME"}},
        mend="headgate contract show {dataset}",
        identity=("key",),
        expires=_DAY,
    ),
    *_ended(
        EventType(
            "data.late",
            "The dataset misses its contract's service level: the newest data that is loaded is too old"
            " (`freshness`), or an object that has arrived waits too long (`latency`).",
            "warning",
            "{dataset} is late: its {level} is {age_seconds}, {limit_seconds} are allowed",
            models.ServiceLevel,
            {
                "level": "freshness",
                "since": "2026-11-18T05:10:00+00:00",
                "age_seconds": 180000,
                "limit_seconds": 90000,
            },
            mend="headgate run {dataset} --wait",
            identity=("level",),
        ),
        "data.fresh",
        "A dataset that was late meets its service level again.",
        "{dataset} is in time again: its {level} is {age_seconds}",
        example={
            "level": "freshness",
            "since": "2026-11-20T05:10:00+00:00",
            "age_seconds": 12,
            "limit_seconds": 90000,
        },
    ),
    *_ended(
        EventType(
            "volume.unusual",
            "The rows of a run are far from what the runs before it had.",
            "warning",
            "{rows:,} rows of {dataset}, usual are {low:,.0f} to {high:,.0f}",
            models.Volume,
            _RUN | {"rows": 12, "median": 10000, "low": 9000, "high": 11000, "runs": 20},
            mend="headgate books {dataset} --all",
        ),
        "volume.usual",
        "The rows of a run are as many as usual again.",
        "{rows:,} rows of {dataset}, as many as usual",
        example=_RUN | {"rows": 10012, "median": 10000, "low": 9000, "high": 11000, "runs": 20},
    ),
    *_ended(
        EventType(
            "consumer.gone",
            "Messages wait in a queue and nobody reads it.",
            "critical",
            "nobody reads {queue}: {messages:,} messages wait",
            models.ConsumerGone,
            _QUEUE | {"seconds": 90},
            mend=_QUEUES,
            identity=("queue",),
        ),
        "consumer.back",
        "A queue that nobody read has a consumer again.",
        "{queue} is read again",
        model=models.Queue,
        example=_QUEUE,
    ),
    EventType(
        "consumer.stopped",
        "A consumer ended itself because of something that a person must mend.",
        "critical",
        "{role} consumer {consumer} stopped: {reason}",
        models.ConsumerStopped,
        {"role": "database", "consumer": "host-1:4711", "reason": "the role may not write"},
        mend="headgate doctor",
        identity=("role",),
        expires=_DAY,
        system=True,
    ),
    *_ended(
        EventType(
            "queue.stalled",
            "Messages wait in a queue that is read, and none of them is handled.",
            "critical",
            "{queue} does not drain: {messages:,} messages wait, none was handled for {seconds}",
            models.QueueStalled,
            _QUEUE | {"seconds": 600},
            mend=_QUEUES,
            identity=("queue",),
        ),
        "queue.moving",
        "A stalled queue drains again.",
        "{queue} drains again",
        model=models.Queue,
        example=_QUEUE,
    ),
    *_ended(
        EventType(
            "queue.old",
            "The oldest message that was sent to a queue waits longer than the limit for its receipt.",
            "warning",
            "the oldest message of {queue} waits for {oldest_seconds}, the limit is {limit_seconds}",
            models.QueueAge,
            _QUEUE | {"oldest_seconds": 5400, "limit_seconds": 3600},
            mend=_QUEUES,
            identity=("queue",),
        ),
        "queue.young",
        "No message waits longer than the limit any more.",
        "no message of {queue} waits longer than {limit_seconds} any more",
        example=_QUEUE | {"oldest_seconds": 3, "limit_seconds": 3600},
    ),
    *_ended(
        EventType(
            "queue.deep",
            "More messages wait in a queue than the limit.",
            "warning",
            "{messages:,} messages wait in {queue}, the limit is {limit:,}",
            models.QueueDepth,
            _QUEUE | {"messages": 12000, "limit": 10000},
            mend=_QUEUES,
            identity=("queue",),
        ),
        "queue.shallow",
        "As few messages as allowed wait in a queue again.",
        "{messages:,} messages wait in {queue}, fewer than the limit",
        example=_QUEUE | {"limit": 10000},
    ),
    *_ended(
        EventType(
            "source.opened",
            "A provider of an API failed several times in a row, or a person said so: it is not asked any"
            " more, runs go on with what is landed.",
            "warning",
            "{title} is not asked any more: {reason}",
            models.SourceOpened,
            {
                "provider": "noaa_cdo",
                "title": "NOAA Climate Data Online",
                "reason": "503 Service Unavailable",
                "failures": 5,
            },
            mend="headgate sources list",
            identity=("provider",),
            system=True,
        ),
        "source.closed",
        "A provider that was not asked for a while answers again, or a person said so.",
        "{title} is asked again",
        model=models.SourceClosed,
        example={"provider": "noaa_cdo", "title": "NOAA Climate Data Online"},
    ),
    *_ended(
        EventType(
            "stream.silent",
            "Nothing of a live stream was booked for a while: the provider sends nothing, or a server is"
            " away.",
            "critical",
            "{dataset} has brought nothing for {silent_seconds}: {reason}",
            models.StreamSilent,
            {"silent_seconds": 300, "reason": "the stream was cut: ReadTimeout"},
            mend="headgate doctor",
        ),
        "stream.heard",
        "A live stream that was silent brings something again.",
        "{dataset} is heard again",
        model=models.Data,
        example={},
    ),
    EventType(
        "stream.gap",
        "A live stream was not read for longer than its provider keeps it: what came in between is missing.",
        "critical",
        "{dataset} has nothing from {gap_start} to {gap_end}: the provider does not keep it any more",
        models.StreamGap,
        {"gap_start": "2026-11-18T05:10:00+00:00", "gap_end": "2026-11-19T07:00:00+00:00"},
        mend="headgate books {dataset} --all",
        identity=("gap_start",),
        expires=timedelta(days=7),
    ),
    EventType(
        "message.retried",
        "A message failed and is tried again after a while.",
        "info",
        "a message of {dataset} is tried again in {delay_seconds}: {reason}",
        models.MessageRetried,
        _MESSAGE | {"cause": "table_missing", "reason": "egrid.plants does not exist", "delay_seconds": 300},
        mend="headgate errors list --where dataset={dataset}",
        status="info",
    ),
    *_ended(
        EventType(
            "message.exhausted",
            "A message failed as often as it may and is parked for a person.",
            "critical",
            "a message of {dataset} is parked after {attempts} attempts: {reason}",
            models.Message,
            _MESSAGE | {"cause": "table_missing", "reason": "egrid.plants does not exist"},
            mend=_REPLAY,
            identity=("cause",),
        ),
        "message.recovered",
        "All messages that were parked for this cause, after trying again in vain, are applied or dismissed.",
        _NONE_LEFT,
        model=models.MessageCause,
        example={"cause": "table_missing"},
    ),
    *_ended(
        EventType(
            "message.parked",
            "A message that trying again cannot help is parked for a person.",
            "critical",
            "a message of {dataset} is parked: {reason}",
            models.Message,
            _MESSAGE | {"cause": "checksum", "reason": "the body is not what was sent", "attempts": 1},
            mend=_REPLAY,
            identity=("cause",),
        ),
        "message.cleared",
        "All messages that were parked for this cause at once are applied or dismissed.",
        _NONE_LEFT,
        model=models.MessageCause,
        example={"cause": "checksum"},
    ),
    *_ended(
        EventType(
            "parking.filled",
            "Messages of the dataset stand in parking: their rows are missing until they are replayed.",
            "critical",
            "{messages:,} messages of {dataset} are parked",
            models.Parking,
            {"messages": 3},
            mend="headgate replay --where dataset={dataset} --dry-run",
        ),
        "parking.emptied",
        "No message of the dataset is parked any more.",
        "no message of {dataset} is parked any more",
        example={"messages": 0},
    ),
    EventType(
        "retention.finished",
        "Old records were pruned by the rules of settings and contracts.",
        "info",
        "retention removed what is older than its rules say",
        models.RetentionFinished,
        {"removed": {"receipts": 1000, "staging_objects": 40}, "seconds": 12.5},
        status="info",
        system=True,
    ),
    EventType(
        "notification.test",
        "A person tries whether notifications arrive.",
        "info",
        "test notification: {text}",
        models.NotificationTest,
        {"text": "This is a test."},
        status="info",
        system=True,
    ),
]

CATALOGUE: Final[Mapping[str, EventType]] = {entry.kind: entry for entry in _TYPES}
