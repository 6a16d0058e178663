"""Where a message goes that nothing can be done with: the parking queue, and a word to people."""

from __future__ import annotations

import copy

import structlog

from consumers.delivery import Delivery
from headgate.events import Event
from headgate.publisher import Publisher

log = structlog.get_logger("consumers.parking")

REASON_HEADER = "x-headgate-reason"
QUEUE_HEADER = "x-headgate-queue"


class Parking:
    """Publishes with confirms: a message leaves its queue only when it has arrived in parking."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def park(self, delivery: Delivery, topic: str, reason: str) -> None:
        """Copies the message with all its properties, the reason and its queue. ``Retriable``: not parked."""
        properties = copy.copy(delivery.properties)
        properties.headers = dict(properties.headers or {}) | {
            REASON_HEADER: reason,
            QUEUE_HEADER: delivery.queue,
        }
        properties.delivery_mode = 2
        self._publisher.park(topic, properties, delivery.body)
        log.error("message parked", message_id=delivery.message_id, queue=delivery.queue, reason=reason)
        self._publisher.emit(
            Event(
                "message.parked",
                topic,
                delivery.message_id,
                {
                    "message_id": delivery.message_id,
                    "cause": "undecodable",
                    "reason": reason,
                    "queue": delivery.queue,
                },
            )
        )

    def close(self) -> None:
        """Hang up."""
        self._publisher.close()
