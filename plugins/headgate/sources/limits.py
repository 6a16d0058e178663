"""A provider's limits, kept over all processes: a bucket of pyrate-limiter's in Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar, cast

from pyrate_limiter import AbstractBucket, Rate, RateItem
from pyrate_limiter.abstracts.algorithm import Decision, LogAlgorithm, SlidingWindowLog

from headgate.db import one, query, transaction
from headgate.sources.model import Limit, QuotaUsed

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

SHOWN = 86_400_000  # milliseconds whose calls people are shown, where no limit looks back as far
P = ParamSpec("P")
T = TypeVar("T")


class Ledger(Protocol):
    """Runs one idempotent transaction, again after an outage (``headgate.steps.services.Ledger``)."""

    def __call__(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """``action(connection, …)``."""


class Limits:
    """Turns to call a provider, never more of them than its limits allow in any window of time.

    The provider may count a call at any time between its turn and its answer. It is counted here for all of
    that: while it is under way as now, then as of its answer.
    """

    def __init__(
        self, provider: str, title: str, limits: Sequence[Limit], ledger: Ledger, patience: float
    ) -> None:
        self._title, self._ledger, self._patience = title, ledger, patience
        self._bucket = PostgresBucket(provider, limits, ledger) if limits else None
        self._answered_at: float | None = None

    def take(self, longest: float) -> None:
        """Wait for a turn. ``QuotaUsed`` when that would take longer than the patience (seconds).

        ``longest``: seconds after which a call that nobody ended counts as counted.
        """
        self._answered_at = None
        if self._bucket is None:
            return
        self._bucket.longest = longest
        item = RateItem("call", 0)
        while not self._bucket.put(item):
            time.sleep(self._pause(self._bucket, item))

    def answer_begins(self) -> None:
        """By now the provider has counted the call."""
        self._answered_at = time.monotonic()

    def end(self) -> None:
        """The call is over; without an answer it was counted by now at the latest."""
        if self._bucket is not None:
            now = time.monotonic()
            self._bucket.answered(now - (self._answered_at or now))

    def _pause(self, bucket: PostgresBucket, item: RateItem) -> float:
        wait = cast(int, bucket.waiting(item)) / 1000
        if wait > self._patience:
            raise QuotaUsed(
                f"{self._title} was asked as often as it may be ({bucket.failing_rate}); "
                f"the next turn is in {wait:,.0f} s"
            )
        return max(wait, 0.005)


class PostgresBucket(AbstractBucket):
    """The calls of one provider in ``headgate.source_call``, timed by the database's clock."""

    is_async = False
    longest = 60.0  # seconds that a call may be under way

    def __init__(self, provider: str, limits: Sequence[Limit], ledger: Ledger) -> None:
        self.rates = [Rate(limit.requests, round(limit.seconds * 1000)) for limit in limits]
        self._provider, self._ledger = provider, ledger
        self._algorithm: LogAlgorithm = SlidingWindowLog()
        self._call_id: int | None = None

    def put(self, item: RateItem) -> bool:
        """Begin a call where there is room; the item takes the database's time."""
        taken = self._ledger(begin, self._provider, self.rates, self._algorithm, self.longest)
        item.timestamp, self._call_id = taken.now_ms, taken.call_id
        return self._record(item, taken.decision)

    def answered(self, ago: float) -> None:
        """The call that was put last was answered so many seconds ago."""
        if self._call_id is not None:
            self._ledger(call_answered, self._call_id, ago)
            self._call_id = None

    def leak(self, current_timestamp: int | None = None) -> int:
        """``begin`` forgets what is old."""
        return 0

    def flush(self) -> None:
        """Forget every call."""
        self._ledger(forget_before, self._provider, 1 << 52)

    def count(self) -> int:
        """Calls in the longest window."""
        return self._ledger(counted, self._provider, self.rates)[1][-1]

    def peek(self, index: int) -> RateItem | None:
        """The call at this place, the newest first."""
        found = self._ledger(nth_newest, self._provider, index)
        return None if found is None else RateItem("call", found)


@dataclass(frozen=True)
class Taken:
    """A turn that was asked for: when (milliseconds of the epoch), and the call if it was given."""

    decision: Decision
    now_ms: int
    call_id: int | None


def begin(
    conn: Connection, provider: str, rates: list[Rate], algorithm: LogAlgorithm, longest: float
) -> Taken:
    """A call where the rates have room for one."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_lock"), {"provider": provider})
        now_ms, counts = _counts(cursor, provider, rates)
        decision = algorithm.decide(
            rates, counts, 1, now_ms, lambda offset: _nth(cursor, provider, offset, now_ms)
        )
        if not decision.allowed:
            return Taken(decision, now_ms, None)
        kept_from = min(algorithm.leak_bound(rates, now_ms), now_ms - SHOWN)
        before = {"provider": provider, "before_ms": kept_from}
        cursor.execute(query("source_calls_forget"), before)
        cursor.execute(query("source_call_begin"), {"provider": provider, "longest": longest})
        return Taken(decision, now_ms, int(one(cursor)[0]))


def call_answered(conn: Connection, call_id: int, ago: float) -> None:
    """A call's answer began so many seconds ago."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_call_answered"), {"call_id": call_id, "ago": ago})


def forget_before(conn: Connection, provider: str, before_ms: int) -> None:
    """Calls that no limit looks back to."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_calls_forget"), {"provider": provider, "before_ms": before_ms})


def counted(conn: Connection, provider: str, rates: list[Rate]) -> tuple[int, list[int]]:
    """Now (milliseconds of the epoch), and the calls in each rate's window."""
    with transaction(conn) as cursor:
        return _counts(cursor, provider, rates)


def nth_newest(conn: Connection, provider: str, offset: int) -> int | None:
    """When a call was counted (milliseconds of the epoch)."""
    with transaction(conn) as cursor:
        return _nth(cursor, provider, offset, 1 << 52)


def _counts(cursor: Cursor, provider: str, rates: list[Rate]) -> tuple[int, list[int]]:
    spans = [rate.interval for rate in rates]
    cursor.execute(query("source_calls"), {"provider": provider, "spans": spans})
    now_ms, counts = one(cursor)
    return int(now_ms), counts


def _nth(cursor: Cursor, provider: str, offset: int, now_ms: int) -> int | None:
    values = {"provider": provider, "offset": offset, "now_ms": now_ms}
    cursor.execute(query("source_call_nth"), values)
    found = cursor.fetchone()
    return None if found is None else int(found[0])
