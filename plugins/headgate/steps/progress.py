"""How far a run is, for people who wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.db import query, records, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True)
class Progress:
    """Counts of a run as they stand now; later steps know their totals when earlier ones are done."""

    objects: int
    objects_inspected: int
    chunks: int
    chunks_staged: int
    batches: int
    streamed: int
    receipts: int
    rows_expected: int
    rows_received: int


def progress_of(conn: Connection, run_id: int) -> Progress:
    """The run's counts."""
    with transaction(conn) as cursor:
        cursor.execute(query("run_progress"), {"run_id": run_id})
        return records(cursor, Progress)[0]
