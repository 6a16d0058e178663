"""COPY straight into the dataset's table, for batches whose rows are probably new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg2 import errors

from consumers.database.refusal import (
    EXCLUSION_VIOLATION,
    FOREIGN_KEY_VIOLATION,
    UNIQUE_VIOLATION,
    Refusal,
    row_number,
)
from consumers.database.session import Target
from consumers.database.staging import Copier, split_records
from headgate import db
from headgate.failures import Cause, MessageError
from headgate.message import RowBatch
from headgate.receipts import RefusedRow

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# With more rows than this that are refused one by one, the batch is merged: the staging table, which has no
# index and no log, bears the search for them more easily.
MANY = 10

_OF_OTHER_ROWS = (UNIQUE_VIOLATION, EXCLUSION_VIOLATION, FOREIGN_KEY_VIOLATION)

_REMEMBERED = 10_000


class Novelty:
    """Which objects' rows are probably new, by what became of their last batch here.

    A wrong guess costs time, nothing else.
    """

    def __init__(self) -> None:
        self._last: dict[int, bool] = {}

    def is_probable(self, batch: RowBatch, *, first: bool) -> bool:
        """The first batch met here is new when it is of the ``first`` version of its succession."""
        return self._last.get(batch.object_id, first)

    def learn(self, batch: RowBatch, *, new: bool) -> None:
        """What became of a batch: whether all its rows were new."""
        if len(self._last) >= _REMEMBERED:
            self._last.clear()
        self._last[batch.object_id] = new


@dataclass(frozen=True)
class Copied:
    """What was brought in, what was not, and the CSV of what has to be merged instead."""

    rows: int
    refused: list[RefusedRow]
    rest: bytes


def copy_directly(cursor: Cursor, target: Target, batch: RowBatch, body: bytes) -> Copied:
    """Bring in a batch's rows, but those that Postgres refuses; nothing where a key is there already."""
    key_index = _prepare(cursor, target, batch)
    if key_index is None:
        return Copied(0, [], body)
    cursor.execute("SAVEPOINT direct")
    copier = _DirectCopier(cursor, target.copy_direct.as_string(cursor), key_index=key_index)
    try:
        copier.bring_in(body, batch.rows)
        copied = Copied(copier.rows, copier.refused, b"".join(copier.aside))
    except (_Overlap, errors.LockNotAvailable):
        cursor.execute("ROLLBACK TO SAVEPOINT direct")
        copied = Copied(0, [], body)
    cursor.execute("RELEASE SAVEPOINT direct")
    cursor.execute(db.query("consumer_limits"))
    return copied


def _prepare(cursor: Cursor, target: Target, batch: RowBatch) -> str | None:
    """The index of the table's key; ``None`` when the table cannot be copied into."""
    values = {
        "table": target.table.as_string(cursor),
        "key": sorted(target.contract.key),
        "object_id": batch.object_id,
        "version": batch.object_version,
    }
    cursor.execute(db.query("consumer_direct"), values)
    found = cursor.fetchone()
    return found[0] if found else None


class _Overlap(Exception):
    """The batch has to be merged."""


@dataclass
class _DirectCopier(Copier):
    """Sets aside what is refused because of other rows.

    An index besides the key may just have met the row's own earlier state, and the row that this one refers
    to may stand in a part that is not tried yet. Only a merge can tell.
    """

    key_index: str = ""
    aside: list[bytes] = field(default_factory=list)

    def bring_in(self, body: bytes, rows: int) -> None:
        problem = self.attempt(body)
        if problem is not None:
            records = split_records(body)
            expect_distinct([row_number(record) for record in records])
            self.around(records, problem)
        if self.rows + len(self.aside) + len(self.refused) != rows:  # a trigger of the owner leaves rows out
            raise _Overlap

    def attempt(self, body: bytes) -> Refusal | None:
        problem = super().attempt(body)
        if problem is not None and problem.sqlstate == UNIQUE_VIOLATION and problem.index == self.key_index:
            raise _Overlap
        return problem

    def refuse(self, record: bytes, problem: Refusal) -> None:
        if problem.sqlstate in _OF_OTHER_ROWS:
            self.aside.append(record)
        else:
            super().refuse(record, problem)
        if len(self.aside) + len(self.refused) > MANY:
            raise _Overlap


def expect_distinct(numbers: Sequence[int]) -> None:
    """A refused row is told by its number."""
    if len(set(numbers)) < len(numbers):
        raise MessageError(Cause.ROW_COUNT, "a row number stands in the body twice")
