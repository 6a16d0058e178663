"""Publishing on one channel without waiting for one message's confirm before the next is sent.

The broker counts the messages of a channel from 1 and answers by number, for one or for all up to it
(https://www.rabbitmq.com/docs/confirms#publisher-confirms). A message that no queue took is returned, then
confirmed all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingConnection
from pika.spec import Basic

from headgate.errors import Retriable


class Answer(Enum):
    """What the broker says of a message."""

    CONFIRMED = "confirmed"
    UNROUTABLE = "unroutable"
    REFUSED = "refused"


class ConfirmedChannel:
    """A channel in confirm mode; not thread-safe. What pika raises passes."""

    def __init__(self, connection: BlockingConnection) -> None:
        self._connection = connection
        self.blocking = connection.channel()
        self._published = 0
        self._unanswered: dict[int, Callable[[Answer], None]] = {}
        self._returned: set[int] = set()
        self._closed: Exception | None = None
        # pika's blocking channel waits for each confirm by itself; the channel beneath it tells of them.
        beneath = self.blocking._impl  # type: ignore[attr-defined]  # by no public name
        beneath.add_on_return_callback(self._on_return)
        beneath.add_on_close_callback(self._on_close)
        beneath.confirm_delivery(self._on_answer)

    def publish(
        self,
        address: tuple[str, str],
        properties: pika.BasicProperties,
        body: bytes,
        *,
        mandatory: bool,
        answered: Callable[[Answer], None],
    ) -> None:
        """Send to this exchange with this routing key; this or a later call tells what is ``answered``."""
        exchange, key = address
        self._published += 1
        self._unanswered[self._published] = answered
        self.blocking.basic_publish(exchange, key, body, properties, mandatory=mandatory)

    def wait(self, seconds: float) -> None:
        """Until all that was published is answered; ``Retriable`` when that takes longer."""
        deadline = time.monotonic() + seconds
        while self._unanswered:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Retriable(f"RabbitMQ did not say within {seconds:g} s that it has the message")
            self._connection.process_data_events(time_limit=left)
            if self._closed is not None:
                raise self._closed

    def _on_answer(self, frame: Any) -> None:
        told = frame.method
        for number in self._numbers(told.delivery_tag, told.multiple):
            self._unanswered.pop(number)(self._answer(number, told))
        if not self._unanswered:
            self._end_wait()

    def _numbers(self, tag: int, multiple: bool) -> list[int]:
        return [number for number in self._unanswered if number <= tag] if multiple else [tag]

    def _answer(self, number: int, told: Any) -> Answer:
        if isinstance(told, Basic.Nack):
            return Answer.REFUSED
        return Answer.UNROUTABLE if number in self._returned else Answer.CONFIRMED

    def _on_return(self, *_: Any) -> None:
        """What is returned has no number: it may be any that is not answered yet."""
        self._returned.update(self._unanswered)

    def _on_close(self, _: Any, reason: Exception) -> None:
        self._closed = reason
        self._end_wait()

    def _end_wait(self) -> None:
        self._connection.call_later(0, lambda: None)
