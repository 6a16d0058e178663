"""What the stub providers have in common: a date, corrections, vanished rows, faults to come, calls made.

Data of a stub is a function of its keys, never of the order of the questions: take ``world.random`` for it.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day


@dataclass(frozen=True)
class Made:
    """A call that a stub was asked. ``at``: seconds of a clock that never goes back."""

    provider: str
    at: float
    method: str
    path: str
    query: str
    status: int


@dataclass
class Fault:
    """What the next ``times`` calls meet whose path holds ``match``, after ``after`` that go well.

    The host does these kinds itself: ``401``, ``403``, ``429``, ``429:<Retry-After>``, ``500``, ``502``,
    ``503``, ``504`` (an HTML page each), ``html`` (such a page with status 200), ``cut`` (half a body,
    then the connection ends) and ``hang`` (no answer at all). Other kinds are the provider's, which asks
    ``World.meets``.
    """

    provider: str
    kind: str
    times: int = 1
    match: str = ""
    after: int = 0


@dataclass
class World:
    """``start``: its date at first, and it stays until ``advance``; without it, the true date."""

    start: date | None = None
    seed: str = "headgate"
    calls: list[Made] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _days: int = 0
    _corrections: list[tuple[str, date]] = field(default_factory=list)
    _vanished: list[str] = field(default_factory=list)
    _down: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def now(self) -> datetime:
        """UTC; noon of the date where that was given."""
        if self.start is None:
            return datetime.now(UTC) + timedelta(days=self._days)
        return datetime.combine(self.start, time_of_day(12), UTC) + timedelta(days=self._days)

    @property
    def today(self) -> date:
        return self.now.date()

    def advance(self, days: int = 1) -> None:
        """Let days go by."""
        self._days += days

    def random(self, *key: object) -> random.Random:
        """Chance that is the same for the same key."""
        text = "\x1f".join(str(part) for part in (self.seed, *key))
        return random.Random(hashlib.sha256(text.encode()).digest())

    def correct(self, provider: str) -> None:
        """Publish corrections: ``revision`` counts one more from now on."""
        self._corrections.append((provider, self.today))

    def revision(self, provider: str, day: date | None = None, reach: int | None = None) -> int:
        """How often the provider has corrected its data, of ``day`` where given.

        ``reach``: corrections change no more than so many days before the day they were published on.
        """
        return sum(
            1
            for name, published in self._corrections
            if name == provider
            and (day is None or day <= published)
            and (day is None or reach is None or (published - day).days <= reach)
        )

    def vanish(self, provider: str) -> None:
        """Let a row vanish (which one, the stub decides): ``vanished`` counts one more from now on."""
        self._vanished.append(provider)

    def vanished(self, provider: str) -> int:
        """How many rows the provider has taken back."""
        return self._vanished.count(provider)

    def fault(self, provider: str, kind: str, times: int = 1, match: str = "", after: int = 0) -> None:
        """See ``Fault``; faults of a provider wait in line."""
        with self._lock:
            self.faults.append(Fault(provider, kind, times, match, after))

    def meets(self, provider: str, kind: str, path: str = "") -> bool:
        """Whether this call meets a fault of the kind, which is then used up."""
        with self._lock:
            return any(self._takes(fault, path) for fault in self._waiting(provider, kind, path))

    def _waiting(self, provider: str, kind: str, path: str) -> Iterator[Fault]:
        for fault in self.faults:
            if (fault.provider, fault.kind) == (provider, kind) and fault.times and fault.match in path:
                yield fault

    @staticmethod
    def _takes(fault: Fault, path: str) -> bool:
        if fault.after:
            fault.after -= 1
            return False
        fault.times -= 1
        return True

    def down(self, provider: str, seconds: float) -> None:
        """Answer nothing but 503 for so long."""
        self._down[provider] = time.monotonic() + seconds

    def is_down(self, provider: str) -> bool:
        return time.monotonic() < self._down.get(provider, 0)

    def made(self, provider: str, match: str = "") -> list[Made]:
        """The provider's calls so far, those whose path and query hold ``match``."""
        return [
            call for call in self.calls if call.provider == provider and match in f"{call.path}?{call.query}"
        ]

    def count(self, provider: str, match: str = "") -> int:
        """How many of them."""
        return len(self.made(provider, match))

    def peak(self, provider: str, seconds: float) -> int:
        """The most calls that came within a span so long."""
        times = sorted(call.at for call in self.made(provider))
        most = first = 0
        for last, at in enumerate(times):
            while at - times[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


def days(first: date, last: date) -> list[date]:
    """From the first to the last, which is one of them."""
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]
