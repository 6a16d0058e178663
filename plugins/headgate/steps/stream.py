"""stream: staged bytes to RabbitMQ, with confirms. Sending twice is harmless: the ids are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

import structlog

from headgate import ledger
from headgate.ledger import BatchRef
from headgate.message import RowBatch, traceparent
from headgate.steps import staging
from headgate.steps.lanes import Share
from headgate.steps.services import PATIENCE, Services

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.publisher import Publisher

Columns = Mapping[int, tuple[str, ...]]  # by object
log = structlog.get_logger("headgate.steps.stream")


def stream(services: Services, share: Share) -> int:
    """Publish all batches of the lane that are not confirmed yet; how many were sent.

    A chunk's batches are marked when the broker has confirmed them all: what is not marked when the
    task dies is sent again and dropped at the receipt.
    """
    from headgate.publisher import Publisher

    services.settings.require("amqp_url")
    with Publisher(services.amqp_url, name="headgate stream", deadline=PATIENCE) as publisher:
        return services.ledger(_send_all, services, publisher, share)


def _send_all(conn: Connection, services: Services, publisher: Publisher, share: Share) -> int:
    sent = 0
    columns = _columns(conn, share.run_id)
    batches = ledger.batches_to_stream(conn, share.run_id, share.lane, share.lanes)
    for chunk_id, group in groupby(batches, key=lambda batch: batch.chunk_id):
        done = [batch.message_id for batch in _send(services, publisher, group, columns)]
        ledger.mark_streamed(conn, done)
        sent += len(done)
        log.info("streamed", run_id=share.run_id, lane=share.lane, chunk_id=chunk_id, batches=len(done))
    return sent


def _columns(conn: Connection, run_id: int) -> Columns:
    """Columns of the messages of each published object, as validation staged them."""
    objects = ledger.objects_of_run(conn, run_id, ["published"])
    return {found.object_id: tuple(found.inspection["staged_columns"]) for found in objects}


def _send(
    services: Services, publisher: Publisher, batches: Iterator[BatchRef], columns: Columns
) -> Iterator[BatchRef]:
    for batch in batches:
        publisher.publish(message_of(services, batch, columns[batch.object_id]))
        yield batch


def message_of(services: Services, batch: BatchRef, columns: tuple[str, ...]) -> RowBatch:
    """The message of a batch, its bytes from the staging bucket. ``Fatal``: they are not what was staged."""
    key = staging.batches_key(batch.dataset, batch.object_id, batch.chunk, batch.staged)
    body = services.store.read_range(services.staging, key, batch.byte_offset, batch.byte_length)
    return RowBatch(
        dataset=batch.dataset,
        contract_version=batch.contract_version,
        object_id=batch.object_id,
        object_version=batch.object_version,
        lineage=batch.lineage,
        chunk_id=batch.chunk_id,
        chunk=batch.chunk,
        batch=batch.batch,
        rows=batch.rows,
        columns=columns,
        sha256=staging.verified(body, batch.sha256, key),
        run_id=batch.run_id,
        traceparent=traceparent(batch.run_id, batch.object_id),
        body=body,
    )
