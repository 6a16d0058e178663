"""Where a message goes that was not done: to the error consumer, into a delay, or to parking."""

from __future__ import annotations

import copy
from typing import Any, Final

import pika
import structlog

from consumers.delivery import Delivery, Forward, Reject
from headgate import topology
from headgate.failures import Delay, Failure, failed, original_headers
from headgate.publisher import Publisher

log = structlog.get_logger("consumers.handover")

PERSISTENT: Final = 2
# All headers must fit into one AMQP frame, of 128 KiB by default. Where they would not, the stack is left
# out; then the sender's own go, as a message of ours has a few kilobytes.
HEADER_ROOM: Final = 120_000


class Handover:
    """Publishes with confirms: a message leaves its queue only when it has arrived where it goes.

    Its properties, its own headers and its body stay as they are. ``Retriable``: not handed over.
    """

    def __init__(self, publisher: Publisher, consumer: str) -> None:
        self._publisher = publisher
        self._consumer = consumer

    def reject(self, delivery: Delivery, outcome: Reject) -> None:
        """To the error consumer, with what is known of the failure."""
        failure = failed(
            delivery.properties.headers,
            outcome.cause,
            outcome.reason,
            queue=delivery.queue,
            consumer=self._consumer,
            trace=outcome.trace,
        )
        properties = _copied(delivery, failure)
        self._publisher.fail(topology.dataset_of(delivery.queue), properties, delivery.body)
        log.warning("message failed", message_id=delivery.message_id, **_told(failure))

    def forward(self, delivery: Delivery, outcome: Forward) -> None:
        """Back to its queue after a delay, or to parking."""
        failure = outcome.failure
        dataset = topology.dataset_of(failure.queue)
        properties, told = _copied(delivery, failure), _told(failure)
        if isinstance(outcome.to, Delay):
            self._publisher.delay(outcome.to.seconds, dataset, properties, delivery.body)
            log.warning("message delayed", message_id=delivery.message_id, seconds=outcome.to.seconds, **told)
        else:
            self._publisher.park(dataset, properties, delivery.body)
            log.error("message parked", message_id=delivery.message_id, **told)

    def close(self) -> None:
        """Hang up."""
        self._publisher.close()


def _copied(delivery: Delivery, failure: Failure) -> pika.BasicProperties:
    """The message's own properties and headers, and those of its failure.

    ``expiration`` would let it vanish, and RabbitMQ takes a ``user_id`` from its own user only.
    """
    properties = copy.copy(delivery.properties)
    properties.delivery_mode = PERSISTENT
    properties.expiration = properties.user_id = None
    own, brief = original_headers(properties.headers), failure.known_as(failure.error_id).headers()
    for headers in (own | failure.headers(), own | brief, brief):
        properties.headers = headers
        if sum(map(len, properties.encode())) <= HEADER_ROOM:
            break
    return properties


def _told(failure: Failure) -> dict[str, Any]:
    """What a log line says of a failure."""
    return {
        "cause": str(failure.cause),
        "reason": failure.reason,
        "queue": failure.queue,
        "attempts": failure.attempts,
    }
