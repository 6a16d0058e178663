"""What Postgres says of a row that it does not take."""

from __future__ import annotations

import re
from dataclasses import dataclass

import psycopg2

from headgate.errors import DataError
from headgate.receipts import RefusedRow

# 21 cardinality (a key twice in a batch), 22 data exception, 23 constraint, 44 view's check option,
# 54 limits (a text too long to be indexed), P0 raised by a trigger of the table's owner.
_ROW_CLASSES = ("21", "22", "23", "44", "54", "P0")

UNIQUE_VIOLATION = "23505"
EXCLUSION_VIOLATION = "23P01"
FOREIGN_KEY_VIOLATION = "23503"

# NOT NULL and CHECK: "Failing row contains (…)".
_WHOLE_ROW = ("23502", "23514")

# `COPY stage_1, line 3, column capacity: "1e400"`, in a server that speaks English.
_COPY_LINE = re.compile(r"COPY \S+, line (\d+)")
_COPY_COLUMN = re.compile(r"COPY \S+, line \d+, column (\S+): \"(.*)\"", re.DOTALL)


@dataclass(frozen=True)
class Refusal:
    """An error of Postgres that is about a row, taken out of psycopg2's exception."""

    sqlstate: str
    reason: str
    column: str | None
    value: str | None
    line: int | None = None  # the last line of the row in what was copied, 1-based, when the server named it
    detail: str = ""
    index: str | None = None  # or another constraint

    def of(self, row_number: int, record: bytes) -> RefusedRow:
        """The quarantine's row for this record of the batch."""
        return RefusedRow(
            row_number=row_number,
            rule=f"sqlstate:{self.sqlstate}",
            reason=self.reason,
            raw=readable(record),
            column=self.column,
            value=self.value,
        )

    def row_in_detail(self, object_id: int, version: int) -> int | None:
        """The row number, where the server shows the whole failing row: it stands between these two."""
        found = re.search(rf"\b{object_id}, (\d+), {version}\b", self.detail)
        return int(found.group(1)) if found else None


def refusal(error: psycopg2.Error) -> Refusal | None:
    """What the error says of a row; ``None`` when it is about something else (a server, a lock, a bug)."""
    if not (error.pgcode or "").startswith(_ROW_CLASSES):
        return None
    context = error.diag.context or ""
    line, column = _COPY_LINE.search(context), _COPY_COLUMN.search(context)
    return Refusal(
        sqlstate=error.pgcode or "",
        reason=_reason(error),
        column=column.group(1) if column else error.diag.column_name,
        value=column.group(2) if column else None,
        line=int(line.group(1)) if line else None,
        detail=error.diag.message_detail or "",
        index=error.diag.constraint_name,
    )


def row_number(record: bytes) -> int:
    """The number in a record's first field. ``DataError`` when there is none: the row cannot be named."""
    number, _, _ = record.partition(b",")
    try:
        return int(number)
    except ValueError:
        raise DataError(
            f"a record of the body does not begin with its row number: {readable(record)[:100]!r}"
        ) from None


def readable(record: bytes) -> str:
    """A record as text that Postgres can store."""
    return record.rstrip(b"\n").decode("utf-8", "backslashreplace").replace("\0", "␀")


def _reason(error: psycopg2.Error) -> str:
    """The server's message; its detail too, but where that is the whole row, which ``raw`` has."""
    detail = error.diag.message_detail if error.pgcode not in _WHOLE_ROW else None
    return ": ".join(part.strip() for part in (error.diag.message_primary or str(error), detail) if part)
