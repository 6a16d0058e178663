"""Blocks to files: text formats from prepared fragments, typed formats from tables.

A text row is joined from its own few cells and from two fragments that are rendered once for the
whole pool, so a file is written at the speed of copying memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headgate.sample.layout import columns, headers, long_names, old_sequences
from headgate.sample.rows import Block, Pools, Truth, blocks, pools
from headgate.sample.spec import Spec

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[int], None]
"""Called with the number of rows just written."""

_ROW_COLUMNS = frozenset({"SEQPLT", "SEQGEN", "YEAR", "PSTATABB", "PNAME", "ORISPL", "GENID"})
_NUMERIC_ROW_COLUMNS = frozenset({"SEQPLT", "SEQGEN", "YEAR"})
_NET_GENERATION = ("PLNGENAN", "GENNTAN")
NOT_A_NUMBER = "n.a."


def write_sample(spec: Spec, progress: Progress | None = None) -> Truth:
    """Write the file of a specification; what a loader must find in it.

    The file gets its name when it is complete. Memory is bounded by a block, whatever the number of rows.
    """
    pool, truth = pools(spec), Truth()
    writers = {"csv": _write_text, "ndjson": _write_text, "parquet": _write_parquet, "xlsx": _write_xlsx}
    spec.out.parent.mkdir(parents=True, exist_ok=True)
    draft = spec.out.with_name(spec.out.name + ".part")
    try:
        writers[spec.format](spec, pool, draft, _told(blocks(spec, pool, truth), progress))
        draft.replace(spec.out)
    finally:
        draft.unlink(missing_ok=True)
    return truth


def _told(made: Iterator[Block], progress: Progress | None) -> Iterator[Block]:
    for block in made:
        yield block
        if progress is not None:
            progress(len(block))


@dataclass(frozen=True)
class _Fragment:
    """A run of columns rendered for every row of a pool, and its spoilt variants by rule."""

    source: str  # 'place' or 'energy'
    texts: pa.Array
    spoilt: dict[str, pa.Array]

    def of(self, block: Block) -> pa.Array:
        """The fragment of each row of the block."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = pa.array(getattr(block, self.source))
        made = self.texts.take(rows)
        for rule, texts in self.spoilt.items():
            mask = block.bad.get(rule)
            if mask is not None and mask.any():
                made = pc.if_else(pa.array(mask), texts.take(rows), made)
        return made


def _write_text(spec: Spec, pool: Pools, out: Path, made: Iterator[Block]) -> None:
    names = columns(spec)
    shown = dict(zip(names, headers(spec, names), strict=True))
    old = old_sequences(spec) if spec.format == "csv" else []
    parts = _parts(spec, pool, names, shown)
    with _opened(out, spec.out.suffix) as write:
        if spec.format == "csv":
            write((",".join([*shown.values(), *old]) + "\r\n").encode())
        for block in made:
            write(_lines(spec, block, parts, shown, len(old)))


def _parts(spec: Spec, pool: Pools, names: Sequence[str], shown: dict[str, str]) -> list[str | _Fragment]:
    """The row's columns in order: names of its own cells, and fragments of the pools between them."""
    parts: list[str | _Fragment] = []
    tables = {"place": pool.place.table, "energy": pool.energy}
    for source, group in groupby(names, lambda name: _source(pool, name)):
        run = list(group)
        parts += run if source == "row" else [_fragment(spec, source, tables[source], run, shown)]
    return parts


def _source(pool: Pools, name: str) -> str:
    if name in _ROW_COLUMNS:
        return "row"
    return "place" if name in pool.place.table.column_names else "energy"


