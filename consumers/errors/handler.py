"""Failed messages and failed tasks: each is recorded, and each message goes where its failure sends it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg2
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pydantic import ValidationError

from consumers.delivery import Delivery, Done, Forward, Outcome
from consumers.postgres import Postgres
from headgate import db, events, topology
from headgate.errors import Fatal, HeadgateError
from headgate.failures import (
    TASK_ERROR,
    Cause,
    Delay,
    Failure,
    Park,
    TaskError,
    failed,
    failure_of,
    storable,
    verdict,
    whole_number,
)
from headgate.ledger.errors import FailedMessage, record_failure, record_task_error, resolve_errors, tell_ends
from headgate.publisher import Publisher
from headgate.settings import Url

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

log = structlog.get_logger("consumers.errors")

# Between two looks for errors whose messages were applied since.
RESOLVE_SECONDS = 5.0


class ErrorHandler:
    """Records what fails in one transaction; the messages are handed on after it, then acknowledged.

    A crash in between repeats it: the row, its event and the message's receipt make that a no-op.
    ``url`` may be what reads it anew for each session. ``relay`` publishes the recorded events.
    ``delays``: seconds before each retry of a message.
    """

    def __init__(self, url: Url, name: str, relay: Publisher, *, delays: Sequence[float]) -> None:
        self._postgres = Postgres(url, "error", name)
        self._name = name
        self._relay = relay
        self._delays = tuple(delays)
        self._next_resolve = 0.0

    def queues(self) -> Sequence[str]:
        """The one queue of all failures."""
        return [topology.ERRORS_QUEUE]

    def declare(self, channel: BlockingChannel, queues: Sequence[str]) -> None:
        """All exchanges, errors, parking and the delays."""
        topology.declare(channel)
        for seconds in self._delays:
            topology.declare_retry(channel, seconds)

    def weight(self, delivery: Delivery) -> int:
        """Size of the body, which is not decompressed here."""
        return len(delivery.body)

    def handle(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Record these in one transaction."""
        with self._postgres.session() as conn, db.transaction(conn) as cursor:
            return [self._judge(cursor, delivery) for delivery in deliveries]

    def tick(self) -> None:
        """Close errors of messages that were applied since, end their alerts; publish what was recorded."""
        with self._postgres.session() as conn:
            if time.monotonic() >= self._next_resolve:
                if resolved := resolve_errors(conn):
                    log.info("errors resolved", errors=resolved)
                if ended := tell_ends(conn):
                    log.info("alerts of messages ended", alerts=ended)
                self._next_resolve = time.monotonic() + RESOLVE_SECONDS
            events.relay(conn, self._relay)

    def interrupt(self) -> None:
        """Cancel the statement that runs now."""
        self._postgres.interrupt()

    def stopped(self, error: HeadgateError) -> None:
        """Record it for people."""
        self._postgres.stopped(error)

    def close(self) -> None:
        """Hang up."""
        self._postgres.close()
        self._relay.close()

    def _judge(self, cursor: Cursor, delivery: Delivery) -> Outcome:
        """Record one; what says of itself what cannot be stored is told of in our own words."""
        cursor.execute("SAVEPOINT failure")
        try:
            return self._record(cursor, delivery)
        except (psycopg2.DataError, psycopg2.IntegrityError, ValueError, OverflowError, Fatal) as error:
            cursor.execute("ROLLBACK TO SAVEPOINT failure")
            reason = f"what it says of its failure cannot be stored: {error}"
            return self._hand_on(cursor, delivery, self._junk(Cause.UNDECODABLE, reason), {})

    def _record(self, cursor: Cursor, delivery: Delivery) -> Outcome:
        headers: Mapping[str, Any] = delivery.properties.headers or {}
        failure = failure_of(headers)
        if failure is not None:
            return self._hand_on(cursor, delivery, failure, headers)
        if delivery.properties.type != TASK_ERROR:
            reason = f"neither a failed message nor a task's error, but of type {delivery.properties.type!r}"
            return self._hand_on(cursor, delivery, self._junk(Cause.WRONG_TYPE, reason), {})
        try:
            error = TaskError.model_validate_json(delivery.body)
        except ValidationError as problem:
            reason = f"not a task's error: {problem.errors()[0]['msg']}"
            return self._hand_on(cursor, delivery, self._junk(Cause.UNDECODABLE, reason), {})
        record_task_error(cursor, error)
        log.info("task error recorded", dataset=error.dataset, task_id=error.task_id, reason=error.reason)
        return Done()

    def _hand_on(
        self, cursor: Cursor, delivery: Delivery, failure: Failure, headers: Mapping[str, Any]
    ) -> Forward:
        to = self._verdict(failure)
        error_id = record_failure(cursor, _message(delivery, failure, headers), failure, to)
        return Forward(failure.known_as(error_id), to)

    def _verdict(self, failure: Failure) -> Delay | Park:
        """Only batches of rows are retried: nothing else finds its way back from a delay."""
        if topology.is_rows_queue(failure.queue):
            return verdict(failure.cause, failure.attempts, self._delays)
        return Park(exhausted=False)

    def _junk(self, cause: Cause, reason: str) -> Failure:
        return failed({}, cause, reason, queue=topology.ERRORS_QUEUE, consumer=self._name)


def _message(delivery: Delivery, failure: Failure, headers: Mapping[str, Any]) -> FailedMessage:
    """What a message says of itself, as far as it can be believed."""
    digest = hashlib.sha256(delivery.body).hexdigest()
    properties = delivery.properties
    traceparent = headers.get("traceparent")
    return FailedMessage(
        dataset=topology.dataset_of(failure.queue),
        message_id=delivery.message_id,
        identity=f"{delivery.message_id}/{digest}",
        run_id=whole_number(headers.get("run_id")),
        object_id=whole_number(headers.get("object_id")),
        chunk_id=whole_number(headers.get("chunk_id")),
        traceparent=traceparent if isinstance(traceparent, str) else None,
        detail={
            "type": storable(str(properties.type)),
            "content_type": storable(str(properties.content_type)),
            "bytes": len(delivery.body),
            "sha256": digest,
        },
    )
