"""The text of quarantined rows: as columns for a person to edit, and as a file that the road takes again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from headgate.errors import DataError, Fatal
from headgate.quarantine.entry import Entry, Origin, sentence

ID = "_quarantine_id"
RAW = "_raw"  # the record as text: where it has no columns (NDJSON), or where an editor writes it so
EXTRA = "_extra"  # cells beyond the header, as CSV
ABOUT = (ID, "_object", "_row_number", "_reason")
_COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")


@dataclass(frozen=True)
class Layout:
    """How records of an object are written."""

    key: str
    format: str
    delimiter: str
    encoding: str
    header: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The header, with a name for each column that has none."""
        return tuple(name or f"_column_{place}" for place, name in enumerate(self.header, start=1))

    @property
    def file_name(self) -> str:
        """What its replays are called: sheets, Parquet and compressed files come back as plain text."""
        name = PurePosixPath(self.key).name
        for suffix in _COMPRESSED:
            name = name.removesuffix(suffix)
        plain = self.format == "ndjson" or self.format == "csv"
        return name if plain or name.endswith(".csv") else f"{name}.csv"

    def document(self, texts: Iterable[str]) -> bytes:
        """A file of these records. ``DataError`` when one cannot be written in the object's encoding."""
        lines = [] if self.format == "ndjson" else [written(self.header, self.delimiter)]
        lines += [text.rstrip("\r\n") for text in texts]
        try:
            return "".join(f"{line}\n" for line in lines).encode(self.encoding)
        except UnicodeEncodeError as error:
            raise DataError(
                f"a row of {self.key} has the character {error.object[error.start]!r}, which {self.encoding} "
                "cannot write. Export the rows, mend them, and replay the file."
            ) from None


def layout_of(origin: Origin) -> Layout:
    """From what inspection recorded; ``Fatal`` when the object was never inspected."""
    inspection = origin.inspection
    if "format" not in inspection:
        raise Fatal(
            f"object {origin.object_id} ({origin.key}) was never inspected; its rows cannot be replayed"
        )
    return Layout(
        key=origin.key,
        format=str(inspection["format"]),
        delimiter=str(inspection.get("delimiter") or ","),
        encoding=str(inspection.get("encoding") or "utf-8"),
        header=tuple(str(name) for name in inspection.get("header", ())),
    )


def written(cells: Sequence[str], delimiter: str) -> str:
    """One CSV record without its line end."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()


def editable(entry: Entry, layout: Layout) -> dict[str, Any]:
    """A row as columns for a person to edit."""
    about = {
        ID: entry.id,
        "_object": entry.object,
        "_row_number": entry.row_number,
        "_reason": reasons(entry),
    }
    if layout.format == "ndjson":
        return {**about, RAW: entry.raw}
    try:
        cells = next(csv.reader(io.StringIO(entry.raw, newline=""), delimiter=layout.delimiter), [])
    except csv.Error:  # a cell longer than the module takes
        return {**about, RAW: entry.raw}
    extra = cells[len(layout.names) :]
    columns = dict(zip(layout.names, cells, strict=False))
    return {**about, **columns, **({EXTRA: written(extra, ",")} if extra else {})}


def reasons(entry: Entry) -> str:
    """All that is wrong with it, in one line."""
    told = [sentence(found.get("column"), str(found.get("reason", ""))) for found in entry.violations]
    return "; ".join(told) or entry.reason


def record_text(row: Mapping[str, Any], layout: Layout) -> str:
    """The record that an edited row stands for. ``DataError`` when the file lacks a column of the object."""
    if row.get(RAW):
        return str(row[RAW])
    if layout.format == "ndjson":
        raise DataError(f"row {row[ID]}: {RAW} is empty; it holds the JSON line of a row of {layout.key}")
    missing = [name for name in layout.names if name not in row]
    if missing:
        raise DataError(f"the file lacks the column {missing[0]!r}, which rows of {layout.key} have")
    cells = [_text(row[name]) for name in layout.names]
    extra = next(csv.reader([_text(row.get(EXTRA))]), [])
    return written([*cells, *extra], layout.delimiter)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def write_rows(out: TextIO, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], form: str) -> int:
    """Write editable rows as ``csv`` or ``ndjson``; how many."""
    number = 0
    if form == "csv":
        writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
        writer.writeheader()
    for row in rows:
        number += 1
        if form == "csv":
            writer.writerow(row)
        else:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return number


def columns_of(layouts: Iterable[Layout]) -> list[str]:
    """The columns of an export: what a row is, then all columns of its objects in order."""
    names = dict.fromkeys(name for layout in layouts for name in layout.names if layout.format != "ndjson")
    return [*ABOUT, *names, EXTRA, RAW]


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Edited rows of a CSV (any of the separators that spreadsheets write) or NDJSON file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = (
            _json_rows(file, path) if path.suffix in (".ndjson", ".jsonl", ".json") else _csv_rows(file, path)
        )
        for row in rows:
            if not str(row.get(ID) or "").isdigit():
                raise DataError(f"{path}: a row has no {ID}; keep that column as it was exported")
            yield row


def _json_rows(file: TextIO, path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, start=1):
        try:
            if line.strip():
                yield dict(json.loads(line))
        except ValueError as error:
            raise DataError(f"{path}, line {number}: not a JSON object ({error})") from None


def _csv_rows(file: TextIO, path: Path) -> Iterator[dict[str, Any]]:
    head = file.readline()
    at = head.find(ID)
    if at < 0:
        raise DataError(f"{path} has no column {ID}; it is not an export of the quarantine")
    beside = (head[at + len(ID) :].lstrip('"')[:1], head[:at].rstrip('"')[-1:])
    delimiter = next((found for found in beside if found and found in ",;\t|"), ",")
    file.seek(0)
    for row in csv.DictReader(file, delimiter=delimiter, restkey=EXTRA):
        if any(row.values()):
            yield {name: value for name, value in row.items() if name is not None}
