"""Message bodies: rows as the CSV that COPY reads, compressed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

ZSTD_LEVEL = 1  # on rows of numbers smaller than level 3, and in a third of the time
_FIRST_GUESS = 4  # bytes of CSV for a byte of Arrow, at most
_FULL = 0.9  # of its size, above which a batch is closed


@dataclass(frozen=True)
class EncodedBatch:
    """The body of one message."""

    body: bytes  # zstd
    rows: int
    sha256: str  # of the body, hexadecimal
    size: int  # bytes before compression


def encode_batches(table: pa.Table, columns: Sequence[str], batch_bytes: int) -> list[EncodedBatch]:
    """A table's columns in this order as bodies of about ``batch_bytes`` (before compression), rows in order.

    CSV without header as ``COPY … (FORMAT csv)`` reads it: null is empty, the empty string is ``""``. The
    same table gives the same bytes. Holds one batch uncompressed.
    """
    import zstandard

    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    batches = []
    for text, rows in _texts(table.select(list(columns)), batch_bytes):
        body = compressor.compress(text)
        batches.append(EncodedBatch(body, rows, hashlib.sha256(body).hexdigest(), len(text)))
    return batches


def _texts(table: pa.Table, batch_bytes: int) -> Iterator[tuple[bytes, int]]:
    """CSV texts of about ``batch_bytes`` and their numbers of rows.

    Few long slices, as each costs Arrow's writer some time a column; how many rows fit into the room that is
    left is judged by the slice before.
    """
    parts: list[bytes] = []
    size = rows = start = 0
    row_bytes = _FIRST_GUESS * int(table.nbytes) / max(int(table.num_rows), 1)
    while start < table.num_rows:
        count = min(max(int((batch_bytes - size) / row_bytes), 1), table.num_rows - start)
        part = csv_text(table.slice(start, count))
        row_bytes = len(part) / count
        if parts and size + len(part) > batch_bytes:
            yield b"".join(parts), rows
            parts, size, rows = [], 0, 0
        parts.append(part)
        size, rows, start = size + len(part), rows + count, start + count
        if size > batch_bytes * _FULL:
            yield b"".join(parts), rows
            parts, size, rows = [], 0, 0
    if parts:
        yield b"".join(parts), rows


def csv_text(table: pa.Table) -> bytes:
    """The rows as CSV without header: null is empty, the empty string is ``""``."""
    import pyarrow.csv

    # Arrow's writer (seen in 26.0) writes uninitialised memory for a column with an empty chunk; filters and
    # concatenations leave such chunks behind.
    whole = table.combine_chunks()
    sink = pa.BufferOutputStream()
    options = pyarrow.csv.WriteOptions(include_header=False, batch_size=whole.num_rows or 1)
    pyarrow.csv.write_csv(whole, sink, options)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]
