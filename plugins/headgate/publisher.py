"""Publishing with confirms: what returns without an error is on the broker's disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import pika
import pika.exceptions
import structlog
import tenacity
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from headgate import amqp, events, message, topology
from headgate.confirms import Answer, ConfirmedChannel
from headgate.errors import AccessRefused, Retriable
from headgate.patience import REFUSED_PATIENCE
from headgate.settings import Url, url_of

log = structlog.get_logger("headgate.publisher")


@dataclass(frozen=True)
class _Letter:
    """What is sent, and where to: exchange and routing key."""

    address: tuple[str, str]
    properties: pika.BasicProperties
    body: bytes
    declare: Callable[[BlockingChannel], None] | None = None  # its queue, where not everyone declares that
    mandatory: bool = True  # a queue must take it


class Publisher:
    """One connection that publishes persistently, mandatorily and with confirms; not thread-safe.

    After a lost connection, or when a message is refused (nacked), unroutable or blocked, it is sent again
    until the broker confirms it or ``deadline`` seconds have passed; then ``Retriable``. Sending again can
    double a message on the queue, never its effect: ids are deterministic, receipts drop the second one.
    A broker that refuses the login or the vhost is waited for no longer than ``REFUSED_PATIENCE``: its
    credentials may be in rotation. ``url`` may be what reads it anew for each connection.
    """

    def __init__(
        self,
        url: Url,
        *,
        name: str = "headgate publisher",
        deadline: float = 300.0,
    ) -> None:
        self._url = url
        self._place = ""
        self._name = name
        self._deadline = deadline
        self._connection: BlockingConnection | None = None
        self._channel: ConfirmedChannel | None = None
        self._declared: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(self, *batches: message.RowBatch) -> None:
        """Send batches to their datasets' queues, one after the other, and wait until all are confirmed.

        ``Retriable``: some are not, and none may count as sent.
        """
        self._deliver(*(_rows(batch.dataset, message.encode(batch), batch.body) for batch in batches))

    def resend(self, dataset: str, properties: pika.BasicProperties, body: bytes) -> None:
        """Put a message as it is on a dataset's queue."""
        self._deliver(_rows(dataset, properties, body))

    def emit(self, cloudevent: Mapping[str, Any]) -> None:
        """Publish an event. Where nobody has bound a queue for it, it is confirmed and gone."""
        properties, body = events.encode(cloudevent)
        key = topology.event_key(cloudevent["dataset"], cloudevent["type"].removeprefix(events.TYPE_PREFIX))
        self._deliver(_Letter((topology.EVENTS_EXCHANGE, key), properties, body, mandatory=False))

    def fail(self, dataset: str, properties: pika.BasicProperties, body: bytes) -> None:
        """Hand a failure to the error consumer."""
        self._deliver(_Letter((topology.ERRORS_EXCHANGE, topology.error_key(dataset)), properties, body))

    def delay(self, seconds: float, dataset: str, properties: pika.BasicProperties, body: bytes) -> None:
        """Put a message as it is back on its dataset's queue after so many seconds.

        That must be there: a few dozen messages that find none hold back all of the delay, as RabbitMQ waits.
        """

        def declare(channel: BlockingChannel) -> None:
            topology.declare_rows(channel, dataset)
            topology.declare_retry(channel, seconds)

        self._deliver(_Letter((topology.retry_queue(seconds), dataset), properties, body, declare))

    def park(self, dataset: str, properties: pika.BasicProperties, body: bytes) -> None:
        """Put a message on the parking queue as it is."""
        self._deliver(_Letter((topology.ERRORS_EXCHANGE, topology.parking_key(dataset)), properties, body))

    def close(self) -> None:
        """Close the connection; everything confirmed stays, everything else was never reported as sent."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except (pika.exceptions.AMQPError, OSError) as error:
                log.debug("broker connection did not close cleanly", error=str(error))

    def _deliver(self, *letters: _Letter) -> None:
        """Attempts until all are confirmed."""
        unconfirmed = dict(enumerate(letters))
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Retriable),
            stop=self._is_over,
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=5.0),
            before_sleep=self._log_retry,
            reraise=True,
        )
        for attempt in attempts:
            with attempt:
                self._attempt(unconfirmed)

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        patience = (
            min(self._deadline, REFUSED_PATIENCE) if isinstance(error, AccessRefused) else self._deadline
        )
        return (state.seconds_since_start or 0) >= patience

    def _attempt(self, unconfirmed: dict[int, _Letter]) -> None:
        """Send these; those that are confirmed leave the dictionary. ``Retriable``: some have stayed."""
        answers: dict[int, Answer] = {}
        try:
            with amqp.translated(self._place):
                self._send(unconfirmed, answers)
        except Retriable:
            self.close()  # what the broker may still say of this attempt is not heard
            raise
        finally:
            for number, answer in answers.items():
                if answer is Answer.CONFIRMED:
                    del unconfirmed[number]
        self._expect_confirmed(unconfirmed, answers)

    def _expect_confirmed(self, letters: Mapping[int, _Letter], answers: Mapping[int, Answer]) -> None:
        """``Retriable`` for the first that has stayed."""
        for number, letter in letters.items():
            exchange, key = letter.address
            if answers[number] is Answer.UNROUTABLE:
                self.close()  # the next attempt declares it anew
                raise Retriable(f"no queue took the message of {key!r} on {exchange}")
            raise Retriable(
                f"RabbitMQ refused the message of {key!r}: the queue is full or its leader is away"
            )

    def _send(self, letters: Mapping[int, _Letter], answers: dict[int, Answer]) -> None:
        """Onto the wire one after the other, and wait for what the broker says of each."""
        channel = self._open()
        for number, letter in letters.items():
            self._declare(channel, letter)
            channel.publish(
                letter.address,
                letter.properties,
                letter.body,
                mandatory=letter.mandatory,
                answered=partial(answers.__setitem__, number),
            )
        channel.wait(self._deadline)

    def _declare(self, channel: ConfirmedChannel, letter: _Letter) -> None:
        if letter.declare is not None and letter.address not in self._declared:
            letter.declare(channel.blocking)
            self._declared.add(letter.address)

    def _open(self) -> ConfirmedChannel:
        if self._channel is None or not self._channel.blocking.is_open:
            self.close()
            started = time.monotonic()
            url = url_of(self._url)
            self._place = amqp.where(url)
            self._connection = amqp.connect(url, self._name)
            self._channel = ConfirmedChannel(self._connection)
            topology.declare(self._channel.blocking)
            self._declared.clear()
            log.debug("connected to the broker", seconds=round(time.monotonic() - started, 3))
        return self._channel

    def _log_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("publishing waits", attempt=state.attempt_number, reason=str(error))


def _rows(dataset: str, properties: pika.BasicProperties, body: bytes) -> _Letter:
    """To a dataset's queue."""
    declare = partial(topology.declare_rows, dataset=dataset)
    return _Letter((topology.ROWS_EXCHANGE, dataset), properties, body, declare)
