"""The outbox: events are recorded with what they tell of and published afterwards.

A crash in between leaves them for the next relay, whoever runs it; a crash while one is published sends it
twice under the same id. Between two of them no order is promised: their ``time`` tells it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from psycopg2.extras import Json

from headgate.db import query, transaction
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
