"""Alerts: what a person, or a later consumer, should know of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from psycopg2.extras import Json

from headgate.db import query, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

Severity = Literal["info", "warning", "critical"]


def raise_alert(
    conn: Connection,
    kind: str,
    severity: Severity,
    summary: str,
    *,
    dataset: str | None = None,
    run_id: int | None = None,
    object_id: int | None = None,
    chunk_id: int | None = None,
    message_id: UUID | None = None,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Record an alert; False when the same one (kind and what it is about) is open already."""
    with transaction(conn) as cursor:
        return insert_alert(
            cursor,
            kind,
            severity,
            summary,
            dataset=dataset,
            run_id=run_id,
            object_id=object_id,
            chunk_id=chunk_id,
            message_id=message_id,
            detail=detail,
        )


def insert_alert(
    cursor: Cursor,
    kind: str,
    severity: Severity,
    summary: str,
    *,
    dataset: str | None = None,
    run_id: int | None = None,
    object_id: int | None = None,
    chunk_id: int | None = None,
    message_id: UUID | None = None,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Like `raise_alert`, within a transaction of the caller's."""
    values = {
        "kind": kind,
        "severity": severity,
        "summary": summary,
        "dataset": dataset,
        "run_id": run_id,
        "object_id": object_id,
        "chunk_id": chunk_id,
        "message_id": message_id,
        "detail": Json(dict(detail or {})),
    }
    cursor.execute(query("alert_raise"), values)
    return cursor.fetchone() is not None
