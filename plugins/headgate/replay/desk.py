"""Where a person deals with failed messages: sends them again, or takes them away for good.

Order and recovery: a message is published to its queue and confirmed, then its line of the audit commits,
then it is acknowledged where it lay. A crash in between leaves it there, too; what is sent twice is applied
once.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import pika
from psycopg2.extras import execute_values

from headgate import amqp, topology
from headgate.db import connect, one, query, records, transaction
from headgate.errors import HeadgateError, Retriable
from headgate.failures import HEADER, original_headers
from headgate.publisher import Publisher
from headgate.replay.errors import OPEN
from headgate.replay.message import WaitingMessage
from headgate.replay.queues import depths, give_back, held_one_by_one
from headgate.replay.where import Where

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
    from psycopg2.extensions import connection as Connection

    from headgate.settings import Settings

Source = Literal["parking", "errors", "staging"]
Action = Literal["replayed", "applied", "dismissed"]
Progress = Callable[[int], None]  # takes how many messages were looked at

REPLAYS = 3  # of one message; more need ``force``
# Messages whose audit is one transaction. Half of what the broker passes to a quorum queue without waiting
# (rabbit.quorum_commands_soft_limit, 32): acknowledgements beyond that are lost when we hang up too soon.
PAGE = 16
PATIENCE = 30.0  # seconds to wait for the broker's confirm of one message


@dataclass(frozen=True)
class Order:
    """What a person asks for: with which messages, in whose name; ``force``: past the guards."""

    where: Where
    by: str
    source: Source = "parking"
    force: bool = False
    note: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Decision:
    """What becomes of a message; without an action it stays where it is, for the reason ``left``."""

    action: Action | None
    left: str = ""


@dataclass
class Tally:
    """How many messages of which dataset and cause met which decision.

    ``others`` were not asked for; ``errors`` are the ids of those that were, as far as they have one;
    ``closed`` counts dismissed errors that have no message.
    """

    decisions: Counter[tuple[str, str, Decision]] = field(default_factory=Counter)
    others: int = 0
    errors: set[int] = field(default_factory=set)
    closed: int = 0

    def add(self, failed: WaitingMessage, decision: Decision) -> None:
        """One message more."""
        self.decisions[failed.dataset, failed.cause, decision] += 1
        if failed.error_id is not None:
            self.errors.add(failed.error_id)

    def count(self, action: Action | None) -> int:
        """Messages by what became of them; ``None``: left where they are."""
        return sum(number for (_, _, told), number in self.decisions.items() if told.action == action)

    @property
    def does_something(self) -> bool:
        """Whether anything changes by it."""
        return bool(self.closed) or any(told.action for _, _, told in self.decisions)

    @property
    def looked_at(self) -> int:
        """All of them."""
        return sum(self.decisions.values()) + self.others


@dataclass(frozen=True)
class Done:
    """A message that was dealt with; ``tag`` is of its delivery, where it came from a queue."""

    failed: WaitingMessage
    action: Action
    tag: int = 0


@dataclass(frozen=True)
class Standing:
    """What the ledger says of a message: its rows are applied, or the books wait for them."""

    applied: bool
    awaited: bool


Decide = Callable[[WaitingMessage, Order], Decision]


class Desk:
    """A connection to Postgres, which keeps other desks closed, and two to the broker. Not thread-safe."""

    def __init__(self, conn: Connection, channel: BlockingChannel, publisher: Publisher) -> None:
        self.conn = conn
        self.channel = channel
        self._publisher = publisher
        with transaction(conn) as cursor:
            cursor.execute(query("replay_lock"))
            if not one(cursor)[0]:
                raise Retriable(
                    "somebody else replays or dismisses messages just now; try again when that has ended"
                )
            cursor.execute(query("consumer_datasets"))
            self._datasets = {dataset for (dataset,) in cursor}

    def waiting(self, source: Source, delays: Sequence[float] = ()) -> dict[str, int]:
        """The queues of a source, and how many messages lie in each.

        ``delays``: seconds before retries. Those of messages that fell into other delays, before the setting
        was changed or by consumers that have another, are looked at too.
        """
        if source != "errors":
            return depths(self.channel, [topology.PARKING_QUEUE])
        every = sorted({*delays, *self._delays_of_errors()})
        for seconds in every:
            topology.declare_retry(self.channel, seconds)
        return depths(self.channel, [topology.retry_queue(seconds) for seconds in every])

    def _delays_of_errors(self) -> list[float]:
        with transaction(self.conn) as cursor:
            cursor.execute(query("error_delays"))
            return [seconds for (seconds,) in cursor]

    def queued(self, dataset: str) -> int:
        """Messages that wait in the dataset's own queue."""
        topology.declare_rows(self.channel, dataset)
        return depths(self.channel, [topology.rows_queue(dataset)])[topology.rows_queue(dataset)]

    def replay(self, waiting: Mapping[str, int], order: Order, progress: Progress) -> Tally:
        """Send those of the first so many messages of each queue again that the order means."""
        return self._go_through(waiting, order, self._replayable, progress)

    def dismiss(self, waiting: Mapping[str, int], order: Order, progress: Progress) -> Tally:
        """Take those away for good, close errors without a message; the audit keeps who did it and why."""
        tally = self._go_through(waiting, order, self._dismissable, progress)
        tally.closed = self._close_errors(order, tally.errors)
        return tally

    def resend(self, failed: WaitingMessage, properties: pika.BasicProperties, body: bytes) -> None:
        """To its dataset's queue as its sender sent it, with one replay more."""
        fresh = copy.copy(properties)
        fresh.headers = original_headers(properties.headers) | {f"{HEADER}replays": failed.replays + 1}
        fresh.user_id = None  # of the sender's login; the broker takes it from no other
        self._publisher.resend(failed.dataset, fresh, body)

    def record(self, order: Order, done: Sequence[Done]) -> None:
        """The audit, and what the errors say of these messages from now on."""
        about = (order.source, order.where.text, order.force, order.note, order.by)
        lines = [
            (found.message_id, found.error_id, found.dataset, found.replays, line.action, *about)
            for line in done
            for found in (line.failed,)
        ]
        with transaction(self.conn) as cursor:
            execute_values(cursor, query("message_replay_insert"), lines, page_size=PAGE)

    def _close_errors(self, order: Order, met: set[int]) -> int:
        """Close the open errors that the order means, but for those whose messages were met; how many."""
        values = order.where.known(self.conn).parameters() | {
            "states": list(OPEN),
            "met": list(met),
            "dry_run": order.dry_run,
            "filter": order.where.text,
            "force": order.force,
            "note": order.note,
            "by": order.by,
        }
        with transaction(self.conn) as cursor:
            cursor.execute(query("error_dismiss"), values)
            return int(one(cursor)[0])

    def _go_through(
        self, waiting: Mapping[str, int], order: Order, decide: Decide, progress: Progress
    ) -> Tally:
        tally = Tally()
        order = replace(order, where=order.where.known(self.conn))
        for queue, count in waiting.items():
            handled = self._handled(queue, count, order, decide, tally, progress)
            in_pages(handled, partial(self._settle, order))
            give_back(self.channel)
        return tally

    def _settle(self, order: Order, page: Sequence[Done]) -> None:
        self.record(order, page)
        for line in page:
            self.channel.basic_ack(line.tag)

    def _handled(
        self, queue: str, count: int, order: Order, decide: Decide, tally: Tally, progress: Progress
    ) -> Iterator[Done]:
        for held in held_one_by_one(self.channel, queue, count):
            progress(tally.looked_at)
            if not order.where.holds(held.failed):
                tally.others += 1
                continue
            decision = decide(held.failed, order)
            tally.add(held.failed, decision)
            if decision.action is None or order.dry_run:
                continue
            if decision.action == "replayed":
                self.resend(held.failed, held.properties, held.body)
            yield Done(held.failed, decision.action, held.tag)

    def _replayable(self, failed: WaitingMessage, order: Order) -> Decision:
        if self._standing(failed).applied:
            return Decision("applied")
        if failed.home is None:
            return Decision(None, "it came from no queue of rows; `headgate errors dismiss` takes it away")
        if failed.dataset not in self._datasets:
            return Decision(None, f"no contract of {failed.dataset} is applied (`headgate contract apply`)")
        return too_often(failed, order) or Decision("replayed")

    def _dismissable(self, failed: WaitingMessage, order: Order) -> Decision:
        if self._standing(failed).awaited and not order.force:
            return Decision(None, "the books wait for its rows; --force leaves them missing")
        return Decision("dismissed")

    def _standing(self, failed: WaitingMessage) -> Standing:
        try:
            message_id = UUID(failed.message_id)
        except ValueError:  # not one of ours
            return Standing(applied=False, awaited=False)
        with transaction(self.conn) as cursor:
            cursor.execute(query("message_standing"), {"message_id": message_id})
            return records(cursor, Standing)[0]


