"""Parsing a chunk, and rejecting further rows of it after other checks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from headgate.contract import Contract
from headgate.records.boundaries import pieces
from headgate.records.delimited import line_numbers, parse_delimited, record_rules
from headgate.records.model import ChunkPlan, Inspection, Int64s, ParsedChunk
from headgate.records.ndjson import parse_json_lines
from headgate.records.rows import ROW_NUMBER
from headgate.records.structure import raw_texts
from headgate.records.violations import Violations, merge_rejects, rejects_table


def parse_chunk(payload: bytes, plan: ChunkPlan, inspection: Inspection, contract: Contract) -> ParsedChunk:
    """The rows of one chunk under a contract; bad rows are set aside with all that is wrong with them.

    ``payload``: the chunk's bytes. Rules of bad rows: quote, structure, truncated, too_long, nul_byte,
    encoding, json, unknown_column, type, required. Rows without any value are dropped and counted as blank.
    """
    parse = parse_json_lines if inspection.format == "ndjson" else parse_delimited
    return parse(payload, plan, inspection, contract)


def reject_rows(
    parsed: ParsedChunk, violations: Violations, payload: bytes, plan: ChunkPlan, inspection: Inspection
) -> ParsedChunk:
    """Move rows with violations (row indexes of ``parsed.table``) from the table to the rejects."""
    rows, listed = violations.grouped()
    if not rows.size:
        return parsed
    numbers = parsed.table[ROW_NUMBER].to_numpy()[rows]
    _, raw = raw_records(payload, plan, inspection, numbers)
    added = rejects_table(numbers, parsed.lines[rows], raw, listed)
    kept = np.delete(np.arange(parsed.table.num_rows), rows)
    return replace(
        parsed,
        table=parsed.table.take(pa.array(kept)),
        texts={name: texts.take(pa.array(kept)) for name, texts in parsed.texts.items()},
        lines=parsed.lines[kept],
        rejects=merge_rejects(parsed.rejects, added),
    )


def raw_records(
    payload: bytes, plan: ChunkPlan, inspection: Inspection, row_numbers: Int64s
) -> tuple[Int64s, pa.Array]:
    """Physical lines and raw texts of some rows of a chunk; ``row_numbers`` ascend."""
    lines, raws = [np.empty(0, np.int64)], [pa.array([], pa.string())]
    row, line = plan.first_row, plan.first_line
    for piece, records in pieces(payload, record_rules(inspection)):
        count = records.ends.size
        low, high = np.searchsorted(row_numbers, [row, row + count])
        indexes = row_numbers[low:high] - row
        lines.append(line_numbers(records, line, inspection.line_is_record)[indexes])
        raws.append(raw_texts(piece, records, indexes, inspection.encoding))
        row += count
        line += count if inspection.line_is_record else int(records.line_ends[-1])
    return np.concatenate(lines), pa.concat_arrays(raws)
