"""The consumer's side of RabbitMQ: one connection, one channel, both of the thread that made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from consumers.delivery import Delivery, Handler
from headgate import amqp
from headgate.errors import Retriable
from headgate.settings import Url, url_of

log = structlog.get_logger("consumers.broker")

# Messages in hand over all queues, so that memory does not grow with the number of datasets.
MESSAGES_IN_HAND = 64


class Broker:
    """Consumes. Every method but ``wake`` belongs to one thread; ``Retriable``: the broker is lost.

    ``url`` may be what reads it anew for each connection.
    """

    def __init__(self, url: Url, name: str, prefetch: int) -> None:
        self._url = url
        self._place = ""
        self._name = name
        self._prefetch = prefetch
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._consumers: dict[str, str] = {}
        self._arrived: list[Delivery] = []
        self._cancelled: str | None = None
        self._withheld: set[str] = set()
        self.session = 0

    def open(self) -> None:
        """Connect anew."""
        self.close()
        url = url_of(self._url)
        self._place = amqp.where(url)
        self._connection = amqp.connect(url, self._name)
        with amqp.translated(self._place):
            self._channel = self._connection.channel()
            self._channel.add_on_cancel_callback(self._on_cancel)

    def subscribe(self, handler: Handler, queues: Sequence[str]) -> None:
        """Read these queues and no others; those read already stay as they are."""
        new = [queue for queue in queues if queue not in self._consumers]
        gone = [queue for queue in self._consumers if queue not in queues]
        if not new and not gone:
            return
        with amqp.translated(self._place):
            handler.declare(self._open_channel, new)
            self._open_channel.basic_qos(prefetch_count=self._share(len(queues)))
            for queue in new:
                self._consumers[queue] = self._open_channel.basic_consume(queue, self._receiver(queue))
            for queue in gone:
                self._open_channel.basic_cancel(self._consumers.pop(queue))
        log.info("reading", queues=sorted(self._consumers))

    def check_flow(self) -> None:
        """``Retriable``: a queue held messages at two checks in a row and delivered none between them.

        For a consumer that has nothing in hand. Seen with RabbitMQ 3.10: a queue that is deleted while it is
        read and declared again by two clients at once can forget its consumer; connecting anew mends it.
        """
        with amqp.translated(self._place):
            held = {queue for queue in self._consumers if self._ready(queue) > 0}
        starved, self._withheld = held & self._withheld, held
        if starved:
            raise Retriable(f"RabbitMQ delivers nothing of {', '.join(sorted(starved))}, which has messages")

    def has_more(self) -> bool:
        """Whether a message waits in a queue or is on its way; ``pump`` brings it."""
        with amqp.translated(self._place):
            # What left its queue just before the first look is here before the answer to the second.
            waiting = [self._ready(queue) for _ in range(2) for queue in self._consumers]
            self._open_connection.process_data_events(time_limit=0)
        return any(waiting) or bool(self._arrived)

    def pump(self, seconds: float) -> list[Delivery]:
        """Keep the connection alive for up to ``seconds``; what has arrived."""
        with amqp.translated(self._place):
            self._open_connection.process_data_events(time_limit=seconds)
        if self._cancelled is not None:
            raise Retriable(
                f"RabbitMQ cancelled the consumer of {self._cancelled}: its queue was deleted or moved"
            )
        if not self._open_channel.is_open:
            raise Retriable("RabbitMQ closed the channel")
        arrived, self._arrived = self._arrived, []
        return arrived

    def ack(self, delivery: Delivery) -> None:
        """Acknowledge; of an earlier session it is a no-op, the broker has taken the message back."""
        if delivery.session == self.session:
            with amqp.translated(self._place):
                self._open_channel.basic_ack(delivery.tag)

    def cancel(self) -> None:
        """Take no more messages; those in hand can still be acknowledged."""
        with amqp.translated(self._place):
            for tag in self._consumers.values():
                self._open_channel.basic_cancel(tag)
        self._consumers.clear()

    def close(self) -> None:
        """Hang up; the broker takes back what is not acknowledged, and that cannot be any more."""
        self.session += 1
        connection, self._connection, self._channel = self._connection, None, None
        self._consumers.clear()
        self._arrived.clear()
        self._withheld.clear()
        self._cancelled = None
        try:
            if connection is not None and connection.is_open:
                connection.close()
        except (AMQPError, OSError) as error:
            log.debug("broker connection did not close cleanly", error=str(error))

    def wake(self) -> None:
        """End a running ``pump`` soon; may be called from any thread."""
        connection = self._connection
        try:
            if connection is not None:
                connection.add_callback_threadsafe(lambda: None)
        except (AMQPError, OSError) as error:
            log.debug("nobody to wake", error=str(error))

    @property
    def _open_connection(self) -> BlockingConnection:
        if self._connection is None:
            raise Retriable("not connected to RabbitMQ")
        return self._connection

    @property
    def _open_channel(self) -> BlockingChannel:
        if self._channel is None:
            raise Retriable("not connected to RabbitMQ")
        return self._channel

    def _ready(self, queue: str) -> int:
        """Messages that wait for a consumer."""
        return int(self._open_channel.queue_declare(queue, passive=True).method.message_count)

    def _share(self, queues: int) -> int:
        """Prefetch of each queue: RabbitMQ counts it per consumer, quorum queues know no other way."""
        return max(1, min(self._prefetch, MESSAGES_IN_HAND // max(1, queues)))

    def _receiver(self, queue: str) -> Any:
        session = self.session

        def receive(
            _: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes
        ) -> None:
            self._withheld.discard(queue)
            self._arrived.append(Delivery(queue, session, method.delivery_tag or 0, properties, body))

        return receive

    def _on_cancel(self, method: Any) -> None:
        tag = method.method.consumer_tag
        self._cancelled = next((queue for queue, own in self._consumers.items() if own == tag), tag)
