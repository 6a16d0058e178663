"""Runs a handler: connection, buffering, acknowledgement, outages and shutdown.

The main thread owns the AMQP channel and does nothing slow; one worker thread does the handler's work. A
message is acknowledged after its outcome is known and only on the connection it came by: whatever happens
in between, the broker delivers it again and its receipt makes the second time a no-op.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from consumers.broker import Broker
from consumers.delivery import Delivery, Done, Forward, Handler, Outcome, Reject, Retry
from consumers.handover import Handover
from consumers.inbox import Inbox, Limits
from consumers.signals import calls_on_stop
from consumers.worker import Worker
from headgate.errors import Fatal, HeadgateError, Retriable

log = structlog.get_logger("consumers.runner")

EXIT_STOPPED = 0
EXIT_FATAL = 3

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0  # the flow is to be back within 10 s of the return of a server
_LONGEST_PUMP = 0.2


@dataclass(frozen=True)
class Options:
    """How a consumer runs; times in seconds."""

    limits: Limits
    refresh: float = 10.0  # between two looks for new queues
    tick: float = 1.0  # between two calls of the handler's ``tick``
    shutdown: float = 30.0  # that a transaction under way may take after SIGTERM
    until_idle: float | None = None  # stop after so long without work


@dataclass
class _Transaction:
    work: list[tuple[Delivery, int]]
    outcomes: Future[Sequence[Outcome]]


class Runner:
    """One consumer process."""

    def __init__(self, handler: Handler, broker: Broker, handover: Handover, options: Options) -> None:
        self._handler = handler
        self._broker = broker
        self._handover = handover
        self._options = options
        self._inbox = Inbox(options.limits)
        self._worker = Worker(on_done=broker.wake)
        self._transaction: _Transaction | None = None
        self._lookup: Future[Sequence[str]] | None = None
        self._tick: Future[None] | None = None
        self._next_tick = 0.0
        self._late_ticks = 0
        self._queues: Sequence[str] = ()
        self._next_lookup = 0.0
        self._looked = False
        self._failures = 0
        self._stopping = False
        self._last_work = time.monotonic()

    def run(self) -> int:
        """Until told to stop: the process's exit code."""
        with calls_on_stop(self.stop):
            try:
                self._serve()
                return EXIT_STOPPED
            except Exception as error:  # noqa: BLE001  a bug must not lose a message either: stop unacknowledged
                self._report(error)
                return EXIT_FATAL
            finally:
                self._broker.close()
                self._handover.close()
                if not self._is_at_work:
                    self._handler.close()

    def stop(self) -> None:
        """Finish what is under way, then end; safe in a signal handler."""
        self._stopping = True

    def _serve(self) -> None:
        lost = 0
        while not self._stopping:
            try:
                self._broker.open()
                lost = 0
                self._session()
            except Retriable as error:
                lost += 1
                self._broker.close()
                self._inbox.clear()
                self._wait_for_broker(error, lost)

    def _session(self) -> None:
        """As long as the connection holds."""
        self._inbox.clear()
        self._broker.subscribe(self._handler, self._queues)
        while not self._stopping:
            self._receive()
            self._settle_finished()
            self._look_for_queues()
            self._follow_clock()
            self._begin_transaction()
            self._stop_when_idle()
        self._drain()

    def _receive(self) -> None:
        """What has arrived; with messages in hand soon enough to notice that no more come."""
        seconds = self._options.limits.idle if self._inbox else min(self._options.tick, _LONGEST_PUMP)
        for delivery in self._broker.pump(seconds):
            self._inbox.add(delivery, self._handler.weight(delivery), time.monotonic())
            self._last_work = time.monotonic()

    def _begin_transaction(self) -> None:
        now = time.monotonic()
        if self._transaction is None and not self._stopping and self._inbox.due(now):
            work = self._inbox.take(now)
            deliveries = [delivery for delivery, _ in work]
            self._transaction = _Transaction(
                work, self._worker.submit(lambda: self._handler.handle(deliveries))
            )

    def _settle_finished(self) -> None:
        transaction = self._transaction
        if transaction is None or not transaction.outcomes.done():
            return
        self._transaction = None
        try:
            outcomes = transaction.outcomes.result()
        except Retriable as error:
            self._hold(transaction.work, error)
            return
        self._failures = 0
        settled = list(zip(transaction.work, outcomes, strict=True))  # an answer too few stops before any ack
        self._settle_all(settled)
        self._last_work = time.monotonic()

    def _settle_all(self, settled: list[tuple[tuple[Delivery, int], Outcome]]) -> None:
        stuck: list[tuple[Delivery, int]] = []
        for (delivery, weight), outcome in settled:
            if delivery.session != self._broker.session:
                continue  # by a lost connection: it is on the queue again, and comes again
            match outcome:
                case Done():
                    self._broker.ack(delivery)
                case Retry(after, reason):
                    log.info("message waits", message_id=delivery.message_id, seconds=after, reason=reason)
                    self._put_back([(delivery, weight)], after)
                case Reject() | Forward():
                    # The first that cannot go on has waited for all: heartbeats must not.
                    if stuck or not self._hand_over(delivery, outcome):
                        stuck.append((delivery, weight))
        self._put_back(stuck, _FIRST_PAUSE)

    def _hand_over(self, delivery: Delivery, outcome: Reject | Forward) -> bool:
        """Copy it where it goes, then acknowledge it; whether that could be done."""
        try:
            if isinstance(outcome, Reject):
                self._handover.reject(delivery, outcome)
            else:
                self._handover.forward(delivery, outcome)
        except Retriable as error:
            log.warning("message cannot go on yet", message_id=delivery.message_id, reason=str(error))
            return False
        self._broker.ack(delivery)
        return True

    def _hold(self, work: list[tuple[Delivery, int]], error: Retriable) -> None:
        """A server is away: keep the messages and try again, later each time."""
        self._failures += 1
        pause = backoff(self._failures)
        log.warning("waiting for a server", reason=str(error), messages=len(work), seconds=round(pause, 1))
        self._put_back(work, pause)

    def _put_back(self, work: list[tuple[Delivery, int]], pause: float) -> None:
        current = [
            (delivery, weight) for delivery, weight in work if delivery.session == self._broker.session
        ]
        self._inbox.put_back(current, time.monotonic() + pause)

    def _look_for_queues(self) -> None:
        """Every so often ask the handler which queues there are, and follow."""
        if self._lookup is None and self._transaction is None and time.monotonic() >= self._next_lookup:
            self._lookup = self._worker.submit(self._handler.queues)
        elif self._lookup is not None and self._lookup.done():
            lookup, self._lookup = self._lookup, None
            self._next_lookup = time.monotonic() + self._options.refresh
            try:
                self._queues = lookup.result()
            except Retriable as error:
                self._failures += 1
                self._next_lookup = time.monotonic() + backoff(self._failures)
                log.warning("waiting for a server", reason=str(error))
                return
            self._failures = 0
            self._broker.subscribe(self._handler, self._queues)
            if not self._inbox and self._transaction is None:
                self._broker.check_flow()
            if not self._looked:
                self._looked, self._last_work = True, time.monotonic()

    def _follow_clock(self) -> None:
        """Have the handler do what is due by time, between two transactions."""
        if self._tick is None and self._transaction is None and time.monotonic() >= self._next_tick:
            self._tick = self._worker.submit(self._handler.tick)
        elif self._tick is not None and self._tick.done():
            tick, self._tick = self._tick, None
            pause = self._options.tick
            try:
                tick.result()
            except Retriable as error:
                self._late_ticks += 1
                pause = max(pause, backoff(self._late_ticks))
                log.warning("waiting for a server", reason=str(error), seconds=round(pause, 1))
            else:
                self._late_ticks = 0
            self._next_tick = time.monotonic() + pause

    @property
    def _is_at_work(self) -> bool:
        """Whether a call of the handler is under way that must not be cut short."""
        return self._transaction is not None or (self._tick is not None and not self._tick.done())

    def _stop_when_idle(self) -> None:
        limit = self._options.until_idle
        if limit is None or not self._looked:
            return
        busy = self._transaction is not None or len(self._inbox) > 0 or self._failures > 0
        if busy or time.monotonic() - self._last_work < limit:
            return
        if self._broker.has_more():  # a busy broker takes its time to deliver
            self._last_work = time.monotonic()
        else:
            self.stop()

    def _drain(self) -> None:
        """Let what is under way end, within its time; the rest goes back to the broker."""
        self._broker.cancel()
        deadline = time.monotonic() + self._options.shutdown
        while self._is_at_work and time.monotonic() < deadline:
            self._broker.pump(self._options.limits.idle)
            self._settle_finished()
        if self._is_at_work:
            log.warning("what is under way is cancelled", seconds=self._options.shutdown)
            self._handler.interrupt()
        log.info("stopped", returned=len(self._inbox))

    def _wait_for_broker(self, error: Retriable, lost: int) -> None:
        """Meanwhile the clock is followed: people are told of what stands in Postgres."""
        pause = backoff(lost)
        log.warning("waiting for the broker", reason=str(error), seconds=round(pause, 1))
        until = time.monotonic() + pause
        while not self._stopping and time.monotonic() < until:
            self._settle_finished()
            self._follow_clock()
            time.sleep(min(0.1, pause))

    def _report(self, error: Exception) -> None:
        problem = error if isinstance(error, HeadgateError) else Fatal(f"{type(error).__name__}: {error}")
        log.critical("consumer stopped, its messages stay on the queue", reason=str(problem), exc_info=error)
        self._handler.stopped(problem)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, jittered, 5 at most."""
    ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 10))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311  jitter
