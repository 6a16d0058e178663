"""COPY of a batch, around the rows that Postgres does not take."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import psycopg2
from psycopg2 import sql

from consumers.database.refusal import Refusal, refusal, row_number
from headgate.receipts import RefusedRow

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

Item = TypeVar("Item")

# Into how many parts rows are cut when nothing tells which of them is bad: with 5 a batch of 10,000 takes 2.5
# to 3 times as long as a clean one. With fewer more is tried in vain, with more there are more statements.
PARTS = 5

_COPY_BUFFER = 1 << 16


@dataclass(frozen=True)
class Staged:
    """What is in the staging table, and what not."""

    rows: int
    refused: list[RefusedRow]


def stage_rows(cursor: Cursor, copy: sql.Composed, body: bytes) -> Staged:
    """Stage the CSV of a batch; a bad row stops only itself, and what is right is copied twice at most."""
    copier = Copier(cursor, copy.as_string(cursor))
    problem = copier.attempt(body)
    if problem is not None:
        copier.around(split_records(body), problem)
    return Staged(copier.rows, copier.refused)


@dataclass
class Copier:
    """Parts of a batch by one COPY statement."""

    cursor: Cursor
    statement: str
    rows: int = 0
    refused: list[RefusedRow] = field(default_factory=list)

    def attempt(self, body: bytes) -> Refusal | None:
        """All of it or nothing; what Postgres says when it is nothing."""
        with savepoint(self.cursor) as attempt:
            self.cursor.copy_expert(self.statement, io.BytesIO(body), size=_COPY_BUFFER)
            self.rows += self.cursor.rowcount
        return attempt.problem

    def around(self, records: Sequence[bytes], problem: Refusal) -> None:
        """These records were refused together: find those that are to blame."""
        if len(records) == 1:
            self.refuse(records[0], problem)
            return
        for part in parts_around(records, _named(records, problem.line)):
            remaining = self.attempt(b"".join(part))
            if remaining is not None:
                self.around(part, remaining)

    def refuse(self, record: bytes, problem: Refusal) -> None:
        """This record was refused by itself."""
        self.refused.append(problem.of(row_number(record), record))


class savepoint:
    """Undoes its statements when Postgres refuses a row in them and keeps why; other errors pass."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.problem: Refusal | None = None

    def __enter__(self) -> Self:
        self._cursor.execute("SAVEPOINT attempt")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, psycopg2.Error):
            self.problem = refusal(error)
        if self.problem is not None:
            self._cursor.execute("ROLLBACK TO SAVEPOINT attempt")
        elif error is not None:
            return False
        self._cursor.execute("RELEASE SAVEPOINT attempt")
        return True


def parts_around(items: Sequence[Item], at: int | None) -> list[Sequence[Item]]:
    """What to try one by one: the suspect, and halves of what stands before and after it; else equal parts.

    None is longer than half of the whole, so however many are bad, the search is not deep.
    """
    if at is None:
        return slices(items)
    return [*slices(items[:at], 2), items[at : at + 1], *slices(items[at + 1 :], 2)]


def slices(records: Sequence[Item], parts: int = PARTS) -> list[Sequence[Item]]:
    """Cut into up to so many parts of about equal length, none empty, each shorter than the whole."""
    size = max(1, -(-len(records) // parts))
    return [records[start : start + size] for start in range(0, len(records), size)]


def split_records(body: bytes) -> list[bytes]:
    """The CSV's records, newline included, as one may span lines. Only for where a row was refused."""
    records: list[bytes] = []
    started: list[bytes] = []
    inside_quotes = False
    for line in _lines(body):
        started.append(line)
        inside_quotes ^= line.count(b'"') % 2 == 1
        if not inside_quotes:
            records.append(b"".join(started))
            started = []
    if started:
        records.append(b"".join(started))
    return records


def _lines(body: bytes) -> Iterator[bytes]:
    lines = body.split(b"\n")
    last = lines.pop()
    yield from (line + b"\n" for line in lines)
    if last:
        yield last


def _named(records: Sequence[bytes], line: int | None) -> int | None:
    """Index of the record that ends on or after this line."""
    if line is None:
        return None
    ends = accumulate(record.count(b"\n") for record in records)
    return next((index for index, end in enumerate(ends) if end >= line), None)
