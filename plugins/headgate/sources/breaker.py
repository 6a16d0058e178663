"""Leaves a provider alone that fails, over all processes: pybreaker's breaker with its state in Postgres.

After some failures in a row it opens: nobody asks. After a rest one call, of one process, tries whether the
provider is back; its success closes the breaker for all. A person may force either state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker, CircuitBreakerStorage

from headgate.db import Ledger, one, query, records, transaction
from headgate.settings import Settings
from headgate.sources.model import Provider, QuotaUsed, Unavailable
from headgate.sources.standing import tell

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

log = structlog.get_logger("headgate.sources")

LONGEST_REASON: Final = 500  # characters


class Open(Unavailable):
    """Asking is of no use for a while: the breaker is open, or the provider said how long it is down."""


class Busy(Unavailable):
    """The provider is there and asks for patience: no failure of its."""


@dataclass(frozen=True)
class Seen:
    """How a provider stands. Times are seconds that are left, negative when they are over."""

    state: str
    forced: bool
    reason: str | None
    trial_left: float
    rest_left: float
    rests_until: datetime | None
    hold_left: float
    held_until: datetime | None
    held_reason: str | None
    held_down: bool

    @property
    def closed(self) -> bool:
        return self.state == STATE_CLOSED

    @property
    def may_try(self) -> bool:
        """Whether one call may ask a provider that failed."""
        return not self.forced and self.rest_left <= 0 and self.trial_left <= 0


class Breaker:
    """The breaker of one provider."""

    def __init__(self, provider: Provider, settings: Settings, ledger: Ledger) -> None:
        self._provider, self._settings, self._ledger = provider, settings, ledger

    def admit(self, longest: float) -> Turn:
        """A turn to ask. ``Open`` when the provider is left alone, ``QuotaUsed`` when it was asked too often.

        ``longest``: seconds after which another may try a failing provider when this one never settles.
        """
        rest = self._settings.sources_breaker_seconds
        while (standing := self._ledger(admit, self._provider.name, rest, longest)).hold_left > 0:
            self._wait(standing)
        if not standing.closed and not standing.may_try:
            raise self._open(standing)
        return Turn(self._provider, self._settings, self._ledger, standing)

    def hold(self, seconds: float, reason: str, *, down: bool) -> None:
        """Nobody asks before that: the provider is ``down`` for so long, or was asked too often."""
        self._ledger(hold, self._provider.name, seconds, reason, down=down)

    def _wait(self, standing: Seen) -> None:
        if standing.hold_left > self._settings.sources_wait_seconds:
            text = f"{self._not_asked(standing.held_until)}: {standing.held_reason}"
            raise Open(text, standing.hold_left) if standing.held_down else QuotaUsed(text)
        time.sleep(standing.hold_left)

    def _open(self, standing: Seen) -> Open:
        name, title = self._provider.name, self._provider.title
        if standing.forced:
            return Open(f"{title} is not asked, {standing.reason}; `headgate sources reset {name}` ends it")
        if standing.trial_left > 0:
            text = f"{title} is not asked while one call tries whether it is back"
            return Open(f"{text}: {standing.reason}", standing.trial_left)
        return Open(
            f"{self._not_asked(standing.rests_until)}, as it fails: {standing.reason}", standing.rest_left
        )

    def _not_asked(self, until: datetime | None) -> str:
        """Until when, not for how long: what is noted of many windows is the same, and is told once."""
        assert until is not None
        return f"{self._provider.title} is not asked until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


class Turn:
    """One call's turn; what became of it moves the breaker. Left unsettled, a trial is another's."""

    def __init__(self, provider: Provider, settings: Settings, ledger: Ledger, standing: Seen) -> None:
        self._provider, self._settings, self._ledger = provider, settings, ledger
        self._trial = not standing.closed
        self._storage = Storage(provider, ledger, standing.state)

    def settle(self, error: Exception | None) -> None:
        """The call's outcome. Only ``Unavailable`` is a failure, and not where the provider is ``Busy``."""
        self._trial = False
        failed = isinstance(error, Unavailable) and not isinstance(error, Busy)
        self._storage.reason = str(error)[:LONGEST_REASON]
        breaker = CircuitBreaker(
            fail_max=self._settings.sources_breaker_failures,
            state_storage=self._storage,
            throw_new_error_on_trip=False,
        )
        try:
            breaker.call(_replay, error if failed else None)
        except Unavailable:
            log.warning("a source fails", source=self._provider.name, reason=self._storage.reason)

    def leave(self) -> None:
        """Let another try, if this one did not find out."""
        if self._trial:
            self._ledger(end_trial, self._provider.name)


