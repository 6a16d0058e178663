"""Batches that were sent and have no receipt: what the broker lost or damaged is sent from staging again.

Those of a live stream, which have nothing in the bucket, from the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from headgate import message, topology
from headgate.db import query, records, transaction
from headgate.errors import DataError, Fatal
from headgate.ledger import BatchRef, live
from headgate.replay.desk import PAGE, Decision, Desk, Done, Order, Progress, Tally, in_pages, too_often
from headgate.replay.message import WaitingMessage
from headgate.replay.where import Where

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.message import RowBatch

MakeMessage = Callable[[BatchRef, tuple[str, ...]], "RowBatch"]  # of a batch, with these columns

NO_RECEIPT = "no receipt"  # stands where other messages have their cause


@dataclass(frozen=True)
class LostBatch(BatchRef):
    """A batch without a receipt; ``columns`` of its message, ``replays`` of it so far."""

    columns: list[str]
    replays: int


def lost_batches(conn: Connection, where: Where) -> Iterator[LostBatch]:
    """The matching batches, read in pages; no transaction is open between two of them."""
    of_errors = bool(where.cause or where.failure_class or where.error or where.since or where.reason)
    values = where.known(conn).parameters() | {"of_errors": of_errors, "page": 10 * PAGE}
    after = (0, -1)
    while True:
        with transaction(conn) as cursor:
            cursor.execute(query("batch_lost"), values | {"after_chunk": after[0], "after_batch": after[1]})
            found = records(cursor, LostBatch)
        yield from found
        if not found:
            return
        after = (found[-1].chunk_id, found[-1].batch)


def replay_lost(desk: Desk, make: MakeMessage, order: Order, progress: Progress) -> Tally:
    """Send them again, by the rules of ``Desk.replay``. ``make`` reads the bytes from the staging bucket."""
    tally = Tally()
    in_pages(_sent(desk, make, order, tally, progress), partial(desk.record, order))
    return tally


def _sent(desk: Desk, make: MakeMessage, order: Order, tally: Tally, progress: Progress) -> Iterator[Done]:
    queued: dict[str, int] = {}
    for batch in lost_batches(desk.conn, order.where):
        progress(tally.looked_at)
        if batch.dataset not in queued:
            queued[batch.dataset] = desk.queued(batch.dataset)
        waiting = _waiting(batch)
        decision = _decide(waiting, queued[batch.dataset], order)
        if decision.action and not order.dry_run:
            decision = _send(desk, make, batch, waiting)
            if decision.action:
                yield Done(waiting, "replayed")
        tally.add(waiting, decision)


def _decide(waiting: WaitingMessage, queued: int, order: Order) -> Decision:
    if queued and not order.force:
        return Decision(
            None, f"{queued:,} messages wait in {waiting.home} and are not lost; --force sends all the same"
        )
    return too_often(waiting, order) or Decision("replayed")


def _send(desk: Desk, make: MakeMessage, batch: LostBatch, waiting: WaitingMessage) -> Decision:
    """``left`` says it when the staged bytes are gone or damaged."""
    try:
        columns, body = tuple(batch.columns), live.body_of(desk.conn, batch.message_id)
        made = make(batch, columns) if body is None else batch.message(columns, body)
    except (DataError, Fatal) as error:
        return Decision(None, f"{error} Run the object with --reload.")
    desk.resend(waiting, message.encode(made), made.body)
    return Decision("replayed")


def _waiting(batch: LostBatch) -> WaitingMessage:
    return WaitingMessage(
        message_id=str(batch.message_id),
        dataset=batch.dataset,
        home=topology.rows_queue(batch.dataset),
        run_id=batch.run_id,
        object_id=batch.object_id,
        chunk_id=batch.chunk_id,
        cause=NO_RECEIPT,
        failure_class="",
        reason="",
        error_id=None,
        failed_at=None,
        replays=batch.replays,
        size=batch.byte_length,
    )
