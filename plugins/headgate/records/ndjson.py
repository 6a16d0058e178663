"""NDJSON: one JSON object a line. A value becomes the text that stands in the file, then types as usual."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headgate.contract import Contract, HeaderMatch, fold, match_header
from headgate.records.boundaries import Records, pieces
from headgate.records.compression import PeekableReader
from headgate.records.cutting import BLOCK_BYTES, Cutter
from headgate.records.dialect import BOM
from headgate.records.header import Header, check_header, named, no_header
from headgate.records.model import (
    MIB,
    ChunkPlan,
    Inspection,
    Int64s,
    Limits,
    ParsedChunk,
    Sink,
    empty_ndjson,
)
from headgate.records.rescue import rescued_column
from headgate.records.rows import Reading, Typed, type_rows
from headgate.records.structure import check_structure, raw_texts
from headgate.records.tracing import CR, LF, Rules
from headgate.records.violations import Violations, merge_rejects, rejects_table

_SAMPLED_LINES = 1000
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it; not behind an escaped backslash
_PIECE_BYTES = MIB  # Python objects take about ten times their text


def read_ndjson(
    reader: PeekableReader, key: str, contract: Contract, limits: Limits, sink: Sink | None
) -> Inspection:
    """Inspect NDJSON. The keys of the first lines are its header; later ones are met in parsing."""
    head = reader.peek(BLOCK_BYTES)
    start = len(BOM) if head.startswith(BOM) else 0
    names = _sample_keys(head[start:])
    match = match_header(contract, names, key)
    if not match.score:
        raise no_header(contract, [names], key)
    check_header(contract, Header(tuple(names), match, 0, tuple(names)), key)
    columns = _all_columns(contract, match, len(names))
    rules = Rules(delimiter=0, limit=limits.max_record_bytes, quoting=False)
    cutter = Cutter(rules, limits, offset=start, first_line=1, sink=sink)
    cutter.cut(reader.read(BLOCK_BYTES)[start:], reader)
    return replace(
        empty_ndjson(limits.max_record_bytes),
        header=(*names, *list(columns)[len(match.columns) :]),
        columns=columns,
        derived=dict(match.derived),
        unknown=tuple(named(match.unknown)),
        shadowed=match.shadowed,
        records=cutter.records - cutter.blank_lines,
        chunks=tuple(cutter.plans),
    )


def parse_json_lines(
    payload: bytes, plan: ChunkPlan, inspection: Inspection, contract: Contract
) -> ParsedChunk:
    """The rows of a chunk; see ``parse_chunk``. Bad lines: rule ``json``, a cut-off one ``truncated``."""
    rules = Rules(delimiter=0, limit=inspection.max_record_bytes, quoting=False)
    parts, row, line = [], plan.first_row, plan.first_line
    for piece, records in pieces(payload, rules, _PIECE_BYTES):
        parts.append(_read_piece(piece, records, rules, row, line))
        row += records.ends.size
        line += int(records.line_ends[-1])
    cells = _united(parts)
    numbers = np.concatenate([np.empty(0, np.int64), *(part.numbers for part in parts)])
    lines = np.concatenate([np.empty(0, np.int64), *(part.lines for part in parts)])
    raw = pa.concat_arrays([pa.array([], pa.string()), *(part.raw for part in parts)])
    typed = _type(cells, numbers.size, inspection, contract)
    rows, listed = typed.violations.grouped()
    rejects = rejects_table(numbers[rows], lines[rows], raw.take(pa.array(rows)), listed)
    return ParsedChunk(
        typed.table(numbers[typed.accepted]),
        lines[typed.accepted],
        merge_rejects(*(part.rejects for part in parts), rejects),
        sum(part.blank for part in parts),
        typed.written(),
    )


@dataclass(frozen=True)
class _Part:
    """The good lines of a piece: a text column a key, and where the lines stand."""

    cells: Mapping[str, pa.Array]
    numbers: Int64s
    lines: Int64s
    raw: pa.Array
    rejects: pa.Table
    blank: int


def _all_columns(contract: Contract, match: HeaderMatch, width: int) -> dict[str, int]:
    """Every column of the contract that is not derived: a later line may have the key, and no key is null."""
    missing = [
        c.name for c in contract.columns if c.name not in match.columns and c.name not in match.derived
    ]
    return {**match.columns, **{name: width + place for place, name in enumerate(missing)}}


def _sample_keys(head: bytes) -> list[str]:
    keys: dict[str, None] = {}
    for line in islice(head.split(b"\n"), _SAMPLED_LINES):
        try:
            document = json.loads(line)
            _require_characters(line.decode(), document)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            keys |= dict.fromkeys(document)
    return list(keys)


def _read_piece(piece: bytes, records: Records, rules: Rules, first_row: int, first_line: int) -> _Part:
    structure = check_structure(piece, records, rules, "utf-8")
    good, documents, bad = _load(piece, records, structure.readable)
    violations = structure.violations
    _add_bad_lines(violations, bad, piece, records)
    cells = _columns(documents)
    blank = _blank(cells, len(documents))
    kept = np.delete(np.arange(len(documents)), blank)
    good = good[kept]
    rejected, listed = violations.grouped()
    lines = first_line + records.line_starts
    return _Part(
        {key: text.take(pa.array(kept)) for key, text in cells.items()} if blank.size else cells,
        good + first_row,
        lines[good],
        raw_texts(piece, records, good, "utf-8"),
        rejects_table(
            rejected + first_row, lines[rejected], raw_texts(piece, records, rejected, "utf-8"), listed
        ),
        structure.blank + int(blank.size),
    )


def _load(
    piece: bytes, records: Records, readable: Int64s
) -> tuple[Int64s, list[dict[str, Any]], list[tuple[int, str]]]:
    """The lines that are JSON objects: indexes and contents, numbers as text; the others with the reason."""
    good, documents, bad = [], [], []
    starts, ends = records.starts.tolist(), records.ends.tolist()
    load = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode
    for index in readable.tolist():
        try:
            line = str(piece[starts[index] : ends[index]], "utf-8")
            document = load(line)
            _require_characters(line, document)
        except (ValueError, RecursionError) as error:
            bad.append((index, f"the line is not JSON: {_fault(error)}"))
            continue
        if isinstance(document, dict):
            good.append(index)
            documents.append(document)
        else:
            bad.append((index, "the line is JSON, but not an object"))
    return np.array(good, np.int64), documents, bad


def _require_characters(line: str, document: Any) -> None:
    """Raise ``ValueError`` for what JSON can escape and a text of Postgres cannot hold.

    That is NUL, and half of a surrogate pair: whoever cuts a text at so many UTF-16 units, as JavaScript and
    C# do, sends such halves.
    """
    if "\\u" in line:
        written = json.dumps(document, ensure_ascii=False)
        written.encode()
        if _NUL.search(written):
            raise ValueError("a text has the character NUL")


def _add_bad_lines(
    violations: Violations, bad: Sequence[tuple[int, str]], piece: bytes, records: Records
) -> None:
    cut_off = piece[records.consumed - 1] not in (LF, CR)
    for index, reason in bad:
        last = cut_off and index == records.ends.size - 1
        rule = "truncated" if last else "json"
        note = "; the object looks cut off" if last else ""
        violations.add(np.array([index]), rule, None, None, reason + note)


def _columns(documents: Sequence[dict[str, Any]]) -> dict[str, pa.Array]:
    keys: dict[str, None] = {}
    for document in documents:
        if not document.keys() <= keys.keys():
            keys |= dict.fromkeys(document)
    return {key: _texts([document.get(key) for document in documents]) for key in keys}


def _texts(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)  # true, false, or nested (its numbers as strings)


def _fault(error: ValueError | RecursionError) -> str:
    """What is wrong with the line, and where in it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1}"
    if isinstance(error, UnicodeEncodeError):
        return "a text has half of a character (one \\u escape of a pair)"
    return str(error)


