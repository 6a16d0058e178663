"""stream: staged bytes to RabbitMQ, with confirms. Sending twice is harmless: the ids are the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from headgate import ledger
from headgate.ledger import BatchRef
from headgate.settings import MIB
from headgate.steps import staging
from headgate.steps.lanes import Share
from headgate.steps.services import PATIENCE, Services

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.message import RowBatch
    from headgate.publisher import Publisher

Columns = Mapping[int, tuple[str, ...]]  # by object
# What is on the wire at a time, and read ahead meanwhile: compressed bytes, but one message at least.
WINDOW_BYTES = 8 * MIB
WINDOW_MESSAGES = 100
log = structlog.get_logger("headgate.steps.stream")


def stream(services: Services, share: Share) -> int:
    """Publish all batches of the lane that are not confirmed yet; how many were sent.

    Batches go in windows, which are marked when the broker has confirmed all of their messages: what is not
    marked when the task dies is sent again and dropped at the receipt.
    """
    from headgate.publisher import Publisher

    services.settings.require("amqp_url")
    with Publisher(services.amqp_url, name="headgate stream", deadline=PATIENCE) as publisher:
        return services.ledger(_send_all, services, publisher, share)


def _send_all(conn: Connection, services: Services, publisher: Publisher, share: Share) -> int:
    sent = 0
    columns = _columns(conn, share.run_id)
    batches = ledger.batches_to_stream(conn, share.run_id, share.lane, share.lanes)
    for messages in _read_ahead(services, _windows(batches), columns):
        publisher.publish(*messages)
        ledger.mark_streamed(conn, [message.message_id for message in messages])
        sent += len(messages)
        log.info("streamed", run_id=share.run_id, lane=share.lane, messages=len(messages), sent=sent)
    return sent


def _columns(conn: Connection, run_id: int) -> Columns:
    """Columns of the messages of each published object, as validation staged them."""
    objects = ledger.objects_of_run(conn, run_id, ["published"])
    return {found.object_id: tuple(found.inspection["staged_columns"]) for found in objects}


def _windows(batches: Iterable[BatchRef]) -> Iterator[list[BatchRef]]:
    window: list[BatchRef] = []
    size = 0
    for batch in batches:
        if window and (size + batch.byte_length > WINDOW_BYTES or len(window) == WINDOW_MESSAGES):
            yield window
            window, size = [], 0
        window.append(batch)
        size += batch.byte_length
    if window:
        yield window


def _read_ahead(
    services: Services, windows: Iterable[list[BatchRef]], columns: Columns
) -> Iterator[list[RowBatch]]:
    """The messages of each window; while they are on the wire the next one's are read from the store."""

    def read(window: list[BatchRef]) -> list[RowBatch]:
        return [message_of(services, batch, columns[batch.object_id]) for batch in window]

    ahead: Future[list[RowBatch]] | None = None
    with ThreadPoolExecutor(1, "reader") as reader:
        for window in windows:
            ahead, last = reader.submit(read, window), ahead
            if last is not None:
                yield last.result()
        if ahead is not None:
            yield ahead.result()


def message_of(services: Services, batch: BatchRef, columns: tuple[str, ...]) -> RowBatch:
    """The message of a batch, its bytes from the staging bucket. ``Fatal``: they are not what was staged."""
    key = staging.batches_key(batch.dataset, batch.object_id, batch.chunk, batch.staged)
    body = services.store.read_range(services.staging, key, batch.byte_offset, batch.byte_length)
    staging.verify(body, batch.sha256, key)
    return batch.message(columns, body)
