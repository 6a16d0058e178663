"""Message bodies: rows as the CSV that COPY reads, compressed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headgate.records.buffers import bytes_of, holds_any, offsets_of
from headgate.records.model import MIB

ZSTD_LEVEL = 1  # on rows of numbers smaller than level 3, and in a third of the time
_SPECIAL = ',"\n\r'  # what a text is quoted for
_PIECE_BYTES = 4 * MIB
_PART_BYTES = 256 * MIB  # of Arrow, written at once: a column of texts holds 2 GiB at most


@dataclass(frozen=True)
class EncodedBatch:
    """The body of one message."""

    body: bytes  # zstd
    rows: int
    sha256: str  # of the body, hexadecimal
    size: int  # bytes before compression


def encode_batches(table: pa.Table, columns: Sequence[str], batch_bytes: int) -> list[EncodedBatch]:
    """A table's columns in this order as bodies of about ``batch_bytes`` (before compression), rows in order.

    CSV without header as ``COPY … (FORMAT csv)`` reads it, see ``csv_text``. The same table gives the same
    bytes.
    """
    import zstandard

    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    batches = []
    for text, rows in _texts(table.select(list(columns)), batch_bytes):
        body = compressor.compress(text)
        batches.append(EncodedBatch(body, rows, hashlib.sha256(body).hexdigest(), len(text)))
    return batches


def csv_text(table: pa.Table) -> bytes:
    """The rows as CSV without header: null is empty, the empty string is ``""``; quotes only where needed."""
    return b"".join(csv_pieces(table))


def csv_pieces(table: pa.Table) -> Iterator[memoryview]:
    """``csv_text`` in pieces, each made when it is asked for."""
    return (bytes_of(_lines(part)) for part in _parts(table, _PIECE_BYTES))


def _texts(table: pa.Table, batch_bytes: int) -> Iterator[tuple[memoryview, int]]:
    """CSV texts of about equal size, up to ``batch_bytes`` and a row, with their numbers of rows."""
    for part in _parts(table, _PART_BYTES):
        lines = _lines(part)
        text, offsets = bytes_of(lines), offsets_of(lines)
        wanted = np.linspace(0, len(text), max(-(-len(text) // batch_bytes), 1) + 1)[1:]
        start = 0
        for end in np.unique(np.searchsorted(offsets, wanted, side="right") - 1).tolist():
            if end > start:
                yield text[offsets[start] : offsets[end]], end - start
                start = end


def _parts(table: pa.Table, size: int) -> Iterator[pa.Table]:
    """The table in slices of about ``size`` bytes of Arrow."""
    rows = max(table.num_rows * size // max(int(table.nbytes), size), 1)
    return (table.slice(start, rows) for start in range(0, table.num_rows, rows))


def _lines(table: pa.Table) -> pa.Array:
    """Each row as a line. Arrow's own CSV writer quotes every text and takes twice as long."""
    *cells, last = [_cells(column) for column in table.columns]
    last = pc.binary_join_element_wise(last, "\n", "", null_handling="replace", null_replacement="")
    return pc.binary_join_element_wise(*cells, last, ",", null_handling="replace", null_replacement="")


def _cells(column: pa.ChunkedArray) -> pa.Array:
    """A column's values as they stand in CSV; null stays null."""
    values = pc.cast(column.combine_chunks(), pa.string())
    if not pa.types.is_string(column.type):
        return values
    reasons = [pc.match_substring(values, special) for special in _SPECIAL if holds_any(values, special)]
    empty = pc.equal(pc.binary_length(values), 0)
    if pc.any(empty).as_py():
        reasons.append(empty)
    if not reasons:
        return values
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(values, '"', '""'), '"', "")
    for reason in reasons:
        values = pc.if_else(reason, quoted, values)
    return values