def in_pages(lines: Iterator[Done], settle: Callable[[Sequence[Done]], None]) -> None:
    """Settle as many at once as a page holds; what was done before an error or an interruption, too."""
    page: list[Done] = []
    try:
        for line in lines:
            page.append(line)
            if len(page) == PAGE:
                full, page = page, []
                settle(full)
    finally:
        if page:
            settle(page)


def too_often(failed: WaitingMessage, order: Order) -> Decision | None:
    """The loop guard."""
    if failed.replays < REPLAYS or order.force:
        return None
    return Decision(None, f"it was replayed {failed.replays} times already; --force does it once more")


@contextmanager
def opened_desk(settings: Settings) -> Iterator[Desk]:
    """A desk with the servers that the settings name. ``Retriable``: one is away, or another desk is open."""
    amqp_url = settings.require("amqp_url")
    with ExitStack() as stack:
        conn = stack.enter_context(
            closing(connect(settings.require("database_url"), application_name="headgate-replay"))
        )
        stack.callback(_leave, conn)
        publisher = stack.enter_context(Publisher(amqp_url, name="headgate replay", deadline=PATIENCE))
        stack.enter_context(amqp.translated(amqp.where(amqp_url)))
        connection = amqp.connect(amqp_url, "headgate replay (reading)")
        stack.callback(_hang_up, connection)
        channel = connection.channel()
        topology.declare(channel)
        yield Desk(conn, channel, publisher)


def _leave(conn: Connection) -> None:
    """Let the next one in: the server notices only later that we have hung up."""
    with suppress(HeadgateError), transaction(conn) as cursor:
        cursor.execute(query("replay_unlock"))


def _hang_up(connection: BlockingConnection) -> None:
    if connection.is_open:
        connection.close()
