"""Follows the stream: gathers lines, books them by minute, sends their rows.

All that must be remembered is in Postgres. Whatever goes wrong, what is in memory is dropped and everything
starts again from there: the lock, the messages that wait for the broker, the stream from where it was read
to. So nothing is read while Postgres or RabbitMQ is away.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

from consumers.signals import calls_on_stop
from consumers.stream.feed import Block, StreamEnded
from consumers.stream.framing import Framing
from consumers.stream.gathering import Gathering, Limits, minute_of
from consumers.stream.rows import Layout, booking_of, layout_of
from headgate import db, events
from headgate.contract import Contract
from headgate.contract.registry import registered
from headgate.errors import Fatal, HeadgateError, Retriable
from headgate.events import Event
from headgate.ledger import live, mark_streamed
from headgate.ledger.live import Minute
from headgate.sources.model import Unavailable

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.publisher import Publisher

log = structlog.get_logger("consumers.stream")

EXIT_STOPPED, EXIT_FATAL = 0, 3
HELD = timedelta(hours=24)  # that the provider keeps what it received
TICK = 0.2  # seconds that a stop or a batch that is due may wait
SETTLE = 2.0  # seconds between two looks for minutes that are over
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds; the flow is to be back within 10 s of a server of ours
LONGEST_PAUSE_OF_PROVIDER = 60.0
_MINUTE = timedelta(minutes=1)


class Pieces(Protocol):
    """``consumers.stream.feed.Feed`` as it is used here."""

    def next(self, seconds: float) -> Block | None:
        """The next piece; None when none came in this time; ``StreamEnded`` when there are no more."""


@dataclass(frozen=True)
class Options:
    """How a stream is followed; times in seconds."""

    dataset: str
    framing: Callable[[], Framing]
    limits: Limits
    overlap: float = 60.0  # read again after a cut: clocks differ, and nobody promises an order
    silence: float = 300.0  # after which people are told
    since: datetime | None = None  # where to begin when nothing was ever read; else now
    until_idle: float | None = None  # stop after so long without a line
    max_record_bytes: int = 1 << 20


class Stream:
    """One process that follows one stream. ``open_source(since)`` connects to it."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[], Connection],
        publisher: Publisher,
        open_source: Callable[[datetime], AbstractContextManager[Pieces]],
        name: str,
    ) -> None:
        self._options, self._connect, self._publisher = options, connect, publisher
        self._open_source, self._name = open_source, name
        self._conn: Connection | None = None
        self._layout: Layout | None = None
        self._minute: Minute | None = None
        self._known: frozenset[str] = frozenset()  # bad lines that come again after a cut
        self._opened_at = datetime.now(UTC)
        self._next_settle = 0.0
        self._heard_at = time.monotonic()
        self._heard = False  # and people know it
        self._silence_told = False
        self._failures = 0
        self._stopping = False

    def run(self) -> int:
        """Until told to stop: the process's exit code."""
        with calls_on_stop(self.stop):
            try:
                self._serve()
                return EXIT_STOPPED
            except Exception as error:  # noqa: BLE001  a bug loses nothing either: all state is in Postgres
                self._report(error)
                return EXIT_FATAL
            finally:
                self._let_go()

    def stop(self) -> None:
        """Book what is in hand, then end; safe in a signal handler."""
        self._stopping = True

    def _serve(self) -> None:
        while not self._stopping:
            try:
                self._session()
            except Retriable as error:
                self._let_go()
                self._wait(error)

    def _session(self) -> None:
        """As long as nothing goes wrong."""
        if not self._is_ours():
            self._pause(1.0)
            return
        self._send_waiting()
        read_to, held = self._read_to(), datetime.now(UTC) - HELD
        since = max(read_to - timedelta(seconds=self._options.overlap), held)
        with self._open_source(since) as pieces:
            log.info("following", dataset=self._options.dataset, since=since.isoformat())
            self._mind_the_gap(read_to, held)
            self._known = live.rejected_since(self._ledger, self._options.dataset, since)
            self._opened_at = datetime.now(UTC)
            self._follow(pieces)

    def _is_ours(self) -> bool:
        """Whether this process is the one that follows the stream; else it stands by."""
        if self._conn is not None:
            return True
        conn = self._connect()
        if live.take_stream(conn, self._options.dataset):
            self._conn = conn
        else:
            conn.close()
            self._heard_at = time.monotonic()  # the other one tells of silence
        return self._conn is not None

    def _read_to(self) -> datetime:
        """Up to when the stream is in the ledger; a new one begins now, or where it was told to."""
        dataset = self._options.dataset
        found = live.read_to(self._ledger, dataset)
        if found is None:
            found = self._options.since or datetime.now(UTC)
            live.begin_at(self._ledger, dataset, found)
        return found

    def _mind_the_gap(self, read_to: datetime, held: datetime) -> None:
        """Tell of what the provider does not hold any more, now that it sends what it does."""
        if read_to < held:
            dataset = self._options.dataset
            log.error("a gap in the stream", dataset=dataset, start=read_to.isoformat(), end=held.isoformat())
            live.tell_gap(self._ledger, dataset, read_to, held)
            live.begin_at(self._ledger, dataset, held)

    def _follow(self, pieces: Pieces) -> None:
        framing, gathering = self._options.framing(), Gathering(self._options.limits)
        try:
            while not self._stopping:
                block = pieces.next(TICK)
                if block is not None:
                    self._gather(gathering, framing, block)
                if gathering.due():
                    self._book(gathering)
                self._follow_clock(idle=block is None and not gathering.size)
        except StreamEnded:
            self._book(gathering)
            raise
        self._book(gathering)

    def _gather(self, gathering: Gathering, framing: Framing, block: Block) -> None:
        """A minute's lines are booked together only with lines of the same minute."""
        if not gathering.is_of(block.arrived):
            self._book(gathering)
        gathering.add(framing.feed(block.data), block.arrived)

    def _book(self, gathering: Gathering) -> None:
        """Enter what was gathered into the ledger, then send its rows."""
        lines, arrived = gathering.take(), gathering.arrived
        if not lines or arrived is None:
            return
        minute = self._minute_of(arrived)
        layout = self._read_by(minute)
        booking = booking_of(lines, arrived, minute, layout, self._known)
        live.book(self._ledger, layout.contract, minute, booking)
        if booking.read_to and booking.read_to > self._opened_at:
            self._known = frozenset()  # the cut is behind us: what reads like them now is another line
        self._minute = replace(
            minute,
            records=minute.records + booking.lines,
            batches=minute.batches + (booking.batch is not None),
        )
        self._failures = 0
        self._is_heard()
        self._send_waiting()
        log.info(
            "booked",
            key=minute.key,
            accepted=booking.counts.accepted,
            rejected=booking.counts.rejected,
            size=booking.size,
            read_to=booking.read_to.isoformat() if booking.read_to else None,
        )

    def _send_waiting(self) -> None:
        """Give the broker what it may not have; what it has already falls away at its receipt."""
        messages = live.waiting_messages(self._ledger, self._options.dataset)
        if messages:
            self._publisher.publish(*messages)
            mark_streamed(self._ledger, [message.message_id for message in messages])

    def _minute_of(self, arrived: datetime) -> Minute:
        """The minute in which lines are booked: that of their arrival, but never an earlier one again."""
        start = minute_of(arrived)
        minute = self._minute or live.newest_minute(self._ledger, self._contract())
        if minute is not None and minute.start >= start and minute.state == "published":
            return minute
        if minute is not None:
            start = max(start, minute.start + _MINUTE)
        layout = self._layout = self._newest_layout()
        return live.open_minute(self._ledger, layout.contract, layout.version, start, layout.described)

    def _read_by(self, minute: Minute) -> Layout:
        """A minute is read to its end under the contract that it began with."""
        if self._layout is None or self._layout.version != minute.contract_version:
            contract, version = registered(self._ledger, self._options.dataset, minute.contract_version)
            self._layout = layout_of(contract, version, self._options.max_record_bytes)
        return self._layout

    def _newest_layout(self) -> Layout:
        contract, version = registered(self._ledger, self._options.dataset)
        if self._layout is not None and self._layout.version == version:
            return self._layout
        return layout_of(contract, version, self._options.max_record_bytes)

    def _contract(self) -> Contract:
        return (self._layout or self._newest_layout()).contract

    def _follow_clock(self, *, idle: bool) -> None:
        """What is due by time. ``idle``: nothing is in hand, so every minute before this one is over."""
        now = time.monotonic()
        self._tell_silence("nothing comes")
        self._stop_when_idle()
        if now < self._next_settle:
            return
        self._next_settle = now + SETTLE
        if idle:
            self._minute = None  # it may be over now
            self._settle(minute_of(datetime.now(UTC)))
        elif self._minute is not None:
            self._settle(self._minute.start)

    def _settle(self, before: datetime) -> None:
        loaded = live.settle(self._ledger, self._contract(), before)
        if loaded:
            log.info("minutes loaded", dataset=self._options.dataset, minutes=loaded)

    def _is_heard(self) -> None:
        self._heard_at = time.monotonic()
        if not self._heard:
            live.tell_heard(self._ledger, self._options.dataset)
            self._heard, self._silence_told = True, False

    def _tell_silence(self, reason: str) -> None:
        """Tell people once that nothing is booked, if it has been so for long."""
        silent = time.monotonic() - self._heard_at
        if silent >= self._options.silence and not self._silence_told:
            with closing(self._connect()) as conn:  # the other one may be lost
                live.tell_silence(conn, self._options.dataset, silent, reason)
            self._silence_told, self._heard = True, False

    def _wait(self, error: Retriable) -> None:
        """Later each time; not while bookings go well in between."""
        self._failures += 1
        longest = LONGEST_PAUSE_OF_PROVIDER if isinstance(error, Unavailable) else LONGEST_PAUSE
        pause = min(longest, FIRST_PAUSE * 2 ** min(self._failures, 12))
        pause = max(random.uniform(pause / 2, pause), getattr(error, "retry_after", None) or 0.0)  # noqa: S311
        log.warning("waiting", reason=str(error), seconds=round(pause, 1))
        end = time.monotonic() + pause
        while not self._stopping and (left := end - time.monotonic()) > 0:
            try:
                self._tell_silence(str(error))
            except HeadgateError as problem:
                log.warning("the event could not be recorded", reason=str(problem))
            self._pause(min(left, LONGEST_PAUSE_OF_PROVIDER))

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            time.sleep(min(TICK, seconds))
            self._stop_when_idle()

    def _stop_when_idle(self) -> None:
        limit = self._options.until_idle
        if limit is not None and time.monotonic() - self._heard_at >= limit:
            self.stop()

    @property
    def _ledger(self) -> Connection:
        if self._conn is None:
            raise Retriable("not connected to Postgres")
        return self._conn

    def _let_go(self) -> None:
        """Forget all that is in memory only, the lock with the connection."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
        self._publisher.close()
        self._minute = self._layout = None

    def _report(self, error: Exception) -> None:
        problem = error if isinstance(error, HeadgateError) else Fatal(f"{type(error).__name__}: {error}")
        log.critical("the stream is not followed any more", reason=str(problem), exc_info=error)
        self._let_go()
        told = {"role": "ais-stream", "consumer": self._name, "reason": str(problem)}
        try:
            with closing(self._connect()) as conn, db.transaction(conn) as cursor:
                events.record(cursor, Event("consumer.stopped", events.SYSTEM, self._name, told))
        except HeadgateError as other:
            log.warning("the event could not be recorded", reason=str(other))
