"""What the ledger knows of a listing, without writing anything down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headgate.db import query, transaction
from headgate.ledger.objects import listing

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.listing import StoredObject


def arrived(conn: Connection, dataset: str, bucket: str, listed: Sequence[StoredObject]) -> set[str]:
    """Keys of those of the listed object versions that the next run of the dataset would take."""
    values = {"dataset": dataset, "bucket": bucket, **listing(listed)}
    with transaction(conn) as cursor:
        cursor.execute(query("object_arrived"), values)
        return {key for (key,) in cursor.fetchall()}


def open_runs(conn: Connection, dataset: str) -> list[str]:
    """Airflow's names of the dataset's runs whose books are open."""
    with transaction(conn) as cursor:
        cursor.execute(query("run_open_names"), {"dataset": dataset})
        return [name for (name,) in cursor.fetchall()]
