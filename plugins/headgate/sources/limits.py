"""A provider's limits, kept over all processes: the calls in Postgres, pyrate-limiter's policy over them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pyrate_limiter import Rate
from pyrate_limiter.abstracts.algorithm import Decision, SlidingWindowLog

from headgate.db import Ledger, one, query, transaction
from headgate.sources.model import Limit, QuotaUsed

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

POLICY: Final = SlidingWindowLog()
SHOWN: Final = 86_400_000  # milliseconds whose calls people are shown, where no limit looks back as far


class Limits:
    """Turns to call a provider, never more of them than its limits allow in any window of time.

    The provider may count a call at any time between its turn and its answer. It is counted here for all of
    that: while it is under way as now, then as of its answer.
    """

    def __init__(
        self, provider: str, title: str, limits: Sequence[Limit], ledger: Ledger, patience: float
    ) -> None:
        self._provider, self._title, self._ledger, self._patience = provider, title, ledger, patience
        self._rates = [Rate(limit.requests, round(limit.seconds * 1000)) for limit in limits]
        self._call_id: int | None = None
        self._answered_at: float | None = None

    def take(self, longest: float) -> None:
        """Wait for a turn. ``QuotaUsed`` when that would take longer than the patience (seconds).

        ``longest``: seconds after which a call that nobody ended counts as counted.
        """
        self._answered_at = self._call_id = None
        while self._rates and self._call_id is None:
            turn = self._ledger(begin, self._provider, self._rates, longest)
            if isinstance(turn, Decision):
                time.sleep(self._pause(turn))
            else:
                self._call_id = turn

    def answer_begins(self) -> None:
        """By now the provider has counted the call."""
        self._answered_at = time.monotonic()

    def end(self) -> None:
        """The call is over; without an answer it was counted by now at the latest."""
        if self._call_id is not None:
            now = time.monotonic()
            self._ledger(call_answered, self._call_id, now - (self._answered_at or now))
            self._call_id = None

    def _pause(self, refused: Decision) -> float:
        wait = max(refused.retry_after_ms or 0, 5) / 1000
        if wait > self._patience:
            raise QuotaUsed(
                f"{self._title} was asked as often as it may be ({refused.failing_rate}); "
                f"the next turn is in {wait:,.0f} s"
            )
        return wait


def begin(conn: Connection, provider: str, rates: list[Rate], longest: float) -> int | Decision:
    """A call, by its id, where the rates have room for one; else which of them has none, and for how long.

    Timed by the database's clock.
    """
    with transaction(conn) as cursor:
        cursor.execute(query("source_lock"), {"provider": provider})
        cursor.execute(
            query("source_calls"), {"provider": provider, "spans": [rate.interval for rate in rates]}
        )
        now_ms, counts = one(cursor)
        decision = POLICY.decide(rates, counts, 1, now_ms, lambda nth: _newest(cursor, provider, nth, now_ms))
        if not decision.allowed:
            return decision
        kept_from = min(POLICY.leak_bound(rates, now_ms), now_ms - SHOWN)
        cursor.execute(query("source_calls_forget"), {"provider": provider, "before_ms": kept_from})
        cursor.execute(query("source_call_begin"), {"provider": provider, "longest": longest})
        return int(one(cursor)[0])


def call_answered(conn: Connection, call_id: int, ago: float) -> None:
    """A call's answer began so many seconds ago."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_call_answered"), {"call_id": call_id, "ago": ago})


def _newest(cursor: Cursor, provider: str, offset: int, now_ms: int) -> int | None:
    """When the nth newest call was counted (milliseconds of the epoch)."""
    cursor.execute(query("source_call_nth"), {"provider": provider, "offset": offset, "now_ms": now_ms})
    found = cursor.fetchone()
    return None if found is None else int(found[0])
