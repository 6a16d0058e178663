"""The gate: an object is published with its rejected rows, or held, in one transaction."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate import events
from headgate.db import one, query, records, transaction
from headgate.errors import Fatal
from headgate.ledger.objects import ObjectVersion, lock_object, object_event

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

# Columns of the CSV in which rejected rows come: no header, UTF-8, an empty unquoted field is NULL.
# `violations` is JSON. U+0000 cannot be stored: write U+2400 instead.
REJECT_COLUMNS = (
    "chunk_id",
    "row_number",
    "line",
    "rule",
    "column_name",
    "value",
    "reason",
    "raw",
    "violations",
)


@dataclass(frozen=True)
class _Totals:
    object_id: int
    chunks: int
    read: int
    blank: int
    accepted: int
    rejected: int
    rule_counts: dict[str, int]


@dataclass(frozen=True)
class ObjectTotals(_Totals):
    """What validation found in an object."""

    object: ObjectVersion


def object_totals(conn: Connection, run_id: int) -> list[ObjectTotals]:
    """The run's objects that wait for the gate's decision (inspected or validated), old versions first."""
    with transaction(conn) as cursor:
        cursor.execute(query("object_of_run"), _waiting(run_id))
        objects = {found.object_id: found for found in records(cursor, ObjectVersion)}
        cursor.execute(query("object_totals"), {"run_id": run_id})
        totals = records(cursor, _Totals)
    return [
        ObjectTotals(**vars(found), object=objects[found.object_id])
        for found in totals
        if found.object_id in objects
    ]


def _waiting(run_id: int) -> dict[str, Any]:
    return {"run_id": run_id, "states": ["inspected", "validated"], "lane": 0, "lanes": 1}


def mark_validated(conn: Connection, object_id: int) -> None:
    """Every chunk is staged; an object with unstaged chunks stays inspected."""
    with transaction(conn) as cursor:
        cursor.execute(query("object_validated"), {"object_id": object_id})


def publish_object(conn: Connection, object_id: int, rejects: Iterable[bytes] = ()) -> bool:
    """Publish the object: all its rejected rows go to quarantine, and its batches may be sent.

    `rejects` are pieces of a CSV of `REJECT_COLUMNS`, cut anywhere. False when it is published already.
    ``Fatal`` when a chunk was not validated or the rejects are not those that the chunks counted.
    """
    with transaction(conn) as cursor:
        current = lock_object(cursor, object_id)
        if current.published:
            return False
        _expect_undecided(current)
        stored = quarantine_rejects(cursor, current.dataset, object_id, rejects)
        cursor.execute(query("chunk_rejected"), {"object_id": object_id})
        rejected, unstaged = one(cursor)
        if unstaged or stored != rejected:
            raise Fatal(
                f"cannot publish object {object_id} ({current.key}): {unstaged} chunks are not validated; "
                f"{rejected} rows were rejected, {stored} are staged for quarantine. Run it with reload."
            )
        for name in ("chunk_without_batches", "object_give_up", "quarantine_close_held"):
            cursor.execute(query(name), {"object_id": object_id})
        # Last, as it waits for the consumers' transactions: see dataset_lock_shared.
        cursor.execute(query("dataset_lock"), {"dataset": current.dataset})
        cursor.execute(
            query("object_set_state"), {"object_id": object_id, "state": "published", "reason": None}
        )
        events.record_change(cursor, object_event(cursor, "object.released", current, {}))
    return True


def hold_object(
    conn: Connection,
    object_id: int,
    reason: str,
    rejects: Iterable[bytes] = (),
    *,
    examples: int = 1000,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Hold the object: nothing of it is published, a person is told why (`detail`: fields of the event).

    The first `examples` of its rejected rows are kept in quarantine. False when it is held already.
    """
    with transaction(conn) as cursor:
        current = lock_object(cursor, object_id)
        if current.state == "held":
            return False
        _expect_undecided(current)
        quarantine_rejects(cursor, current.dataset, object_id, rejects, limit=examples)
        cursor.execute(query("object_set_state"), {"object_id": object_id, "state": "held", "reason": reason})
        told = {"reason": reason.removeprefix(f"{current.key}: "), **(detail or {})}
        events.record(cursor, object_event(cursor, "object.held", current, told))
    return True


def held_line(key: str, reason: str) -> str:
    """Names the object once, also where its reason begins with it."""
    return f"{key} is held: {reason.removeprefix(f'{key}: ')}"


def _expect_undecided(current: ObjectVersion) -> None:
    if current.state not in ("found", "inspected", "validated"):
        raise Fatal(
            f"object {current.object_id} ({current.key}) is {current.state}; the gate has nothing to decide"
        )


def quarantine_rejects(
    cursor: Cursor, dataset: str, object_id: int, rejects: Iterable[bytes], limit: int | None = None
) -> int:
    """Put rejected rows of an object into quarantine, ``limit`` at most; how many. See ``REJECT_COLUMNS``."""
    cursor.execute(query("reject_stage"))
    cursor.copy_expert(query("reject_copy"), io.BufferedReader(_Pieces(rejects)))
    values = {"dataset": dataset, "object_id": object_id, "limit": limit}
    cursor.execute(query("reject_insert"), values)
    return cursor.rowcount


class _Pieces(io.RawIOBase):
    """A file over pieces of bytes; holds one piece at a time."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        target = memoryview(buffer)
        taken = self._rest[: len(target)]
        target[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)