def _fragment(spec: Spec, source: str, table: pa.Table, run: list[str], shown: dict[str, str]) -> _Fragment:
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = {name: _rendered(spec, name, table.column(name).combine_chunks(), shown[name]) for name in run}

    def joined(changed: dict[str, pa.Array], names: Sequence[str] = run) -> pa.Array:
        return pc.binary_join_element_wise(*((cells | changed)[name] for name in names), ",")

    spoilt: dict[str, pa.Array] = {}
    if "NAMEPCAP" in run:
        below = pc.negate(pc.add(table.column("NAMEPCAP").combine_chunks(), 1.0))
        negative = _rendered(spec, "NAMEPCAP", below, shown["NAMEPCAP"])
        spoilt["nameplate_capacity_not_negative"] = joined({"NAMEPCAP": negative})
    for name in _NET_GENERATION:
        if name in run:
            wrong = _rendered(spec, name, pa.repeat(NOT_A_NUMBER, len(table)), shown[name])
            spoilt["type"] = joined({name: wrong})
    if source == "energy" and len(run) > 1:
        spoilt["structure"] = joined({}, run[: max(1, len(run) // 2)])
    return _Fragment(source, joined({}), spoilt)


def _rendered(spec: Spec, name: str, cells: pa.Array, header: str) -> pa.Array:
    """Cells as they stand in the file; in NDJSON with their name."""
    if spec.format == "ndjson":
        return _json_members(cells, header)
    return _csv_cells(spec, name, cells)


def _json_members(cells: pa.Array, header: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    key = json.dumps(header) + ":"
    if pa.types.is_string(cells.type):
        values = pa.array(["null" if cell is None else json.dumps(cell) for cell in cells.to_pylist()])
    else:
        values = pc.fill_null(pc.cast(cells, pa.string()), "null")
    return pc.binary_join_element_wise(key, values, "")


def _csv_cells(spec: Spec, name: str, cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name == "NAMEPCAP" and spec.year == 2016:  # that year's exports carry the sheet's number format
        cells = pa.array([None if cell is None else f"{cell:,}" for cell in cells.to_pylist()])
    texts = pc.cast(cells, pa.string())
    null = "N/A" if spec.year <= 2000 and name in (*_NET_GENERATION, "LAT", "LON") else ""
    return _quoted(pc.fill_null(texts, null))


def _quoted(texts: pa.Array) -> pa.Array:
    """Quotes around what has a comma, as spreadsheets write it; no cell here has quotes of its own."""
    import pyarrow.compute as pc

    marked = pc.binary_join_element_wise('"', texts, '"', "")
    return pc.if_else(pc.match_substring(texts, ","), marked, texts)


def _lines(
    spec: Spec, block: Block, parts: list[str | _Fragment], shown: dict[str, str], old: int
) -> memoryview:
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces = [
        part.of(block) if isinstance(part, _Fragment) else _own_cells(spec, block, part, shown[part])
        for part in parts
    ]
    pieces += [block.cells["SEQPLT"]] * old
    begin, end = ("{", "}\n") if spec.format == "ndjson" else ("", "\r\n")
    lines = pc.binary_join_element_wise(begin, pc.binary_join_element_wise(*pieces, ","), end, "")
    offsets = lines.buffers()[1]
    first, last = np.frombuffer(offsets, dtype=np.int32)[[lines.offset, lines.offset + len(lines)]]
    return memoryview(lines.buffers()[2])[first:last] if len(lines) else memoryview(pa.py_buffer(b""))


def _own_cells(spec: Spec, block: Block, name: str, header: str) -> pa.Array:
    import pyarrow.compute as pc

    cells = block.cells[name]
    if spec.format == "csv":
        return _quoted(pc.fill_null(cells, ""))
    if name not in _NUMERIC_ROW_COLUMNS:
        cells = pc.binary_join_element_wise('"', cells, '"', "")
    return pc.binary_join_element_wise(json.dumps(header) + ":", pc.fill_null(cells, "null"), "")


@contextmanager
def _opened(path: Path, suffix: str) -> Iterator[Callable[[Any], object]]:
    """What writes to the file, compressed where its final name says so."""
    with path.open("wb") as raw:
        if suffix == ".gz":
            import gzip

            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as file:
                yield file.write
        elif suffix == ".zst":
            import zstandard

            with zstandard.ZstdCompressor(level=3).stream_writer(raw) as stream:
                yield stream.write
        else:
            yield raw.write


def _write_parquet(spec: Spec, pool: Pools, out: Path, made: Iterator[Block]) -> None:
    import pyarrow.parquet as pq

    names = columns(spec)
    writer: Any = None
    try:
        for block in made:
            table = _table(spec, pool, names, block)
            writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is None:
            pq.write_table(_empty(spec, pool, names), out)
    finally:
        if writer is not None:
            writer.close()


def _write_xlsx(spec: Spec, pool: Pools, out: Path, made: Iterator[Block]) -> None:
    """As EPA does: long names in row 1, codes in row 2, the sheet named by level and year."""
    import openpyxl

    names = columns(spec)
    level = "PLNT" if spec.dataset == "egrid_plants" else "GEN"
    workbook = openpyxl.Workbook(write_only=True)
    workbook.create_sheet("Contents").append(["eGRID-shaped generated data"])
    sheet = workbook.create_sheet(f"{level}{spec.year % 100:02d}")
    sheet.append(long_names(spec, names))
    sheet.append(headers(spec, names))
    for block in made:
        table = _table(spec, pool, names, block)
        cells = [table.column(index).to_pylist() for index in range(table.num_columns)]
        wrong = block.bad.get("type")
        if wrong is not None:
            column = next(names.index(name) for name in _NET_GENERATION if name in names)
            cells[column] = [
                NOT_A_NUMBER if bad else cell for cell, bad in zip(cells[column], wrong, strict=True)
            ]
        for row in zip(*cells, strict=True):
            sheet.append(row)
    workbook.save(out)


def _empty(spec: Spec, pool: Pools, names: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    nothing = np.empty(0, dtype=np.int64)
    cells = {name: pa.array([], pa.string()) for name in _ROW_COLUMNS}
    return _table(spec, pool, names, Block(0, cells, nothing, nothing, {}))


def _table(spec: Spec, pool: Pools, names: Sequence[str], block: Block) -> pa.Table:
    """The block with types: numbers as numbers, codes of plants too where all of them are whole."""
    import pyarrow as pa
    import pyarrow.compute as pc

    place, energy = pa.array(block.place), pa.array(block.energy)
    made = {}
    for name in names:
        if name in _NUMERIC_ROW_COLUMNS:
            made[name] = pc.cast(block.cells[name], pa.int64())
        elif name == "ORISPL":
            made[name] = pc.cast(block.cells[name], pa.float64() if spec.year <= 2010 else pa.int64())
        elif name in _ROW_COLUMNS:
            made[name] = block.cells[name]
        elif name in pool.place.table.column_names:
            made[name] = pool.place.table.column(name).combine_chunks().take(place)
        else:
            made[name] = pool.energy.column(name).combine_chunks().take(energy)
    negative = block.bad.get("nameplate_capacity_not_negative")
    if negative is not None:
        below = pc.negate(pc.add(made["NAMEPCAP"], 1.0))
        made["NAMEPCAP"] = pc.if_else(pa.array(negative), below, made["NAMEPCAP"])
    return pa.table(list(made.values()), names=headers(spec, names))
