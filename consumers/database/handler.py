"""Batches of rows from the dataset queues into Postgres."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2
import structlog
from pika.adapters.blocking_connection import BlockingChannel

from consumers.database.batch import apply
from consumers.database.direct import Novelty
from consumers.database.session import Session, Target, refused
from consumers.delivery import Delivery, Done, Outcome, Reject
from consumers.postgres import Postgres
from headgate import db, message, receipts, topology
from headgate.errors import DataError, Fatal, HeadgateError, Retriable
from headgate.failures import Cause, Class, MessageError, class_of
from headgate.message import RowBatch
from headgate.settings import Url

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

log = structlog.get_logger("consumers.database")

# Times that one message is tried alone after a deadlock or a serialization failure, before all wait.
CONFLICT_ATTEMPTS = 5
# Seconds after such a failure for which each message has a transaction of its own. A deadlock costs a second
# and all that the transaction has done; where objects have keys in common one is seldom alone.
APART = 60.0


@dataclass(frozen=True)
class _Work:
    """A delivery that can be read and has a place to go."""

    delivery: Delivery
    batch: RowBatch
    target: Target


class DatabaseHandler:
    """One transaction for what is given together; each message in it is applied, known already, or fails.

    ``url`` may be what reads it anew for each session. ``datasets``: read only these; none means all of the
    registry. ``max_bytes``: largest body, decompressed.
    """

    def __init__(self, url: Url, name: str, *, datasets: Sequence[str] = (), max_bytes: int) -> None:
        self._postgres = Postgres(url, "database", name)
        self._name = name
        self._datasets = tuple(datasets)
        self._max_bytes = max_bytes
        self._open: Session | None = None
        self._novelty = Novelty()
        self._apart_until = 0.0

    def queues(self) -> Sequence[str]:
        """The queues of the datasets that are registered by now."""
        if self._datasets:
            return [topology.rows_queue(name) for name in self._datasets]
        with self._session() as session:
            return [topology.rows_queue(name) for name in session.datasets()]

    def declare(self, channel: BlockingChannel, queues: Sequence[str]) -> None:
        """Exchanges, parking and these queues."""
        topology.declare(channel, [topology.dataset_of(queue) for queue in queues])

    def weight(self, delivery: Delivery) -> int:
        """Size of the decompressed body."""
        return message.decompressed_size(delivery.body)

    def handle(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Apply these in one transaction, or after a conflict with another consumer one by one."""
        try:
            with self._session() as session:
                read = [self._read(session, delivery) for delivery in deliveries]
                done = self._apply(session, [item for item in read if isinstance(item, _Work)])
        except DataError as error:
            raise Fatal(f"Postgres refused something that is not a row: {error}") from error
        outcomes = [item if isinstance(item, Reject) else done[item.delivery.tag] for item in read]
        if any(isinstance(found, Reject) and class_of(found.cause) is Class.RETRIABLE for found in outcomes):
            self.close()  # what the session knows of tables may be what is wrong: the retry meets them anew
        return outcomes

    def tick(self) -> None:
        """Nothing is due without messages."""

    def interrupt(self) -> None:
        """Cancel the statement that runs now."""
        self._postgres.interrupt()

    def stopped(self, error: HeadgateError) -> None:
        """Record it for people."""
        self._postgres.stopped(error)

    def close(self) -> None:
        """Hang up."""
        self._postgres.close()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """What hangs on the connection is new where that is."""
        with self._postgres.session() as conn:
            if self._open is None or self._open.conn is not conn:
                self._open = Session(conn)
            yield self._open

    def _read(self, session: Session, delivery: Delivery) -> _Work | Reject:
        try:
            batch = message.decode(delivery.properties, delivery.body)
            return _Work(delivery, batch, session.target(batch))
        except (Retriable, Fatal):
            raise
        except Exception as error:  # noqa: BLE001  whatever one message does to us, the others go on
            return rejected(error)

    def _apply(self, session: Session, work: Sequence[_Work]) -> dict[int, Outcome]:
        """Outcomes by delivery tag."""
        if not work:
            return {}
        if time.monotonic() >= self._apart_until:
            try:
                return self._transact(session, work)
            except Retriable as error:
                if not is_conflict(error):
                    raise
                log.info("conflict with another consumer, going on one by one", reason=str(error))
            self._apart_until = time.monotonic() + APART
        return {tag: outcome for item in work for tag, outcome in self._alone(session, item).items()}

    def _alone(self, session: Session, item: _Work) -> dict[int, Outcome]:
        """One message a transaction: rows are waited for in key order, so no two block each other."""
        for attempt in range(1, CONFLICT_ATTEMPTS):
            try:
                return self._transact(session, [item], ordered=attempt > 1)
            except Retriable as error:
                if not is_conflict(error):
                    raise
                log.info("conflict with another consumer, trying again", attempt=attempt, reason=str(error))
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311  jitter
        return self._transact(session, [item], ordered=True)

    def _transact(
        self, session: Session, work: Sequence[_Work], *, ordered: bool = False
    ) -> dict[int, Outcome]:
        started = time.monotonic()
        with db.transaction(session.conn) as cursor:
            cursor.execute(db.query("consumer_limits"))
            receipts.lock_datasets(cursor, [item.batch.dataset for item in work])
            outcomes = {item.delivery.tag: self._one(cursor, item, ordered=ordered) for item in work}
        log.info(
            "committed",
            messages=len(work),
            rows=sum(item.batch.rows for item in work),
            seconds=round(time.monotonic() - started, 3),
        )
        return outcomes

    def _one(self, cursor: Cursor, item: _Work, *, ordered: bool) -> Outcome:
        cursor.execute("SAVEPOINT message")
        if not self._claim(cursor, item.batch):
            log.info("applied before", **_ids(item.batch))
            return Done()
        try:
            counts = apply(
                cursor, item.target, item.batch, self._novelty, max_bytes=self._max_bytes, ordered=ordered
            )
        except Fatal:
            raise
        except Exception as error:
            problem = refused(error) if isinstance(error, psycopg2.Error) else error
            if isinstance(problem, Retriable):
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT message")
            return rejected(problem)
        cursor.execute("RELEASE SAVEPOINT message")
        log.info("applied", **_ids(item.batch), **vars(counts))
        return Done()

    def _claim(self, cursor: Cursor, batch: RowBatch) -> bool:
        """Receipts are no message's matter: what Postgres refuses here stops the consumer."""
        return receipts.claim(
            cursor,
            message_id=batch.message_id,
            object_id=batch.object_id,
            chunk_id=batch.chunk_id,
            consumer=self._name,
        )


def rejected(error: Exception) -> Reject:
    """A message's failure, told to the error consumer."""
    trace = "".join(traceback.format_exception(error))
    match error:
        case MessageError():
            return Reject(error.cause, str(error), trace)
        case DataError():
            return Reject(Cause.UNDECODABLE, str(error), trace)
        case _:
            return Reject(Cause.UNEXPECTED, f"{type(error).__name__}: {error}", trace)


def _ids(batch: RowBatch) -> dict[str, object]:
    """What every log line of a message carries."""
    return {
        "message_id": str(batch.message_id),
        "dataset": batch.dataset,
        "run_id": batch.run_id,
        "object_id": batch.object_id,
        "chunk_id": batch.chunk_id,
        "traceparent": batch.traceparent,
    }


def is_conflict(error: Retriable) -> bool:
    """Whether Postgres rolled back because of another transaction, not because it was away."""
    cause = error.__cause__
    return isinstance(cause, psycopg2.Error) and (cause.pgcode or "").startswith(("40", "55P03"))
