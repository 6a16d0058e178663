"""How providers stand, for people, and what they change of it by hand. Needs none of the HTTP libraries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from headgate import events
from headgate.db import query, records, transaction
from headgate.events import SYSTEM, Event
from headgate.sources.model import Provider

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class Standing:
    """One provider that was ever asked."""

    provider: str
    state: str  # closed: it is asked; open: it is not; half-open: it is being tried
    forced: bool
    reason: str | None
    opened_at: datetime | None
    held_until: datetime | None
    held_reason: str | None
    calls_of_day: int

    @property
    def shown(self) -> str:
        """The state in words."""
        return f"{self.state} by hand" if self.forced else self.state

    @property
    def why(self) -> str | None:
        """Why it is not asked just now."""
        return self.held_reason or (self.reason if self.state != "closed" else None)


def standings(conn: Connection) -> dict[str, Standing]:
    """By provider."""
    with transaction(conn) as cursor:
        cursor.execute(query("source_list"))
        return {found.provider: found for found in records(cursor, Standing)}


def force(conn: Connection, provider: Provider, state: Literal["open", "closed"] | None, by: str) -> None:
    """A person holds the breaker open or closed; ``None`` gives it back, closed, and ends every hold."""
    reason = f"opened by {by}" if state == "open" else None
    values = {
        "provider": provider.name,
        "state": state or "closed",
        "forced": state is not None,
        "reason": reason,
    }
    with transaction(conn) as cursor:
        cursor.execute(query("source_know"), {"provider": provider.name})
        cursor.execute(query("source_force"), values)
        tell(cursor, provider, "source.opened" if reason else "source.closed", {"reason": reason})


def tell(cursor: Cursor, provider: Provider, kind: str, more: Mapping[str, object]) -> None:
    """Record that a breaker has opened or closed; closing only where its opening was told."""
    said = {name: value for name, value in more.items() if value is not None}
    told = {"provider": provider.name, "title": provider.title} | said
    events.record_change(cursor, Event(kind, SYSTEM, provider.name, told))