def _replay(error: Exception | None) -> None:
    if error is not None:
        raise error


class Storage(CircuitBreakerStorage):
    """pybreaker's view of ``headgate.source`` in one turn: read at its begin, written through."""

    reason = ""

    def __init__(self, provider: Provider, ledger: Ledger, state: str) -> None:
        super().__init__("postgres")
        self._provider, self._ledger, self._state = provider, ledger, state
        self._failures = self._successes = 0

    @property
    def state(self) -> str:
        """As this turn knows it."""
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        self._ledger(move, self._provider, state)
        self._state = state

    @property
    def counter(self) -> int:
        """Failures in a row, of all processes."""
        return self._failures

    def increment_counter(self) -> None:
        """One failure more."""
        self._failures = self._ledger(failed, self._provider.name, self.reason)

    def reset_counter(self) -> None:
        """No failure in a row."""
        self._ledger(answered, self._provider.name)

    @property
    def success_counter(self) -> int:
        """Trials that went well."""
        return self._successes

    def increment_success_counter(self) -> None:
        """One trial went well."""
        self._successes += 1

    def reset_success_counter(self) -> None:
        """None yet."""
        self._successes = 0

    @property
    def opened_at(self) -> datetime | None:
        """Never known here: the database's clock has said already that a trial is due."""
        return None

    @opened_at.setter
    def opened_at(self, _: datetime) -> None:
        """The database's clock tells it when the state changes."""


def admit(conn: Connection, provider: str, rest: float, longest: float) -> Seen:
    """How a provider stands; where one call may try a failing one, it is the caller's."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_know"), {"provider": provider})
        cursor.execute(query("source_standing"), {"provider": provider, "rest": rest})
        (standing,) = records(cursor, Seen)
        if not standing.closed and standing.may_try and standing.hold_left <= 0:
            cursor.execute(query("source_trial"), {"provider": provider, "seconds": longest})
        return standing


def end_trial(conn: Connection, provider: str) -> None:
    """Another may try."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_trial"), {"provider": provider, "seconds": -1.0})


def failed(conn: Connection, provider: str, reason: str) -> int:
    """One failure more; how many in a row."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_failed"), {"provider": provider, "reason": reason})
        return int(one(cursor)[0])


def answered(conn: Connection, provider: str) -> None:
    """The provider is well."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_answered"), {"provider": provider})


def hold(conn: Connection, provider: str, seconds: float, reason: str, *, down: bool) -> None:
    """Nobody asks the provider for so long."""
    values = {"provider": provider, "seconds": seconds, "reason": reason[:LONGEST_REASON], "down": down}
    with transaction(conn) as cursor:
        cursor.execute(query("source_hold"), values)


def move(conn: Connection, provider: Provider, state: str) -> None:
    """Another state, told of once: when the breaker of a well provider opens, and when it closes again."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_move"), {"provider": provider.name, "state": state})
        moved = cursor.fetchone()
        if moved is None:
            return
        before, reason, failures = moved
        if state == STATE_OPEN and before == STATE_CLOSED:
            tell(cursor, provider, "source.opened", {"reason": reason or "", "failures": failures})
        elif state == STATE_CLOSED:
            tell(cursor, provider, "source.closed", {})
