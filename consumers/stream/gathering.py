"""Lines that wait to be booked together: of one minute, up to so many bytes, for so many seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Limits:
    """When what was gathered is due."""

    bytes: int
    seconds: float


@dataclass
class Gathering:
    """``minute`` and ``arrived`` (of the last line) are those of the lines in hand."""

    limits: Limits
    minute: datetime | None = None
    arrived: datetime | None = None
    size: int = 0
    _parts: list[bytes] = field(default_factory=list)
    _since: float = 0.0

    def add(self, lines: bytes, arrived: datetime) -> None:
        """Whole lines that arrived at this moment, which must be in the minute of those in hand."""
        if not lines:
            return
        if not self._parts:
            self._since = time.monotonic()
            self.minute = minute_of(arrived)
        self._parts.append(lines)
        self.arrived = arrived
        self.size += len(lines)

    def is_of(self, arrived: datetime) -> bool:
        """Whether what arrived then may be gathered with the lines in hand."""
        return not self._parts or self.minute == minute_of(arrived)

    def due(self) -> bool:
        """Whether to book what there is."""
        return bool(self._parts) and (
            self.size >= self.limits.bytes or time.monotonic() - self._since >= self.limits.seconds
        )

    def take(self) -> bytes:
        """All lines in hand; then there are none."""
        lines = b"".join(self._parts)
        self._parts, self.size = [], 0
        return lines


def minute_of(moment: datetime) -> datetime:
    """When its minute began."""
    return moment.replace(second=0, microsecond=0)
