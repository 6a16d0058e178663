"""Pruning, a bounded batch a transaction: it may be stopped anywhere and goes on where it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from headgate.db import Ledger, one, query, transaction
from headgate.retention.rules import Rules

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.store import ObjectStore

Told = Callable[[str, int], None]

RECORDS = 1000  # a transaction
OBJECTS = 50  # a transaction, with all their receipts
# Records of all datasets: the statement that removes them, and whose days they go by.
RECORD_RULES = {
    "errors": ("retention_errors", "errors"),
    "replays": ("retention_replays", "errors"),
    "alerts": ("retention_alerts", "alerts"),
    "notifications": ("retention_notifications", "alerts"),
    "silences": ("retention_silences", "alerts"),
    "events": ("retention_events", "events"),
}
KINDS = {
    "receipts": "receipts of loaded objects",
    "staging_objects": "objects in the staging bucket",
    "staging_bytes": "their bytes",
    "errors": "settled errors",
    "replays": "records of who sent messages again",
    "alerts": "resolved alerts",
    "notifications": "sent notifications",
    "silences": "ended silences",
    "events": "published events",
}


def prune(
    ledger: Ledger,
    store: ObjectStore,
    staging: str,
    rules: Rules,
    *,
    dry_run: bool = False,
    told: Told | None = None,
) -> dict[str, int]:
    """Remove what is older than its rule says, and is needed by nobody; how much of each of ``KINDS``.

    ``staging``: the bucket. ``dry_run``: only count. ``told`` hears of each batch: of what, and how many.
    """
    removed = Counter(dict.fromkeys(KINDS, 0))
    for kind, count in _batches(ledger, store, staging, rules, dry_run):
        removed[kind] += count
        if told is not None and count:
            told(kind, count)
    return dict(removed)


def _batches(
    ledger: Ledger, store: ObjectStore, staging: str, rules: Rules, dry_run: bool
) -> Iterator[tuple[str, int]]:
    for dataset, days in rules.datasets.items():
        for count in _receipts(ledger, dataset, days.receipts, dry_run):
            yield "receipts", count
        yield from _staging(ledger, store, staging, dataset, days.staging, dry_run)
    for kind, (statement, days_of) in RECORD_RULES.items():
        for count in _records(ledger, statement, rules.sql(days_of), dry_run):
            yield kind, count


def _receipts(ledger: Ledger, dataset: str, days: int, dry_run: bool) -> Iterator[int]:
    values = {"dataset": dataset, "days": days, "limit": None if dry_run else OBJECTS, "dry_run": dry_run}
    objects, loaded_at, object_id = OBJECTS, None, None
    while objects == OBJECTS:
        after = {"after_loaded_at": loaded_at, "after_object": object_id}
        objects, receipts, loaded_at, object_id = ledger(_one_row, "retention_receipts", values | after)
        yield receipts
        if dry_run:
            return


def _records(ledger: Ledger, statement: str, rule: dict[str, Any], dry_run: bool) -> Iterator[int]:
    values = {**rule, "limit": None if dry_run else RECORDS, "dry_run": dry_run}
    count, after = (RECORDS if rule["least"] else 0), None
    while count == RECORDS:
        count, after = ledger(_one_row, statement, values | {"after": after})
        yield count
        if dry_run:
            return


def _staging(
    ledger: Ledger, store: ObjectStore, bucket: str, dataset: str, days: int, dry_run: bool
) -> Iterator[tuple[str, int]]:
    """The bytes go first: what is noted as pruned is gone, and a crash in between repeats."""
    after = 0
    while days and (due := ledger(_due_in_staging, dataset, days, after)):
        for object_id in due:
            for stored in store.listing(bucket, f"{dataset}/{object_id}/"):
                if not dry_run:
                    store.delete(bucket, stored.key)
                yield "staging_objects", 1
                yield "staging_bytes", stored.size
        if not dry_run:
            ledger(_mark_pruned, due)
        after = due[-1]


def _due_in_staging(conn: Connection, dataset: str, days: int, after: int) -> list[int]:
    with transaction(conn) as cursor:
        values = {"dataset": dataset, "days": days, "after": after, "limit": OBJECTS}
        cursor.execute(query("retention_staging"), values)
        return [object_id for (object_id,) in cursor.fetchall()]


def _mark_pruned(conn: Connection, object_ids: list[int]) -> None:
    with transaction(conn) as cursor:
        cursor.execute(query("object_staging_pruned"), {"object_ids": object_ids})


def _one_row(conn: Connection, statement: str, values: dict[str, Any]) -> tuple[Any, ...]:
    with transaction(conn) as cursor:
        cursor.execute(query(statement), values)
        return one(cursor)
