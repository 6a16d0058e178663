"""Policy ``replace``: rows that an object's newest version no longer has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.db import query, records, transaction
from headgate.ledger.objects import ObjectVersion

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True)
class Removal:
    """Rows of versions before that are gone (`vanished`) and how many of these were `removed`.

    `of_rows`: rows of all versions of the object that were in the table. `unsettled`: rows of the version
    that are in quarantine or on their way back from there, for which all others are kept.
    """

    removed: int
    vanished: int
    of_rows: int
    unsettled: int


def replacing(conn: Connection, run_id: int) -> list[ObjectVersion]:
    """The run's objects, past the gate, that replace the versions before them; older versions first."""
    with transaction(conn) as cursor:
        cursor.execute(query("object_replacing"), {"run_id": run_id})
        return records(cursor, ObjectVersion)


def remove_vanished(conn: Connection, object_id: int, threshold: float) -> Removal | None:
    """Mark the object loaded and remove what it no longer has; None while a receipt is missing.

    `threshold`: share of the object's rows in the table, 0 to 1, above which none is removed. See
    ``sql/functions/remove_vanished.sql``. ``DataError`` when a table of somebody else refers to such a row.
    """
    with transaction(conn) as cursor:
        cursor.execute(query("object_remove_vanished"), {"object_id": object_id, "threshold": threshold})
        return next(iter(records(cursor, Removal)), None)


def explain(conn: Connection, found: ObjectVersion, reason: str | None) -> None:
    """Say in the books why rows that the object no longer has are kept; None: none are."""
    if reason == found.reason:
        return
    with transaction(conn) as cursor:
        values = {"object_id": found.object_id, "state": "loaded", "reason": reason}
        cursor.execute(query("object_set_state"), values)
