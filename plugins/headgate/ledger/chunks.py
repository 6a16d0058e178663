"""Chunks and batches: the cut of an object, what was staged of it, what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from psycopg2.extras import Json, execute_values

from headgate.db import one, query, records, transaction
from headgate.errors import Fatal
from headgate.ledger.objects import lock_object, pages

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from headgate.message import RowBatch

PAGE = 500  # chunks recorded in one transaction


@dataclass(frozen=True)
class PlannedChunk:
    """A piece of an object: `source` says where its bytes are (bucket, key, offset, length, …).

    `first_row` (data record) and `first_line` (physical line) are 1-based; `records` counts blank ones too.
    """

    ordinal: int
    source: dict[str, Any]
    first_row: int
    first_line: int
    records: int


@dataclass(frozen=True)
class ChunkWork(PlannedChunk):
    """A planned chunk as the ledger knows it."""

    chunk_id: int
    object_id: int


@dataclass(frozen=True)
class Chunk(ChunkWork):
    """A chunk with what validation counted; `staged` names what it staged."""

    state: str
    staged: str
    rows_read: int
    rows_rejected: int
    rule_counts: dict[str, int]


@dataclass(frozen=True)
class StagedCounts:
    """Rows of a chunk: read = accepted + rejected; blank records are counted apart.

    `rule_counts`: rejected rows by rule; warnings under ``warning:<rule>``.
    """

    read: int
    blank: int
    accepted: int
    rejected: int
    rule_counts: Mapping[str, int]


@dataclass(frozen=True)
class StagedBatch:
    """A message to be: `byte_length` bytes at `byte_offset` of the chunk's staged object, and their digest.

    `first_row` and `last_row` are the numbers of its first and last row in the landing object.
    """

    message_id: UUID
    ordinal: int
    byte_offset: int
    byte_length: int
    rows: int
    first_row: int
    last_row: int
    sha256: str


@dataclass(frozen=True)
class BatchRef:
    """All that a message says, and where its bytes are staged (`staged` names its chunk's objects)."""

    message_id: UUID
    dataset: str
    contract_version: int
    object_id: int
    object_version: int
    lineage: str
    chunk_id: int
    chunk: int
    batch: int
    byte_offset: int
    byte_length: int
    rows: int
    sha256: str
    staged: str
    run_id: int

    def message(self, columns: tuple[str, ...], body: bytes) -> RowBatch:
        """The message, of these bytes."""
        from headgate.message import RowBatch, traceparent

        return RowBatch(
            dataset=self.dataset,
            contract_version=self.contract_version,
            object_id=self.object_id,
            object_version=self.object_version,
            lineage=self.lineage,
            chunk_id=self.chunk_id,
            chunk=self.chunk,
            batch=self.batch,
            rows=self.rows,
            columns=columns,
            sha256=self.sha256,
            run_id=self.run_id,
            traceparent=traceparent(self.run_id, self.object_id),
            body=body,
        )


@dataclass(frozen=True)
class WorkSize:
    """Chunks that a run has to validate, and their bytes."""

    chunks: int
    chunk_bytes: int


def plan_chunks(conn: Connection, object_id: int, plans: Iterable[PlannedChunk]) -> int:
    """Replace the object's chunks; how many there are now. Recorded in pages while `plans` is being read.

    ``Fatal`` when the object is published already.
    """
    with transaction(conn) as cursor:
        if lock_object(cursor, object_id).published:
            raise Fatal(f"object {object_id} is published and cannot be cut again")
        cursor.execute(query("chunk_delete"), {"object_ids": [object_id]})
    count = 0
    for page in pages(plans, PAGE):
        with transaction(conn) as cursor:
            rows = [
                (object_id, p.ordinal, Json(p.source), p.first_row, p.first_line, p.records) for p in page
            ]
            execute_values(cursor, query("chunk_insert"), rows, page_size=PAGE)
        count += len(page)
    return count


def work_size(conn: Connection, run_id: int) -> WorkSize:
    """How much the run has to validate."""
    with transaction(conn) as cursor:
        cursor.execute(query("work_size"), {"run_id": run_id})
        return records(cursor, WorkSize)[0]


def chunk_work(
    conn: Connection, run_id: int, lane: int, lanes: int, *, state: Literal["planned", "staged"] = "planned"
) -> list[ChunkWork]:
    """A lane's share of the chunks of the run's inspected objects."""
    with transaction(conn) as cursor:
        cursor.execute(query("chunk_work"), {"run_id": run_id, "lane": lane, "lanes": lanes, "state": state})
        return records(cursor, ChunkWork)


def chunks_of(conn: Connection, object_id: int) -> list[Chunk]:
    """The object's chunks in order."""
    with transaction(conn) as cursor:
        cursor.execute(query("chunk_of_object"), {"object_id": object_id})
        return records(cursor, Chunk)


def record_staged(
    conn: Connection,
    chunk_id: int,
    counts: StagedCounts,
    batches: Sequence[StagedBatch],
    *,
    name: str = "",
    again: bool = False,
) -> bool:
    """What validation made of a chunk and staged under this name.

    False, and nothing is changed, when another attempt was first. `again` is the gate's: it replaces what
    validation staged, until the object is published.
    """
    if sum(batch.rows for batch in batches) != counts.accepted:
        raise Fatal(f"chunk {chunk_id}: the batches do not hold the {counts.accepted} accepted rows")
    with transaction(conn) as cursor:
        cursor.execute(query("chunk_lock"), {"chunk_id": chunk_id})
        chunk, found = one(cursor)
        if chunk != ("staged" if again else "planned") or found in ("published", "loaded"):
            return False
        values = {**vars(counts), "rule_counts": Json(dict(counts.rule_counts)), "chunk_id": chunk_id}
        values["staged"] = name
        cursor.execute(query("chunk_staged"), values)
        cursor.execute(query("batch_delete"), {"chunk_id": chunk_id})
        insert_batches(cursor, chunk_id, batches)
    return True


def insert_batches(cursor: Cursor, chunk_id: int, batches: Iterable[StagedBatch]) -> None:
    """Batches of a chunk that are staged, and not sent yet."""
    rows = [(chunk_id, *vars(batch).values()) for batch in batches]
    execute_values(cursor, query("batch_insert"), rows)


def chunks_to_stream(conn: Connection, run_id: int, lane: int, lanes: int) -> list[int]:
    """Ids of a lane's published chunks not all sent; old versions first."""
    with transaction(conn) as cursor:
        cursor.execute(query("chunk_to_stream"), {"run_id": run_id, "lane": lane, "lanes": lanes})
        return [chunk_id for (chunk_id,) in cursor]


def batches_to_stream(conn: Connection, run_id: int, lane: int, lanes: int) -> Iterator[BatchRef]:
    """A lane's batches that the broker has not confirmed, in the order of their chunks, a page at a time.

    No transaction is open between two of them, so `mark_streamed` may use the same connection.
    """
    for page in pages(chunks_to_stream(conn, run_id, lane, lanes), PAGE):
        with transaction(conn) as cursor:
            cursor.execute(query("batch_to_stream"), {"chunk_ids": page})
            batches = records(cursor, BatchRef)
        yield from batches


def mark_streamed(conn: Connection, message_ids: Sequence[UUID]) -> None:
    """The broker confirmed these messages."""
    with transaction(conn) as cursor:
        cursor.execute(query("batch_streamed"), {"message_ids": list(message_ids)})
