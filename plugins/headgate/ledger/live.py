"""Live streams in the ledger: a minute is an object without stored bytes. See docs/adr/0013-live-stream.md.

A minute's object is of one chunk, published from its start, and grows with each batch. What a batch had is
written down together with its bytes, which stay until the minute is loaded: a process may die anywhere, and
the broker may lose what it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import psycopg2
from psycopg2.extras import Json

from headgate import events
from headgate.books import run_books
from headgate.contract import Contract
from headgate.db import one, query, records, transaction
from headgate.events import Event
from headgate.ledger.chunks import BatchRef, StagedBatch, StagedCounts, insert_batches
from headgate.ledger.gate import quarantine_rejects
from headgate.ledger.runs import LIVE, LIVE_BUCKET, Run, finish_run, open_run, run_event
from headgate.message import RowBatch

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True)
class Minute:
    """A minute of a stream, by the time of arrival; ``records`` (lines) and ``batches`` are booked so far."""

    object_id: int
    key: str
    version: int  # its start, microseconds since 1970
    state: str
    run_id: int
    contract_version: int
    chunk_id: int
    records: int
    batches: int

    @property
    def start(self) -> datetime:
        """When it began."""
        return datetime.fromtimestamp(self.version / 1e6, UTC)


@dataclass(frozen=True)
class Booking:
    """What one batch of a stream had: ``lines`` were read, of ``size`` bytes, and came to ``counts``."""

    lines: int
    size: int
    counts: StagedCounts
    rejects: bytes = field(repr=False)  # CSV of REJECT_COLUMNS
    read_to: datetime | None  # what the provider received before this is booked with it
    batch: StagedBatch | None = None  # none: no row was accepted
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class _Waiting(BatchRef):
    columns: list[str]
    body: memoryview


def take_stream(conn: Connection, dataset: str) -> bool:
    """Be the one that follows the dataset's stream, as long as the connection lives; False: another is."""
    with transaction(conn) as cursor:
        cursor.execute(query("live_take"), {"dataset": dataset})
        return bool(one(cursor)[0])


def read_to(conn: Connection, dataset: str) -> datetime | None:
    """What the provider received before this is in the ledger; None: nothing was ever read."""
    with transaction(conn) as cursor:
        cursor.execute(query("live_read_to"), {"dataset": dataset})
        found = cursor.fetchone()
        return found[0] if found else None


def begin_at(conn: Connection, dataset: str, moment: datetime) -> None:
    """The stream is read from this moment on."""
    with transaction(conn) as cursor:
        cursor.execute(query("live_advance"), {"dataset": dataset, "read_to": moment})


def rejected_since(conn: Connection, dataset: str, since: datetime) -> frozenset[str]:
    """Bad lines that were booked since then, as they stand in quarantine."""
    with transaction(conn) as cursor:
        cursor.execute(query("live_rejected"), {"dataset": dataset, "since": since})
        return frozenset(raw for (raw,) in cursor)


def newest_minute(conn: Connection, contract: Contract) -> Minute | None:
    """The stream's newest minute."""
    values = {"dataset": contract.dataset, "bucket": LIVE_BUCKET + contract.bucket}
    with transaction(conn) as cursor:
        cursor.execute(query("live_minute"), values)
        return next(iter(records(cursor, Minute)), None)


def open_minute(
    conn: Connection,
    contract: Contract,
    version: int,
    start: datetime,
    inspection: Mapping[str, Any],
) -> Minute:
    """A new minute of the stream, later than all before it, under this version of the contract.

    It belongs to the run of its hour. ``inspection``: as of an object of NDJSON, with ``staged_columns``.
    """
    run = _hour(conn, contract.dataset, version, start)
    key = f"{contract.prefix}{start:%Y-%m-%dT%H%MZ}.ndjson"
    bucket = LIVE_BUCKET + contract.bucket
    values = {
        "dataset": contract.dataset,
        "bucket": bucket,
        "key": key,
        "start": start,
        "run_id": run.run_id,
        "contract_version": version,
        "inspection": Json(dict(inspection)),
        "source": Json({"bucket": bucket, "key": key}),
    }
    with transaction(conn) as cursor:
        cursor.execute(query("dataset_lock"), {"dataset": contract.dataset})  # see dataset_lock_shared
        cursor.execute(query("live_minute_open"), values)
        cursor.execute(query("live_minute"), values)
        return records(cursor, Minute)[0]


