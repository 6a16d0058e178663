"""Alerts: what a person, or a later consumer, should know of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from psycopg2.extras import Json

from headgate.db import query, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class Alert:
    """What happened (``kind``, ``summary``) and what it is about."""

    kind: str
    severity: Literal["info", "warning", "critical"]
    summary: str
    dataset: str | None = None
    run_id: int | None = None
    object_id: int | None = None
    chunk_id: int | None = None
    message_id: UUID | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def raise_alert(conn: Connection, alert: Alert) -> bool:
    """Record an alert; False when the same one (kind and what it is about) is open already."""
    with transaction(conn) as cursor:
        return insert_alert(cursor, alert)


def insert_alert(cursor: Cursor, alert: Alert) -> bool:
    """Like `raise_alert`, within a transaction of the caller's."""
    cursor.execute(query("alert_raise"), {**vars(alert), "detail": Json(dict(alert.detail))})
    return cursor.fetchone() is not None
