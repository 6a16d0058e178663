"""The outbox: events are recorded with what they tell of and published afterwards.

A crash in between leaves them for the next relay, whoever runs it; a crash while one is published sends it
twice under the same id. Between two of them no order is promised: their ``time`` tells it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from psycopg2.extras import Json

from headgate.db import query, records, transaction
from headgate.errors import HeadgateError, Retriable
from headgate.events.event import Event
from headgate.settings import settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from headgate.publisher import Publisher

log = structlog.get_logger("headgate.events")

RELAY_LIMIT = 200


def record(cursor: Cursor, event: Event) -> None:
    """Record an event in the caller's transaction; one with a known ``event_id`` changes nothing."""
    values = {
        "event_id": event.event_id,
        "kind": event.kind,
        "dataset": event.dataset,
        "subject": event.subject,
        "severity": event.severity,
        "status": event.status,
        "fingerprint": event.fingerprint,
        "body": Json(event.cloudevent(settings().environment)),
    }
    cursor.execute(query("event_record"), values)


def record_change(cursor: Cursor, event: Event) -> None:
    """Like `record`, but what ends a condition is recorded only when that was told of and not ended since."""
    if event.status == "resolved":
        cursor.execute(query("event_newest"), {"fingerprint": event.fingerprint})
        if cursor.fetchone() != ("firing",):
            return
    record(cursor, event)


def relay(conn: Connection, publisher: Publisher, *, limit: int = RELAY_LIMIT) -> int:
    """Publish recorded events, the oldest first, in one transaction; how many.

    Relays may run side by side, each takes others. ``Retriable`` when not one could be published.
    """
    with transaction(conn) as cursor:
        cursor.execute(query("event_unpublished"), {"limit": limit})
        published: list[str] = []
        try:
            for event_id, body in cursor.fetchall():
                publisher.emit(body)
                published.append(event_id)
        except Retriable as error:
            if not published:
                raise
            log.warning("events wait for the broker", published=len(published), reason=str(error))
        cursor.execute(query("event_published"), {"event_ids": published})
        return len(published)


def try_relay(conn: Connection, publisher: Publisher) -> None:
    """Publish right away what was just committed; what cannot be is left for the next relay."""
    try:
        relay(conn, publisher)
    except HeadgateError as error:
        log.warning("events wait to be published", reason=str(error))


@dataclass(frozen=True)
class Recorded:
    """An event as it stands in ``headgate.event``."""

    event_id: str
    kind: str
    dataset: str
    subject: str
    severity: str
    status: str
    fingerprint: str
    summary: str | None
    body: dict[str, Any]
    recorded_at: datetime
    published_at: datetime | None


def page(
    cursor: Cursor,
    *,
    dataset: str | None = None,
    kind: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    limit: int = 50,
) -> list[Recorded]:
    """Events, the newest first; None is no filter."""
    values = {"dataset": dataset, "kind": kind, "status": status, "since": since, "limit": limit}
    cursor.execute(query("event_page"), values)
    return records(cursor, Recorded)
