"""Names of exchanges and queues, and their declaration. The only place that knows them.

Everything here is accepted alike by RabbitMQ 3.10 and 4.x. A policy of the operator can add
limits (``max-length-bytes``, ``consumer-timeout``); it cannot take these guarantees away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pika.adapters.blocking_connection import BlockingChannel

ROWS_EXCHANGE: Final = "headgate.rows"
EVENTS_EXCHANGE: Final = "headgate.events"
ERRORS_EXCHANGE: Final = "headgate.errors"
PARKING_QUEUE: Final = "headgate.parking"

# RabbitMQ 4 drops or dead-letters a message after 20 deliveries unless told otherwise. An outage of
# the database may redeliver more often than that, and an outage is not bad data.
DELIVERY_LIMIT: Final = 2_000_000_000


def rows_queue(dataset: str) -> str:
    """The queue that holds a dataset's batches."""
    return f"headgate.rows.{dataset}"


def dataset_of(queue: str) -> str:
    """The dataset of a rows queue."""
    return queue.removeprefix("headgate.rows.")


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


def declare(channel: BlockingChannel, datasets: Iterable[str] = ()) -> None:
    """Declares all exchanges, parking and the queues of ``datasets``; repeating it changes nothing."""
    channel.exchange_declare(ROWS_EXCHANGE, "direct", durable=True)
    channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
    channel.exchange_declare(ERRORS_EXCHANGE, "topic", durable=True)
    channel.queue_declare(PARKING_QUEUE, durable=True, arguments=parking_arguments())
    channel.queue_bind(PARKING_QUEUE, ERRORS_EXCHANGE, routing_key="parking.#")
    for dataset in datasets:
        declare_rows(channel, dataset)


def declare_rows(channel: BlockingChannel, dataset: str) -> None:
    """Declares the queue of one dataset."""
    queue = rows_queue(dataset)
    channel.queue_declare(queue, durable=True, arguments=rows_arguments(dataset))
    channel.queue_bind(queue, ROWS_EXCHANGE, routing_key=dataset)
