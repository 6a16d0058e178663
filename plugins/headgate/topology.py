"""Names of exchanges and queues, and their declaration. The only place that knows them.

Everything here is accepted alike by RabbitMQ 3.10 and 4.x. A policy of the operator can add
limits (``max-length-bytes``, ``consumer-timeout``); it cannot take these guarantees away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

from pika.adapters.blocking_connection import BlockingChannel

ROWS_EXCHANGE: Final = "headgate.rows"
EVENTS_EXCHANGE: Final = "headgate.events"
ERRORS_EXCHANGE: Final = "headgate.errors"
ARRIVALS_EXCHANGE: Final = "headgate.arrivals"  # to which an object store announces what was put into it
ERRORS_QUEUE: Final = "headgate.errors"
PARKING_QUEUE: Final = "headgate.parking"
NOTIFICATIONS_QUEUE: Final = "headgate.notifications"
_ROWS_QUEUES: Final = "headgate.rows."
_A_ROWS_QUEUE: Final = re.compile(r"headgate\.rows\.[a-z_][a-z0-9_]{0,62}")
_RETRY_QUEUES: Final = "headgate.retry."
# What is not a dataset's stands under this word, which no dataset may have as its name.
SYSTEM: Final = "system"

# RabbitMQ 4 drops or dead-letters a message after 20 deliveries unless told otherwise. An outage of
# the database may redeliver more often than that, and an outage is not bad data.
DELIVERY_LIMIT: Final = 2_000_000_000


def rows_queue(dataset: str) -> str:
    """The queue that holds a dataset's batches."""
    return _ROWS_QUEUES + dataset


def is_rows_queue(queue: str) -> bool:
    """Whether a queue holds batches of a dataset; a message may name any queue as its own."""
    return _A_ROWS_QUEUE.fullmatch(queue) is not None


def dataset_of(queue: str) -> str:
    """The dataset of a rows queue; ``system`` of any other."""
    return queue.removeprefix(_ROWS_QUEUES) if is_rows_queue(queue) else SYSTEM


def is_retry_queue(queue: str) -> bool:
    """Whether messages wait there for their next try."""
    return queue.startswith(_RETRY_QUEUES)


def retry_queue(seconds: float) -> str:
    """The queue, and its exchange, in which a message waits so long: for example ``headgate.retry.5m``."""
    milliseconds = round(seconds * 1000)
    units = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    unit = next(unit for unit, length in units.items() if milliseconds % length == 0)
    return f"{_RETRY_QUEUES}{milliseconds // units[unit]}{unit}"


def error_key(dataset: str) -> str:
    """Routing key of a failure that the error consumer is to judge."""
    return f"error.{dataset}"


def parking_key(dataset: str) -> str:
    """Routing key of a message that nothing can be done with until a person has looked."""
    return f"parking.{dataset}"


def event_key(dataset: str, kind: str) -> str:
    """Routing key of an event: ``headgate.<dataset>.<type>``, for example ``headgate.plants.object.held``."""
    return f"headgate.{dataset}.{kind}"


def rows_arguments(dataset: str) -> dict[str, Any]:
    """Arguments of a dataset's queue.

    A full queue refuses new messages (and the publisher waits) instead of dropping old ones; what the broker
    itself dead-letters goes to parking, and leaves this queue only when it has arrived there.
    """
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": ERRORS_EXCHANGE,
        "x-dead-letter-routing-key": parking_key(dataset),
        "x-dead-letter-strategy": "at-least-once",
    }


def parking_arguments() -> dict[str, Any]:
    """Arguments of the parking queue: nothing leaves it but by a person's hand."""
    return {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT, "x-overflow": "reject-publish"}


def errors_arguments() -> dict[str, Any]:
    """Arguments of the queue of failures."""
    return parking_arguments()


def retry_arguments(seconds: float) -> dict[str, Any]:
    """Arguments of a delay: after its time a message goes back by its own routing key, which is its dataset.

    It leaves this queue only when it has arrived there.
    """
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-overflow": "reject-publish",
        "x-message-ttl": round(seconds * 1000),
        "x-dead-letter-exchange": ROWS_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
    }


def declare(channel: BlockingChannel, datasets: Iterable[str] = ()) -> None:
    """Declares exchanges, errors, parking and the queues of ``datasets``; repeating it changes nothing."""
    channel.exchange_declare(ROWS_EXCHANGE, "direct", durable=True)
    channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
    channel.exchange_declare(ERRORS_EXCHANGE, "topic", durable=True)
    channel.queue_declare(ERRORS_QUEUE, durable=True, arguments=errors_arguments())
    channel.queue_bind(ERRORS_QUEUE, ERRORS_EXCHANGE, routing_key="error.#")
    channel.queue_declare(PARKING_QUEUE, durable=True, arguments=parking_arguments())
    channel.queue_bind(PARKING_QUEUE, ERRORS_EXCHANGE, routing_key="parking.#")
    for dataset in datasets:
        declare_rows(channel, dataset)


def declare_rows(channel: BlockingChannel, dataset: str) -> None:
    """Declares the queue of one dataset."""
    queue = rows_queue(dataset)
    channel.queue_declare(queue, durable=True, arguments=rows_arguments(dataset))
    channel.queue_bind(queue, ROWS_EXCHANGE, routing_key=dataset)


def declare_notifications(channel: BlockingChannel) -> None:
    """Declares the queue of all events, those that others publish included. Only who reads it should."""
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
    channel.queue_declare(NOTIFICATIONS_QUEUE, durable=True, arguments=arguments)
    channel.queue_bind(NOTIFICATIONS_QUEUE, EVENTS_EXCHANGE, routing_key="#")


def declare_arrivals(channel: BlockingChannel) -> str:
    """Declares what an object store announces new objects to, and a queue for this connection; its name.

    The store declares the exchange in the same way. A listener that falls far behind loses the oldest.
    """
    channel.exchange_declare(ARRIVALS_EXCHANGE, "fanout", durable=True)
    queue = f"{ARRIVALS_EXCHANGE}.{uuid4().hex}"  # a user may be confined to names that begin with headgate
    channel.queue_declare(queue, exclusive=True, arguments={"x-max-length": 10_000})
    channel.queue_bind(queue, ARRIVALS_EXCHANGE)
    return queue


def declare_retry(channel: BlockingChannel, seconds: float) -> None:
    """Declares the exchange and the queue of one delay."""
    name = retry_queue(seconds)
    channel.exchange_declare(name, "fanout", durable=True)
    channel.queue_declare(name, durable=True, arguments=retry_arguments(seconds))
    channel.queue_bind(name, name)
