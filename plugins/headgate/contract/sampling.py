"""Reading the beginning of a sample file for ``contract draft``: header and cells as text, types guessed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from headgate.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES = 64 * 1024 * 1024
SAMPLE_ROWS = 100_000
NULL_TOKENS = ("", "N/A", "n/a", "--", "-", "null", "NULL", "None", "NaN", "#N/A")

_INTEGER = r"^-?(0|[1-9]\d{0,2}(,\d{3})+|[1-9]\d{0,17})$"
_NUMBER = r"^[-+]?(\d{1,3}(,\d{3})+|0|[1-9]\d*)?(\.\d+)?([eE][-+]?\d+)?$"
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_TIMESTAMP = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$"
_BOOLEAN = r"^(?i:true|false|yes|no)$"
_DELIMITERS = ",\t;|"


@dataclass(frozen=True)
class Sample:
    """The first rows of a file as text. ``table`` has one string column per header; empty is null."""

    format: str  # csv, tsv, xlsx, parquet or ndjson
    delimiter: str
    encoding: str
    sheet: str | None
    table: pa.Table
    types: dict[str, str]  # header to Postgres type, guessed
    null_tokens: tuple[str, ...]  # found in the cells, the empty text included


def read_sample(path: Path, sheet: str | None = None) -> Sample:
    """Read up to 64 MiB or 100,000 rows. ``DataError`` says what cannot be read and why."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        if ".xlsx" in suffixes:
            return _read_workbook(path, sheet)
        if ".parquet" in suffixes:
            return _read_parquet(path)
        if {".ndjson", ".jsonl"} & set(suffixes):
            return _read_json(path)
        return _read_csv(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read_csv(path: Path) -> Sample:
    data = _beginning(path)
    encoding = "utf-8" if _is_utf8(data) else "cp1252"
    text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    delimiter = _delimiter(text)
    rows = list(_records(text, delimiter))
    if len(rows) < 2:
        raise DataError(f"{path}: there is no data below the header to learn from")
    return _from_records(rows, "tsv" if delimiter == "\t" else "csv", delimiter, encoding, None, path)


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    """Records of the sample; the last is left out when the text may be cut in its middle."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for number, record in enumerate(reader):
        if number > SAMPLE_ROWS:
            return
        yield record


def _read_workbook(path: Path, sheet: str | None) -> Sample:
    import openpyxl

    try:
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # noqa: BLE001  openpyxl raises whatever zip, XML or its own code raises
        raise DataError(f"{path}: not a workbook that can be read: {error}") from None
    name = sheet or workbook.sheetnames[0]
    if name not in workbook.sheetnames:
        raise DataError(f"{path}: no sheet {name!r}; there are {', '.join(workbook.sheetnames)}")
    cells = workbook[name].iter_rows(max_row=SAMPLE_ROWS, values_only=True)
    rows = [["" if cell is None else _cell_text(cell) for cell in record] for record in cells]
    width = max(map(len, rows), default=0)  # records end with their last filled cell
    return _from_records([row + [""] * (width - len(row)) for row in rows], "xlsx", ",", "utf-8", name, path)


def _cell_text(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _read_parquet(path: Path) -> Sample:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file: {error}") from None
    batches = file.iter_batches(batch_size=SAMPLE_ROWS)
    return _from_typed(pa.Table.from_batches([next(batches)]), "parquet")


def _read_json(path: Path) -> Sample:
    import pyarrow as pa
    import pyarrow.json as pj

    data = _beginning(path)
    whole = data[: data.rfind(b"\n") + 1] or data
    try:
        return _from_typed(pj.read_json(io.BytesIO(whole)), "ndjson")
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not one JSON object a line: {error}") from None


def _from_records(
    rows: Sequence[Sequence[str]], form: str, delimiter: str, encoding: str, sheet: str | None, path: Path
) -> Sample:
    import pyarrow as pa

    place = _header_row(rows)
    header = [name.strip() for name in rows[place]]
    names = [name or f"column_{index + 1}" for index, name in enumerate(header)]
    if len(set(names)) < len(names):
        raise DataError(f"{path}: the header names a column twice: {', '.join(_twice(names))}")
    body = [row for row in rows[place + 1 :] if len(row) == len(names) and any(cell.strip() for cell in row)]
    if not body:
        raise DataError(f"{path}: no record below the header has its {len(names)} fields")
    columns = [pa.array([cell.strip() for cell in column], pa.string()) for column in zip(*body, strict=True)]
    return _sample(pa.table(columns, names=names), form, delimiter, encoding, sheet, {})


def _from_typed(table: pa.Table, form: str) -> Sample:
    """Formats that have types of their own: those count, the cells are only looked at as text."""
    import pyarrow as pa

    types = {field.name: kind for field in table.schema if (kind := _arrow_kind(field.type)) is not None}
    flat = [name for name in table.column_names if not pa.types.is_nested(table.schema.field(name).type)]
    text = pa.table({name: table.column(name).cast(pa.string()) for name in flat})
    return _sample(text, form, ",", "utf-8", None, types)


def _sample(
    table: pa.Table, form: str, delimiter: str, encoding: str, sheet: str | None, types: dict[str, str]
) -> Sample:
    import pyarrow as pa
    import pyarrow.compute as pc

    tokens = pa.array(NULL_TOKENS)
    found: dict[str, None] = {"": None}
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        is_null = pc.is_in(column, tokens)
        columns[name] = pc.if_else(is_null, pa.scalar(None, pa.string()), column)
        if name not in types:
            kind = _text_kind(columns[name])
            # A lone "-" or "NA" in a column of texts may be a value: tokens come from numbers only.
            if kind == "text":
                columns[name] = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            else:
                found |= dict.fromkeys(pc.unique(pc.filter(column, is_null)).to_pylist())
            types = {**types, name: kind}
    return Sample(form, delimiter, encoding, sheet, pa.table(columns), types, tuple(found))


def _text_kind(column: pa.ChunkedArray) -> str:
    """The narrowest Postgres type that every cell fits; leading zeros make it text."""
    patterns = (
        (_INTEGER, "bigint"),
        (_NUMBER, "double precision"),
        (_DATE, "date"),
        (_TIMESTAMP, "timestamptz"),
        (_BOOLEAN, "boolean"),
    )
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return "text"
    for pattern, kind in patterns:
        if pc.all(pc.match_substring_regex(column, pattern)).as_py():
            return kind
    return "text"


def _arrow_kind(kind: pa.DataType) -> str | None:
    """The Postgres type of an Arrow type; ``None`` for text, whose cells tell more."""
    import pyarrow as pa

    table = (
        (pa.types.is_integer, "bigint"),
        (pa.types.is_floating, "double precision"),
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_date, "date"),
        (pa.types.is_timestamp, "timestamptz"),
    )
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})"
    return next((name for test, name in table if test(kind)), None)


def _header_row(rows: Sequence[Sequence[str]]) -> int:
    """The first record that is at least half as wide as the widest: banners above it are narrower.

    Where long names stand above short codes, the codes count.
    """
    first = rows[:10]
    widths = [sum(1 for cell in record if cell.strip()) for record in first]
    header = next(index for index, width in enumerate(widths) if 2 * width >= max(widths))
    below = header + 1
    if below < len(first) and _are_long_names(first[header]) and _are_codes(first[below]):
        return below
    return header


def _are_long_names(record: Sequence[str]) -> bool:
    return sum(" " in cell.strip() for cell in record) > len(record) / 2


def _are_codes(record: Sequence[str]) -> bool:
    names = [cell.strip() for cell in record if cell.strip()]
    return len(set(names)) == len(names) and all(re.fullmatch(r"[A-Za-z_]\w*", name) for name in names)


def _delimiter(text: str) -> str:
    """The delimiter that cuts the first line into most fields."""
    line = text.split("\n", 1)[0]
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([line], delimiter=mark), [])))


def _beginning(path: Path) -> bytes:
    """The first 64 MiB, decompressed, up to the end of a line."""
    with path.open("rb") as raw:
        data: bytes = _opened(raw, path).read(SAMPLE_BYTES)
    return data if len(data) < SAMPLE_BYTES else data[: data.rfind(b"\n") + 1]


def _opened(raw: BinaryIO, path: Path) -> Any:
    if path.suffix == ".gz":
        import gzip

        return gzip.GzipFile(fileobj=raw)
    if path.suffix == ".zst":
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(raw)
    return raw


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(data) - 3  # a character cut at the end of the sample
    return True


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
