"""What the watch sees: the ledger's standings and the broker's queues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pika.exceptions
from pika.adapters.blocking_connection import BlockingConnection

from headgate import amqp, topology
from headgate.db import query, records
from headgate.settings import Url, url_of

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

NOT_FOUND = 404
SYSTEM_QUEUES = (topology.ERRORS_QUEUE, topology.NOTIFICATIONS_QUEUE)


@dataclass(frozen=True)
class Standing:
    """A dataset by the ledger; ages in seconds, see ``sql/queries/watch_datasets.sql``."""

    dataset: str
    version: int  # of its contract
    fresh_at: datetime | None
    fresh_age: float
    asked: bool  # its API source, ever
    waiting_since: datetime | None
    waiting_age: float | None
    received: int  # receipts of what is published and not loaded
    pending: int  # messages sent and without receipt
    oldest_age: float | None


@dataclass(frozen=True)
class Depth:
    """A queue as the broker has it; a queue that is not there is empty."""

    queue: str
    messages: int
    consumers: int


@dataclass(frozen=True)
class Sight:
    """All of it at one time."""

    standings: list[Standing]
    depths: Mapping[str, Depth]
    parked: Mapping[str, int]  # messages by dataset


def look(cursor: Cursor, amqp_url: Url) -> Sight:
    """See. ``Retriable`` when a server is away: then nothing can be said."""
    cursor.execute(query("watch_datasets"))
    standings = records(cursor, Standing)
    cursor.execute(query("watch_parked"))
    parked = dict(cursor.fetchall())
    queues = [topology.rows_queue(standing.dataset) for standing in standings]
    queues += [*SYSTEM_QUEUES, topology.PARKING_QUEUE]
    return Sight(standings, depths(url_of(amqp_url), queues), parked)


def depths(url: str, queues: Iterable[str]) -> dict[str, Depth]:
    """These queues, by name."""
    connection = amqp.connect(url, "headgate watch")
    with amqp.translated(amqp.where(url)):
        try:
            return {queue: _depth(connection, queue) for queue in queues}
        finally:
            connection.close()


def _depth(connection: BlockingConnection, queue: str) -> Depth:
    channel = connection.channel()
    try:
        method = channel.queue_declare(queue, passive=True).method
        channel.close()
        return Depth(queue, method.message_count, method.consumer_count)
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != NOT_FOUND:
            raise
        return Depth(queue, 0, 0)
