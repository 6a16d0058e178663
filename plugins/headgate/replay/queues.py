"""Going through a queue once, without taking anything away that is not acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pika
from pika.adapters.blocking_connection import BlockingChannel

from headgate.replay.message import WaitingMessage


@dataclass(frozen=True)
class Held:
    """A message in hand: until it is acknowledged it still lies in its queue, and nobody else is given it."""

    tag: int
    failed: WaitingMessage
    properties: pika.BasicProperties = field(repr=False)
    body: bytes = field(repr=False)


def depths(channel: BlockingChannel, queues: Iterable[str]) -> dict[str, int]:
    """Messages in each of these queues that nobody has in hand."""
    return {queue: int(channel.queue_declare(queue, passive=True).method.message_count) for queue in queues}


def held_one_by_one(channel: BlockingChannel, queue: str, count: int) -> Iterator[Held]:
    """The first ``count`` messages, or as many as there are; one body is in memory at a time.

    What is not acknowledged stays in hand until ``give_back``, so that nothing is met twice.
    """
    for _ in range(count):
        method, properties, body = channel.basic_get(queue)
        if method is None or properties is None or body is None:
            return
        failed = WaitingMessage.of(method.routing_key or "", properties, body)
        yield Held(method.delivery_tag or 0, failed, properties, body)


def give_back(channel: BlockingChannel) -> None:
    """All that is in hand lies in its queue again; in any order, which none of Headgate's messages needs."""
    channel.basic_nack(delivery_tag=0, multiple=True, requeue=True)
