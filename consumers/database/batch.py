"""One message inside a transaction: copied straight in or merged, and its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg2 import sql

from consumers.database.direct import Copied, Novelty, copy_directly, expect_distinct
from consumers.database.refusal import UNIQUE_VIOLATION, Refusal, row_number
from consumers.database.session import Target
from consumers.database.staging import Staged, parts_around, savepoint, split_records, stage_rows
from headgate import db, message, receipts
from headgate.failures import Cause, MessageError
from headgate.message import RowBatch
from headgate.receipts import Counts, Merged, RefusedRow

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def apply(
    cursor: Cursor,
    target: Target,
    batch: RowBatch,
    novelty: Novelty,
    *,
    max_bytes: int,
    ordered: bool = False,
) -> Counts:
    """Apply a batch that was claimed in this transaction.

    ``MessageError`` when the message cannot be what was sent; the caller undoes what it has done so far.
    ``max_bytes``: largest body, decompressed. ``ordered``: rows are locked in the order of their keys only.
    """
    body = message.decompress(batch.body, max_bytes)
    counts = _place(cursor, target, batch, body, novelty, ordered=ordered)
    receipts.close(cursor, batch.message_id, counts)
    return counts


def _is_first(cursor: Cursor, batch: RowBatch) -> bool:
    """Whether no other version of the object was published. ``MessageError``: the ledger knows otherwise.

    A database that was restored to an earlier moment gives ids again, and the queue may still have messages
    of its lost future: they must not pass for the batches that have their ids now.
    """
    values = {
        "message_id": batch.message_id,
        "object_id": batch.object_id,
        "dataset": batch.dataset,
        "lineage": batch.lineage,
        "version": batch.object_version,
    }
    cursor.execute(db.query("consumer_object"), values)
    known, sha256, first = db.one(cursor)
    if not known:
        raise MessageError(
            Cause.UNKNOWN_OBJECT,
            f"the ledger has no object {batch.object_id} of dataset {batch.dataset} that is version "
            f"{batch.object_version} of {batch.lineage} and was published",
        )
    if sha256 not in (None, batch.sha256):
        raise MessageError(
            Cause.CONFLICT,
            f"the ledger has another batch under the id {batch.message_id}: this message was sent before the "
            "database was restored",
        )
    return bool(first)


def _place(
    cursor: Cursor, target: Target, batch: RowBatch, body: bytes, novelty: Novelty, *, ordered: bool
) -> Counts:
    """Each row of the body into the table or the quarantine."""
    first = _is_first(cursor, batch)
    lateness = receipts.lateness(
        cursor,
        dataset=batch.dataset,
        object_id=batch.object_id,
        version=batch.object_version,
        lineage=batch.lineage,
    )
    if lateness.superseded:
        return Counts(rows=batch.rows, superseded=batch.rows)
    copied = Copied(0, [], body)
    if not ordered and novelty.is_probable(batch, first=first):
        copied = copy_directly(cursor, target, batch, body)
    staged = _stage(cursor, target, copied.rest)
    refused = copied.refused + staged.refused
    _expect_rows(batch, copied.rows + staged.rows + len(refused))
    # The merge for late rows compares each by itself. A first version gains by it as well: it has no
    # unchanged rows that would be worth looking for in the table beforehand.
    merge = _Merge(cursor, target, batch, copied.rest, late=lateness.late or first, refused=refused)
    merged = Merged(inserted=copied.rows)
    if staged.rows:
        merged += merge.whole(staged.rows)
    _quarantine(cursor, batch, refused)
    novelty.learn(batch, new=merged.inserted + len(refused) == batch.rows)
    return _counts(batch, merged, len(refused))


def _stage(cursor: Cursor, target: Target, body: bytes) -> Staged:
    if not body:
        return Staged(0, [])
    cursor.execute(db.template("consumer_clear").format(stage=target.stage))
    return stage_rows(cursor, target.copy, body)


def _quarantine(cursor: Cursor, batch: RowBatch, refused: Sequence[RefusedRow]) -> None:
    if refused:
        receipts.quarantine_rows(
            cursor,
            dataset=batch.dataset,
            object_id=batch.object_id,
            chunk_id=batch.chunk_id,
            message_id=batch.message_id,
            rows=refused,
        )


def _counts(batch: RowBatch, merged: Merged, quarantined: int) -> Counts:
    placed = merged.inserted + merged.updated + merged.unchanged + merged.superseded + quarantined
    if placed != batch.rows:
        raise MessageError(
            Cause.ROW_COUNT,
            f"of {batch.rows:,} rows {placed:,} were placed: a row number stands in the body twice",
        )
    return Counts(rows=batch.rows, **vars(merged), quarantined=quarantined)


def _expect_rows(batch: RowBatch, found: int) -> None:
    if found != batch.rows:
        raise MessageError(
            Cause.ROW_COUNT, f"the message says {batch.rows:,} rows and its body has {found:,}"
        )


@dataclass
class _Merge:
    """Staging table into the dataset's table, around the rows that its constraints refuse."""

    cursor: Cursor
    target: Target
    batch: RowBatch
    body: bytes = field(repr=False)
    late: bool
    refused: list[RefusedRow]
    records: dict[int, bytes] = field(default_factory=dict)

    def whole(self, rows: int) -> Merged:
        """All staged rows at once, as nearly always nothing is wrong."""
        with savepoint(self.cursor) as attempt:
            merged = self._merge(self.target.stage, rows, racing=False)
        if attempt.problem and attempt.problem.sqlstate == UNIQUE_VIOLATION and not self.late:
            with savepoint(self.cursor) as attempt:
                merged = self._merge(self.target.stage, rows)
        if attempt.problem is None:
            return merged
        self.cursor.execute(db.template("consumer_numbers").format(stage=self.target.stage))
        numbers = [number for (number,) in self.cursor.fetchall()]
        expect_distinct(numbers)
        return self._around(numbers, attempt.problem)

    def _around(self, numbers: Sequence[int], problem: Refusal) -> Merged:
        """These rows were refused together: merge all but those that are to blame."""
        if len(numbers) == 1:
            self.refused.append(problem.of(numbers[0], self._record(numbers[0])))
            return Merged()
        named = problem.row_in_detail(self.batch.object_id, self.batch.object_version)
        merged = Merged()
        for part in parts_around(numbers, numbers.index(named) if named in numbers else None):
            merged += self._part(part)
        return merged

    def _part(self, numbers: Sequence[int]) -> Merged:
        part = db.template("consumer_part").format(
            stage=self.target.stage, first=sql.Literal(numbers[0]), last=sql.Literal(numbers[-1])
        )
        with savepoint(self.cursor) as attempt:
            merged = self._merge(part, len(numbers))
        return merged if attempt.problem is None else self._around(numbers, attempt.problem)

    def _merge(self, stage: sql.Composable, rows: int, *, racing: bool = True) -> Merged:
        return receipts.merge(
            self.cursor,
            table=self.target.table,
            stage=stage,
            columns=self.target.columns,
            key=self.target.contract.key,
            dataset=self.batch.dataset,
            lineage=None if self.target.contract.takes_over else self.batch.lineage,
            object_id=self.batch.object_id,
            version=self.batch.object_version,
            rows=rows,
            late=self.late,
            racing=racing,
        )

    def _record(self, number: int) -> bytes:
        if not self.records:
            self.records = {row_number(record): record for record in split_records(self.body)}
        return self.records[number]
