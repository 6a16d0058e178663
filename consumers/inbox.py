"""Deliveries that wait for their transaction, and when it is time for one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from consumers.delivery import Delivery


@dataclass(frozen=True)
class Limits:
    """A transaction is due at so many bytes (decompressed) or messages, or after ``idle`` quiet seconds."""

    bytes: int
    messages: int
    idle: float


@dataclass(frozen=True)
class _Waiting:
    delivery: Delivery
    weight: int
    not_before: float


class Inbox:
    """Keeps the order of arrival; what is put back goes to the front. Times are ``time.monotonic()``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[_Waiting] = deque()
        self._last_arrival = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, delivery: Delivery, weight: int, now: float) -> None:
        """A delivery has arrived."""
        self._waiting.append(_Waiting(delivery, weight, now))
        self._last_arrival = now

    def put_back(self, deliveries: Iterable[tuple[Delivery, int]], not_before: float) -> None:
        """Deliveries with their weights that must be handled again, not earlier than this."""
        self._waiting.extendleft(_Waiting(d, weight, not_before) for d, weight in reversed(list(deliveries)))

    def clear(self) -> None:
        """Forget all: their connection is gone, the broker delivers them again."""
        self._waiting.clear()

    def due(self, now: float) -> bool:
        """Whether enough has arrived, or nothing more for the idle time."""
        ready = [item for item in self._waiting if item.not_before <= now]
        if not ready:
            return False
        full = len(ready) >= self._limits.messages or sum(item.weight for item in ready) >= self._limits.bytes
        return full or now - self._last_arrival >= self._limits.idle

    def take(self, now: float) -> list[tuple[Delivery, int]]:
        """The next transaction's deliveries with their weights: one that is ready, more within the limits."""
        taken: list[tuple[Delivery, int]] = []
        kept: deque[_Waiting] = deque()
        room = self._limits.bytes
        full = False
        for item in self._waiting:
            if full or item.not_before > now:
                kept.append(item)
                continue
            full = bool(taken) and (item.weight > room or len(taken) >= self._limits.messages)
            if full:
                kept.append(item)
                continue
            taken.append((item.delivery, item.weight))
            room -= item.weight
        self._waiting = kept
        return taken
