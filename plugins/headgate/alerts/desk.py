"""What people do with alerts: look, acknowledge, resolve, silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from psycopg2.extras import Json

from headgate.alerts.alert import Alert
from headgate.alerts.matcher import Matcher
from headgate.db import one, query, records, transaction
from headgate.errors import DataError, Fatal

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

UNRESOLVED: Final = ("open", "acknowledged", "silenced")
STATES: Final = (*UNRESOLVED, "resolved")


@dataclass(frozen=True)
class Filter:
    """Which alerts; ``None``: any. ``since``: seen at that time or later."""

    states: Sequence[str] = UNRESOLVED
    dataset: str | None = None
    kind: str | None = None
    severity: str | None = None
    since: datetime | None = None
    ids: Sequence[int] | None = None


@dataclass(frozen=True)
class Sent:
    """A message that told of an alert, on one way."""

    notification_id: int
    receiver: str
    reason: str
    title: str
    created_at: datetime
    channel: str
    state: str
    attempts: int
    sent_at: datetime | None
    problem: str | None


@dataclass(frozen=True)
class Silence:
    """While it lasts nobody is told of alerts that fulfil all its matchers."""

    silence_id: int
    matchers: Sequence[dict[str, str]]
    starts_at: datetime
    ends_at: datetime
    note: str
    created_by: str

    @property
    def text(self) -> str:
        """The matchers as they are written."""
        return " ".join(str(Matcher(**matcher)) for matcher in self.matchers)


def alerts(conn: Connection, wanted: Filter, *, limit: int | None = None) -> list[Alert]:
    """Alerts, what happened last first."""
    values = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(wanted).items()}
    with transaction(conn) as cursor:
        cursor.execute(query("alerts_page"), {**values, "limit": limit})
        return records(cursor, Alert)


def get_alert(conn: Connection, alert_id: int) -> Alert:
    """One alert. ``Fatal`` when there is none of that number."""
    found = alerts(conn, Filter(STATES, ids=(alert_id,)))
    if not found:
        raise Fatal(f"there is no alert {alert_id}: see `headgate alerts list --state all`")
    return found[0]


def messages_of(conn: Connection, alert_id: int) -> list[Sent]:
    """What was sent of an alert, oldest first."""
    with transaction(conn) as cursor:
        cursor.execute(query("alert_messages"), {"alert_id": alert_id})
        return records(cursor, Sent)


def alert_of_event(conn: Connection, event_id: str) -> int | None:
    """The alert that an event of status ``info`` became, if anybody is to hear of it."""
    with transaction(conn) as cursor:
        cursor.execute(query("alert_of_event"), {"event_id": event_id})
        found = cursor.fetchone()
        return int(found[0]) if found else None


def acknowledge(conn: Connection, ids: Sequence[int], *, by: str, note: str | None) -> list[int]:
    """Somebody is at it: no reminders, no escalation. Those that were open."""
    return _changed(conn, "alert_acknowledge", ids, by, note)


def resolve(conn: Connection, ids: Sequence[int], *, by: str, note: str | None) -> list[int]:
    """A person says that they are over, and who heard of them hears it. Those that were not before."""
    return _changed(conn, "alert_resolve", ids, by, note)


def silence(
    conn: Connection, matchers: Sequence[Matcher], span: timedelta, *, by: str, note: str
) -> tuple[int, datetime]:
    """Tell nobody of alerts that fulfil all matchers for so long: the silence's number and its end."""
    values = {"matchers": Json([asdict(matcher) for matcher in matchers]), "span": span}
    try:
        with transaction(conn) as cursor:
            cursor.execute(query("alerts_lock"))
            cursor.execute(query("silence_create"), {**values, "by": by, "note": note})
            silence_id, ends_at = one(cursor)
            cursor.execute(query("silence_check"), {"silence_id": silence_id})
            cursor.execute(query("alert_wake_all"))
            return silence_id, ends_at
    except DataError as error:
        raise Fatal(f"Postgres does not take a regular expression of the silence: {error}") from error


def silences(conn: Connection, *, ended: bool = False) -> list[Silence]:
    """Silences that last, or all."""
    with transaction(conn) as cursor:
        cursor.execute(query("silence_page"), {"ended": ended})
        return records(cursor, Silence)


def end_silence(conn: Connection, silence_id: int) -> None:
    """End it now; what is still wrong is told. ``Fatal`` when it does not last."""
    with transaction(conn) as cursor:
        cursor.execute(query("alerts_lock"))
        cursor.execute(query("silence_end"), {"silence_id": silence_id})
        if cursor.fetchone() is None:
            raise Fatal(f"no silence {silence_id} lasts: see `headgate alerts silences`")
        cursor.execute(query("alert_wake_all"))


def _changed(conn: Connection, statement: str, ids: Sequence[int], by: str, note: str | None) -> list[int]:
    values: dict[str, Any] = {"ids": list(ids), "by": by, "note": note}
    with transaction(conn) as cursor:
        cursor.execute(query("alerts_lock"))
        cursor.execute(query(statement), values)
        changed = [alert_id for (alert_id,) in cursor.fetchall()]
        cursor.execute(query("alert_group_wake"), {"alert_ids": changed})
        return changed