def _blank(cells: Mapping[str, pa.Array], rows: int) -> Int64s:
    """Lines whose values are all null or white space."""
    empty = pa.repeat(True, rows)
    for text in cells.values():
        empty = pc.and_(empty, pc.or_kleene(text.is_null(), pc.equal(pc.utf8_trim_whitespace(text), "")))
        if not pc.any(empty).as_py():
            return np.empty(0, np.int64)
    return np.flatnonzero(empty.to_numpy(zero_copy_only=False))


def _united(parts: Sequence[_Part]) -> dict[str, pa.Array]:
    """The columns of all pieces, null where a piece has no such key."""
    keys = dict.fromkeys(key for part in parts for key in part.cells)
    return {
        key: pa.concat_arrays(
            [part.cells.get(key, pa.nulls(part.numbers.size, pa.string())) for part in parts]
        )
        for key in keys
    }


def _type(cells: Mapping[str, pa.Array], rows: int, inspection: Inspection, contract: Contract) -> Typed:
    """Type the rows of a chunk by its own keys; columns that only other chunks have are null."""
    keys = list(cells)
    match = match_header(contract, keys)
    own = replace(
        inspection,
        header=tuple(keys),
        columns={**inspection.columns, **match.columns},
        derived={name: text for name, text in inspection.derived.items() if name not in match.columns},
        unknown=tuple(named(match.unknown)),
        shadowed=match.shadowed,
    )
    reading = Reading(own, contract)
    texts = {name: pa.nulls(rows, pa.string()) for name in inspection.columns}
    for name, index in match.columns.items():
        aliases = {fold(alias) for alias in contract.by_name[name].aliases}
        others = [cells[key] for place, key in enumerate(keys) if place != index and fold(key) in aliases]
        texts[name] = pc.coalesce(cells[keys[index]], *others)
    rescued = (
        rescued_column([(name, cells[name]) for _, name in reading.rescued], rows)
        if reading.rescued
        else None
    )
    late = [] if contract.drift in ("rescue", "discard") else [name for _, name in own.unknown]
    return type_rows(texts, rows, reading, rescued, _late_keys(late, cells))


def _late_keys(names: Sequence[str], cells: Mapping[str, pa.Array]) -> Violations:
    """Rows with a key that the contract does not know and that inspecting the first lines did not meet."""
    violations = Violations()
    for name in names:
        rows = np.flatnonzero(cells[name].is_valid().to_numpy(zero_copy_only=False))
        reason = f"the contract does not know the key {name!r}; add it to the contract and replay the row"
        violations.add(rows, "unknown_column", name, cells[name].take(pa.array(rows)), reason)
    return violations
