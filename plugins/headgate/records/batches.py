"""Message bodies: rows as the CSV that COPY reads, compressed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from headgate.records.model import MIB

ZSTD_LEVEL = 3
_SLICE_BYTES = MIB


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
    """CSV texts of about ``batch_bytes`` and their numbers of rows."""
    parts: list[bytes] = []
    size = rows = start = 0
    step = _slice_rows(table, min(batch_bytes, _SLICE_BYTES))
    while start < table.num_rows:
        part = csv_text(table.slice(start, step))
        count = min(step, table.num_rows - start)
        if parts and size + len(part) > batch_bytes:
            yield b"".join(parts), rows
            parts, size, rows = [], 0, 0
        parts.append(part)
        size, rows, start = size + len(part), rows + count, start + count
    if parts:
        yield b"".join(parts), rows


def _slice_rows(table: pa.Table, target: int) -> int:
    """Rows whose CSV takes about ``target`` bytes, judged by the Arrow size, which is of the same order."""
    if not table.num_rows:
        return 1
    return max(target * int(table.num_rows) // max(int(table.nbytes), 1), 1)


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
