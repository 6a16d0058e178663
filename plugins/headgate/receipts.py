"""The consumer's side of the ledger: claims, lateness, the merge and its counts.

Every function takes a cursor inside the consumer's own transaction and lets psycopg2's errors through,
because the consumer decides by SQLSTATE whether to bisect, to wait or to stop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from psycopg2 import sql
from psycopg2.extras import Json, execute_values

from headgate.db import one, query, template
from headgate.errors import Fatal

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


# The first version of PostgreSQL whose MERGE tells what it did: 17.
MERGE_RETURNING = 170_000


@dataclass(frozen=True)
class Lateness:
    """How a message stands to what was published since: see ``sql/queries/receipt_lateness.sql``."""

    late: bool
    superseded: bool


@dataclass(frozen=True)
class Merged:
    """Rows of one merge by what became of them; they add up to the rows of the stage table."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0

    def __add__(self, other: Merged) -> Merged:
        return Merged(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.superseded + other.superseded,
        )


@dataclass(frozen=True)
class Counts:
    """What a receipt says: rows = inserted + updated + unchanged + superseded + quarantined."""

    rows: int
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class RefusedRow:
    """A row that Postgres refused; `raw` is the CSV record as sent (the report step completes it)."""

    row_number: int
    rule: str
    reason: str
    raw: str
    column: str | None = None
    value: str | None = None


def lock_datasets(cursor: Cursor, datasets: Iterable[str]) -> None:
    """First statement of a consumer's transaction: nothing is published in these datasets until its end."""
    cursor.execute(query("dataset_lock_shared"), {"datasets": sorted(set(datasets))})


def claim(cursor: Cursor, *, message_id: UUID, object_id: int, chunk_id: int, consumer: str) -> bool:
    """Take the message; False when it was applied before, then it only needs its ack."""
    cursor.execute(
        query("receipt_claim"),
        {"message_id": message_id, "object_id": object_id, "chunk_id": chunk_id, "consumer": consumer},
    )
    return cursor.fetchone() is not None


def lateness(cursor: Cursor, *, dataset: str, object_id: int, version: int, lineage: str) -> Lateness:
    """Was something newer published in the dataset, or even in the object's own succession?"""
    values = {"dataset": dataset, "object_id": object_id, "version": version, "lineage": lineage}
    cursor.execute(query("receipt_lateness"), values)
    return Lateness(*one(cursor))


def merge(
    cursor: Cursor,
    *,
    table: sql.Composable,
    stage: sql.Composable,
    columns: Sequence[str],
    key: Sequence[str],
    dataset: str,
    lineage: str | None,
    object_id: int,
    version: int,
    rows: int,
    late: bool,
    racing: bool = True,
) -> Merged:
    """Merge the `rows` rows of `stage` (`columns` and ``_row_number``) into `table` by `key`.

    Only `columns` are written to rows that exist. The keys of `stage` must be distinct and not NULL. Rows
    that an object of the same `lineage` wrote with the same values stay as they are; without a lineage
    (``Contract.takes_over``) they pass to this object, and are unchanged nevertheless.
    Not `racing` is faster, and a unique violation where somebody else inserts one of the keys meanwhile.
    """
    names = _identifiers(table, stage, columns, key)
    values = {"dataset": dataset, "lineage": lineage, "object_id": object_id, "version": version}
    once = not racing and not late and cursor.connection.server_version >= MERGE_RETURNING
    statement = "merge_matched" if once else "merge_rows_late" if late else "merge_rows"
    cursor.execute(template(statement).format(**names), values)
    inserted, updated = one(cursor)
    superseded = 0
    if inserted + updated < rows:
        count = template("merge_superseded_late" if late else "merge_superseded")
        cursor.execute(count.format(**names), values)
        (superseded,) = one(cursor)
    return Merged(inserted, updated, rows - inserted - updated - superseded, superseded)


def _identifiers(
    table: sql.Composable, stage: sql.Composable, columns: Sequence[str], key: Sequence[str]
) -> dict[str, sql.Composable]:
    # A message of key columns only has nothing to update; the key then is set to itself.
    values = [name for name in columns if name not in key] or list(key)
    return {
        "table": table,
        "stage": stage,
        "columns": _listed(columns),
        "key": _listed(key),
        "stage_columns": _listed(columns, "s"),
        "stage_key": _listed(key, "s"),
        "stage_values": _listed(values, "s"),
        "existing_columns": _listed(columns, "e"),
        "target_columns": _listed(values, "t"),
        "excluded_columns": _listed(values, "excluded"),
        "same_key": _equal(key, "e", "s"),
        "same_key_target": _equal(key, "t", "s"),
        "assignments": _assigned(values, "excluded"),
        "stage_assignments": _assigned(values, "s"),
    }


def _listed(names: Sequence[str], alias: str | None = None) -> sql.Composable:
    prefix = (alias,) if alias else ()
    return sql.SQL(", ").join(sql.Identifier(*prefix, name) for name in names)


def _assigned(names: Sequence[str], source: str) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier(source, name)) for name in names
    )


def _equal(names: Sequence[str], left: str, right: str) -> sql.Composable:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in names
    )


def close(cursor: Cursor, message_id: UUID, counts: Counts) -> None:
    """Write the counts of a claimed message. ``Fatal`` when it was not claimed in this transaction."""
    cursor.execute(query("receipt_close"), {"message_id": message_id, **vars(counts)})
    if cursor.fetchone() is None:
        raise Fatal(f"message {message_id} was closed without having been claimed")


def quarantine_rows(
    cursor: Cursor,
    *,
    dataset: str,
    object_id: int,
    chunk_id: int,
    message_id: UUID,
    rows: Sequence[RefusedRow],
) -> None:
    """Put rows that Postgres refused into quarantine."""
    execute_values(
        cursor,
        query("quarantine_load"),
        [
            (
                dataset,
                object_id,
                chunk_id,
                row.row_number,
                "load",
                row.rule,
                row.column,
                row.value,
                row.reason,
                row.raw,
                Json([{"rule": row.rule, "column": row.column, "value": row.value, "reason": row.reason}]),
                message_id,
            )
            for row in rows
        ],
    )
