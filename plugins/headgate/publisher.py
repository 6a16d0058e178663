"""Publishing with confirms: what returns without an error is on the broker's disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import pika
import pika.exceptions
import structlog
import tenacity
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from headgate import amqp, events, message, topology
from headgate.errors import AccessRefused, Fatal, Retriable

log = structlog.get_logger("headgate.publisher")


class Publisher:
    """One connection that publishes persistently, mandatorily and with confirms; not thread-safe.

    After a lost connection, or when a message is refused (nacked), unroutable or blocked, it is sent again
    until the broker confirms it or ``deadline`` seconds have passed; then ``Retriable``. Sending again can
    double a message on the queue, never its effect: ids are deterministic, receipts drop the second one.
    A broker that refuses the login or the vhost is ``Fatal`` at once.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "headgate publisher",
        environment: str = "development",
        deadline: float = 300.0,
    ) -> None:
        self._url = url
        self._name = name
        self._environment = environment
        self._deadline = deadline
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._declared: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(self, batch: message.RowBatch) -> None:
        """Send one batch to its dataset's queue and wait for the broker's confirm."""
        self._deliver(
            topology.ROWS_EXCHANGE, batch.dataset, message.encode(batch), batch.body, dataset=batch.dataset
        )

    def emit(self, event: events.Event | Mapping[str, Any]) -> None:
        """Publish an event, or its CloudEvent. Where nobody has bound a queue, it is confirmed and gone."""
        cloudevent = event.cloudevent(self._environment) if isinstance(event, events.Event) else event
        properties, body = events.encode(cloudevent)
        key = topology.event_key(cloudevent["dataset"], cloudevent["type"].removeprefix(events.TYPE_PREFIX))
        self._deliver(topology.EVENTS_EXCHANGE, key, properties, body, dataset=None)

    def park(self, dataset: str, properties: pika.BasicProperties, body: bytes) -> None:
        """Put a message on the parking queue as it is."""
        key = topology.parking_key(dataset)
        self._deliver(topology.ERRORS_EXCHANGE, key, properties, body, dataset=dataset)

    def close(self) -> None:
        """Close the connection; everything confirmed stays, everything else was never reported as sent."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except (pika.exceptions.AMQPError, OSError) as error:
                log.debug("broker connection did not close cleanly", error=str(error))

    def _deliver(
        self, exchange: str, key: str, properties: pika.BasicProperties, body: bytes, *, dataset: str | None
    ) -> None:
        """Attempts until one is confirmed. ``dataset``: its queue must exist; ``None``: none needs to."""
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Retriable),
            stop=tenacity.stop_after_delay(self._deadline),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=5.0),
            before_sleep=self._log_retry,
            reraise=True,
        )
        for attempt in attempts:
            with attempt:
                self._attempt(exchange, key, properties, body, dataset)

    def _attempt(
        self, exchange: str, key: str, properties: pika.BasicProperties, body: bytes, dataset: str | None
    ) -> None:
        try:
            with amqp.translated(amqp.where(self._url)):
                self._send(exchange, key, properties, body, dataset)
        except AccessRefused as error:
            self.close()
            raise Fatal(str(error)) from error
        except Retriable:
            if self._channel is None or not self._channel.is_open:
                self.close()
            raise

    def _send(
        self, exchange: str, key: str, properties: pika.BasicProperties, body: bytes, dataset: str | None
    ) -> None:
        channel = self._open()
        if dataset is not None and dataset not in self._declared:
            topology.declare_rows(channel, dataset)
            self._declared.add(dataset)
        try:
            channel.basic_publish(exchange, key, body, properties, mandatory=dataset is not None)
        except pika.exceptions.UnroutableError:
            self.close()  # the next attempt declares it anew
            raise Retriable(f"no queue took the message of {key!r} on {exchange}") from None
        except pika.exceptions.NackError:
            raise Retriable(
                f"RabbitMQ refused the message of {key!r}: the queue is full or its leader is away"
            ) from None

    def _open(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            self.close()
            started = time.monotonic()
            self._connection = amqp.connect(self._url, self._name)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
            topology.declare(self._channel)
            self._declared.clear()
            log.debug("connected to the broker", seconds=round(time.monotonic() - started, 3))
        return self._channel

    def _log_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("publishing waits", attempt=state.attempt_number, reason=str(error))