def _hour(conn: Connection, dataset: str, version: int, start: datetime) -> Run:
    """The run that a minute belongs to."""
    hour = start.replace(minute=0, second=0, microsecond=0)
    return open_run(
        conn,
        dataset=dataset,
        dag_run_id=f"{LIVE}__{hour.isoformat()}",
        contract_version=version,
        kind=LIVE,
        interval_start=hour,
        interval_end=hour + timedelta(hours=1),
    )


def book(conn: Connection, contract: Contract, minute: Minute, booking: Booking) -> None:
    """Enter a batch into its minute: its counts, its bytes for the broker, its bad rows, how far it reads."""
    counts = {**vars(booking.counts), "rule_counts": Json(dict(booking.counts.rule_counts))}
    values = {"chunk_id": minute.chunk_id, "lines": booking.lines, "size": booking.size, **counts}
    with transaction(conn) as cursor:
        cursor.execute(query("live_add"), values)
        if booking.batch is not None:
            insert_batches(cursor, minute.chunk_id, [booking.batch])
            kept = {"message_id": booking.batch.message_id, "body": psycopg2.Binary(booking.body)}
            cursor.execute(query("live_batch_keep"), kept)
        if booking.rejects:
            quarantine_rejects(cursor, contract.dataset, minute.object_id, [booking.rejects])
        if booking.read_to is not None:
            moved = {"dataset": contract.dataset, "read_to": booking.read_to}
            cursor.execute(query("live_advance"), moved)


def waiting_messages(conn: Connection, dataset: str) -> list[RowBatch]:
    """Messages of the stream's batches that the broker may not have."""
    with transaction(conn) as cursor:
        cursor.execute(query("live_batch_waiting"), {"dataset": dataset})
        return [found.message(tuple(found.columns), bytes(found.body)) for found in records(cursor, _Waiting)]


def body_of(conn: Connection, message_id: UUID) -> bytes | None:
    """The bytes of a batch whose minute is not loaded; None: they are not kept here."""
    with transaction(conn) as cursor:
        cursor.execute(query("live_batch_body"), {"message_id": message_id})
        found = cursor.fetchone()
        return bytes(found[0]) if found else None


def settle(conn: Connection, contract: Contract, before: datetime) -> int:
    """Close what is over: minutes that began before this and have all receipts are loaded; how many.

    And hours whose minutes are all loaded.
    """
    values = {"dataset": contract.dataset, "bucket": LIVE_BUCKET + contract.bucket, "before": before}
    with transaction(conn) as cursor:
        cursor.execute(query("live_settle"), values)
        loaded = int(one(cursor)[0])
        cursor.execute(query("live_runs_over"), values)
        over = records(cursor, Run)
    for run in over:
        _close(conn, run)
    return loaded


def _close(conn: Connection, run: Run) -> None:
    books = run_books(conn, run)
    reason = None if books.balanced else "the books do not balance: " + "; ".join(map(str, books.gaps))
    state: Literal["success", "failed"] = "success" if reason is None else "failed"
    told = {"state": state, "reason": reason, "books": books.as_json()["rows"]}
    news = [run_event("run.finished", run, told)]
    if reason is not None:
        news.append(run_event("run.failed", run, {"reason": reason}))
    finish_run(conn, run.run_id, state, reason, news)


def tell_gap(conn: Connection, dataset: str, start: datetime, end: datetime) -> None:
    """What the stream had between these times is lost to it: the provider does not hold it any more."""
    with transaction(conn) as cursor:
        events.record(cursor, Event("stream.gap", dataset, dataset, {"gap_start": start, "gap_end": end}))


def tell_silence(conn: Connection, dataset: str, seconds: float, reason: str) -> None:
    """Nothing of the stream was booked for so long; said once, until ``tell_heard``."""
    event = Event("stream.silent", dataset, dataset, {"silent_seconds": seconds, "reason": reason})
    with transaction(conn) as cursor:
        cursor.execute(query("event_newest"), {"fingerprint": event.fingerprint})
        if cursor.fetchone() != ("firing",):
            events.record(cursor, event)


def tell_heard(conn: Connection, dataset: str) -> None:
    """The stream is heard, again if it was silent."""
    with transaction(conn) as cursor:
        events.record_change(cursor, Event("stream.heard", dataset, dataset, {}))
