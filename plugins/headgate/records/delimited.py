"""Parsing a chunk of delimited text: structure, then cells, then types; numbering exact throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headgate.contract import Contract
from headgate.errors import Fatal
from headgate.records.boundaries import Records, pieces
from headgate.records.model import ChunkPlan, Inspection, Int64s, ParsedChunk
from headgate.records.rescue import rescued_column
from headgate.records.rows import Reading, Typed, type_rows
from headgate.records.structure import check_structure, is_blank, raw_texts, regular_structure
from headgate.records.tracing import Rules
from headgate.records.violations import SCHEMA, rejects_table


@dataclass(frozen=True)
class _Part:
    table: pa.Table
    lines: Int64s
    rejects: pa.Table
    blank: int
    texts: dict[str, pa.ChunkedArray]


def parse_delimited(
    payload: bytes, plan: ChunkPlan, inspection: Inspection, contract: Contract
) -> ParsedChunk:
    """The rows of a chunk; see ``parse_chunk``."""
    reading = Reading(inspection, contract)
    rules = record_rules(inspection)
    parts, row, line = [], plan.first_row, plan.first_line
    for piece, records in pieces(payload, rules):
        parts.append(_parse_piece(piece, records, rules, reading, row, line))
        row += records.ends.size
        line += records.ends.size if inspection.line_is_record else int(records.line_ends[-1])
    if not parts:
        return ParsedChunk(reading.empty_table(), np.empty(0, np.int64), SCHEMA.empty_table(), 0)
    return ParsedChunk(
        pa.concat_tables([part.table for part in parts]),
        np.concatenate([part.lines for part in parts]),
        pa.concat_tables([part.rejects for part in parts]),
        sum(part.blank for part in parts),
        {name: _united([part.texts[name] for part in parts]) for name in parts[0].texts},
    )


def record_rules(inspection: Inspection) -> Rules:
    """How the chunk payloads of an inspected object are split into records."""
    if inspection.format == "ndjson":
        return Rules(delimiter=0, limit=inspection.max_record_bytes, quoting=False)
    return Rules(ord(inspection.delimiter), inspection.max_record_bytes, len(inspection.header))


def line_numbers(records: Records, first: int, line_is_record: bool) -> Int64s:
    """The physical line of each record, the first being ``first``."""
    return first + (np.arange(records.ends.size) if line_is_record else records.line_starts)


def _parse_piece(
    piece: bytes, records: Records, rules: Rules, reading: Reading, first_row: int, first_line: int
) -> _Part:
    inspection = reading.inspection
    structure = regular_structure(piece, records, rules, inspection.encoding)
    cells = _try_cells(piece, records, structure.readable, reading) if structure else None
    if structure is None or cells is None:
        structure = check_structure(piece, records, rules, inspection.encoding)
        cells = _read_cells(piece, records, structure.readable, reading)
    blank = _blank_rows(cells, piece, records, structure.readable, rules.delimiter)
    readable = structure.readable
    if blank.size:
        kept = np.delete(np.arange(readable.size), blank)
        readable, cells = readable[kept], cells.take(pa.array(kept))
    typed = _type_cells(cells, reading)
    violations = structure.violations
    violations.extend(typed.violations, readable)
    rejected, listed = violations.grouped()
    lines = line_numbers(records, first_line, inspection.line_is_record)
    rejects = rejects_table(
        rejected + first_row,
        lines[rejected],
        raw_texts(piece, records, rejected, inspection.encoding),
        listed,
    )
    accepted = readable[typed.accepted]
    return _Part(
        typed.table(accepted + first_row),
        lines[accepted],
        rejects,
        structure.blank + int(blank.size),
        typed.written(),
    )


def _united(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())


def _try_cells(piece: bytes, records: Records, readable: Int64s, reading: Reading) -> pa.Table | None:
    """The cells of all records; ``None`` where the reader finds one that has not as many as the header."""
    try:
        cells = _csv_cells(piece, records, readable, reading)
    except pa.ArrowInvalid:
        return None
    return cells if cells.num_rows == readable.size else None


def _read_cells(piece: bytes, records: Records, readable: Int64s, reading: Reading) -> pa.Table:
    """The cells of the readable records."""
    cells = _csv_cells(piece, records, readable, reading)
    if cells.num_rows != readable.size:
        raise Fatal(
            f"the CSV reader made {cells.num_rows} rows of {readable.size} records: "
            "rows would get wrong numbers. Please report this with the object's chunk."
        )
    return cells


def _csv_cells(piece: bytes, records: Records, readable: Int64s, reading: Reading) -> pa.Table:
    """The wanted columns of the readable records as strings, null where a cell is empty."""
    import pyarrow.csv

    names = [str(index) for index in reading.wanted]
    if not readable.size:
        return pa.table({name: pa.array([], pa.string()) for name in names})
    text = _joined(piece, records, readable)
    if reading.inspection.encoding.lower().replace("-", "") not in ("utf8", "ascii", "usascii"):
        text = str(text, reading.inspection.encoding).encode()
    return pyarrow.csv.read_csv(
        pa.py_buffer(text),
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False,
            block_size=len(text) + 1,  # one block: numbers of rows are then exact, and quotes may span lines
            column_names=[str(index) for index in range(len(reading.inspection.header))],
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=reading.inspection.delimiter, ignore_empty_lines=False
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=names,
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        ),
    )


def _joined(piece: bytes, records: Records, indexes: Int64s) -> memoryview | bytes:
    """The bytes of some records, one after the other."""
    view = memoryview(piece)
    if indexes.size == records.ends.size:
        return view[: records.consumed]
    breaks = np.flatnonzero(np.diff(indexes) != 1)
    firsts = records.starts[indexes[np.concatenate([[0], breaks + 1])]].tolist()
    lasts = records.ends[indexes[np.append(breaks, indexes.size - 1)]].tolist()
    return b"".join([view[start:end] for start, end in zip(firsts, lasts, strict=True)])


def _blank_rows(cells: pa.Table, piece: bytes, records: Records, readable: Int64s, delimiter: int) -> Int64s:
    """Rows without any value, also in the columns that the contract does not know."""
    empty = pa.repeat(True, cells.num_rows)
    for name in cells.column_names:
        text = pc.utf8_trim_whitespace(cells[name].combine_chunks())
        empty = pc.and_(empty, pc.or_kleene(text.is_null(), pc.equal(text, "")))
        if not pc.any(empty).as_py():
            return np.empty(0, np.int64)
    candidates = np.flatnonzero(empty.to_numpy(zero_copy_only=False)).tolist()
    starts, ends = records.starts[readable], records.ends[readable]
    return np.array([i for i in candidates if is_blank(piece[starts[i] : ends[i]], delimiter)], np.int64)


def _type_cells(cells: pa.Table, reading: Reading) -> Typed:
    columns = reading.inspection.columns
    texts = {name: cells[str(index)].combine_chunks() for name, index in columns.items()}
    rescued = None
    if reading.rescued:
        rescued = rescued_column(_named_texts(cells, reading.rescued), cells.num_rows)
    return type_rows(texts, cells.num_rows, reading, rescued)


def _named_texts(cells: pa.Table, columns: Sequence[tuple[int, str]]) -> list[tuple[str, pa.Array]]:
    return [(name, cells[str(index)].combine_chunks()) for index, name in columns]
