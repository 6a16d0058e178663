"""What crosses the room's border: limits, chunk plans, the inspection of an object, a parsed chunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Format = Literal["csv", "xlsx", "parquet", "ndjson"]
Int64s = npt.NDArray[np.int64]

Sink = Callable[[int, bytes], Mapping[str, Any]]
"""Stores the payload of a re-cut chunk (ordinal, bytes) and says where: the ``source`` of its plan."""

MIB = 1024 * 1024


class Readable(Protocol):
    """A stream that is read once from front to back."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes that bound the memory of reading."""

    chunk_bytes: int = 16 * MIB
    max_record_bytes: int = MIB


@dataclass(frozen=True)
class ChunkPlan:
    """A run of whole data records of one object.

    Without ``source`` the chunk is the byte range (``offset``, ``length``) of the object as it lies in
    the bucket; with it, of the payload that the sink stored. Rows and lines count from 1.
    """

    ordinal: int
    offset: int
    length: int
    first_row: int
    first_line: int
    records: int  # blank ones included
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Inspection:
    """What inspecting an object found out: all that parsing a chunk of it needs besides the contract."""

    format: Format
    compression: Literal["gzip", "zstd"] | None
    delimiter: str  # of the chunk payloads
    encoding: str  # of the chunk payloads
    header: tuple[str, ...]
    columns: Mapping[str, int]  # contract column to position in the header
    derived: Mapping[str, str]  # contract column to the text that all rows carry
    unknown: tuple[tuple[int, str], ...]  # headers that the contract has no column for
    shadowed: tuple[tuple[int, str], ...]  # aliases that lost to an earlier one of the same column
    header_rows: int  # records before the first data record
    line_is_record: bool  # sheets and Parquet: a record's line is its row in the source, not a text line
    max_record_bytes: int
    sheet: str | None = None
    sha256: str = ""  # of the object's bytes as stored
    size: int = 0
    records: int = 0  # data records, blank lines not counted
    chunks: tuple[ChunkPlan, ...] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it, without the chunk plans."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(replace(self, chunks=())).items()
            if key != "chunks"
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Inspection:
        """The inverse of ``to_dict``."""
        known = {item.name for item in fields(cls)}
        values = {key: value for key, value in document.items() if key in known}
        for name in ("unknown", "shadowed"):
            values[name] = tuple((int(index), str(text)) for index, text in values[name])
        return cls(**(values | {"header": tuple(values["header"])}))


@dataclass(frozen=True)
class ParsedChunk:
    """A chunk's rows: typed and accepted in ``table``, the others in ``rejects``.

    ``table`` has ``_row_number`` (int64) and the contract columns that the object has, in the
    contract's order, then ``_rescued`` where the contract rescues. ``lines`` holds the physical
    line of each accepted row. ``rejects`` has the schema ``rejects.SCHEMA``. ``texts``: columns of floats as
    texts that Postgres reads as the same numbers.
    """

    table: pa.Table
    lines: Int64s
    rejects: pa.Table
    blank: int
    texts: Mapping[str, pa.ChunkedArray] = field(default_factory=dict, repr=False)

    @property
    def read(self) -> int:
        """Rows read: accepted and rejected ones, blank ones not."""
        return int(self.table.num_rows + self.rejects.num_rows)

    @property
    def written(self) -> pa.Table:
        """The table as it is sent: what there are texts of, as these."""
        columns = [self.texts.get(name, self.table[name]) for name in self.table.column_names]
        return pa.table(columns, names=self.table.column_names)


def empty_ndjson(max_record_bytes: int) -> Inspection:
    """The inspection of NDJSON without any record: it has no header, and that is no drift."""
    return Inspection(
        format="ndjson",
        compression=None,
        delimiter="",
        encoding="utf-8",
        header=(),
        columns={},
        derived={},
        unknown=(),
        shadowed=(),
        header_rows=0,
        line_is_record=False,
        max_record_bytes=max_record_bytes,
    )
