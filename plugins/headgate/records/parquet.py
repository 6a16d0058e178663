"""Parquet: batches of rows, every value as text, into CSV payloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headgate.contract import Contract
from headgate.records.batches import csv_text
from headgate.records.compression import spool
from headgate.records.header import check_header, find_header, named, no_header
from headgate.records.model import MIB, Inspection, Limits, Readable, Sink
from headgate.records.refused import Refused
from headgate.records.staging import WELL_FORMED_LIMIT, Staging

_BATCH_BYTES = MIB
_BYTES_A_CELL = 16
_DAMAGE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError)


def read_parquet(stream: Readable, key: str, contract: Contract, limits: Limits, sink: Sink) -> Inspection:
    """Inspect a Parquet file. A record's line is its row in the file."""
    import pyarrow.parquet

    with spool(stream) as file:
        try:
            source = pyarrow.parquet.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=False)
        except _DAMAGE as error:
            raise _damaged(key, error) from None
        return _read_file(source, key, contract, limits, sink)


def _read_file(
    source: pa.ParquetFile, key: str, contract: Contract, limits: Limits, sink: Sink
) -> Inspection:
    names = source.schema_arrow.names
    header = find_header(contract, [names], key)
    if header is None:
        raise no_header(contract, [names], key)
    check_header(contract, header, key)
    staging = Staging(sink, limits.chunk_bytes, first_line=1)
    for batch in _batches(source, key):
        _stage(batch, staging, limits.chunk_bytes)
    plans = staging.finish()
    return Inspection(
        format="parquet",
        compression=None,
        delimiter=",",
        encoding="utf-8",
        header=header.names,
        columns=dict(header.match.columns),
        derived=dict(header.match.derived),
        unknown=tuple(named(header.match.unknown)),
        shadowed=header.match.shadowed,
        header_rows=0,
        line_is_record=True,
        max_record_bytes=WELL_FORMED_LIMIT,
        records=staging.records,
        chunks=plans,
    )


def _batches(source: Any, key: str) -> Iterator[pa.RecordBatch]:
    """The rows in batches of about ``_BATCH_BYTES``; ``Refused`` where the file turns out damaged."""
    batches = source.iter_batches(batch_size=_batch_rows(source.metadata), use_threads=False)
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except _DAMAGE as error:
            raise _damaged(key, error) from None
        yield batch


def _damaged(key: str, error: Exception) -> Refused:
    return Refused("format", f"{key}: a damaged or foreign Parquet file ({error}). Write it again.")


def _batch_rows(metadata: Any) -> int:
    """Rows that take about ``_BATCH_BYTES``, judged by the widest row group."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    widest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1)
    return max(int(_BATCH_BYTES / max(widest, _BYTES_A_CELL * metadata.num_columns)), 1)


def _stage(batch: pa.RecordBatch, staging: Staging, chunk_bytes: int) -> None:
    """Stage a batch; in halves where its text is longer than a chunk (Parquet packs repeated values)."""
    text = _csv(batch)
    if len(text) <= chunk_bytes or batch.num_rows == 1:
        staging.add(text, batch.num_rows)
        return
    half = batch.num_rows // 2
    _stage(batch.slice(0, half), staging, chunk_bytes)
    _stage(batch.slice(half), staging, chunk_bytes)


def _csv(batch: pa.RecordBatch) -> bytes:
    texts = [value_texts(column) for column in batch.columns]
    return csv_text(pa.Table.from_arrays(texts, names=batch.schema.names))


def value_texts(values: pa.Array) -> pa.Array:
    """Any Arrow array as strings: numbers shortest, times ISO, nested values as JSON."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return value_texts(values.dictionary_decode())
    if pa.types.is_nested(kind):
        return pa.array(
            [None if v is None else json.dumps(v, default=str) for v in values.to_pylist()], pa.string()
        )
    return pc.cast(values, pa.string())
