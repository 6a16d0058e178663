"""XLSX: the contract's sheet, streamed row by row into CSV payloads.

Workbooks are small (a sheet has at most 1,048,576 rows) and their cells are Python objects anyway.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from headgate.contract import Contract
from headgate.records.compression import spool
from headgate.records.header import (
    SEARCHED_RECORDS,
    check_header,
    check_refusal,
    find_header,
    named,
    no_header,
)
from headgate.records.model import Inspection, Limits, Readable, Sink
from headgate.records.refused import Refused
from headgate.records.staging import WELL_FORMED_LIMIT, Staging

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,
    KeyError,
    ValueError,
    EOFError,
)  # SyntaxError: bad XML


def read_workbook(stream: Readable, key: str, contract: Contract, limits: Limits, sink: Sink) -> Inspection:
    """Inspect a workbook. A record's line is its row in the sheet."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    with spool(stream) as file:
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except (InvalidFileException, *_DAMAGE) as error:
            raise _damaged(key, error) from None
        check_refusal(contract, "sheet", book.sheetnames, key)
        sheet = _choose(book.sheetnames, contract, key)
        return _read_sheet(_rows(book[sheet], key), sheet, key, contract, limits, sink)


def _rows(worksheet: Any, key: str) -> Iterator[list[str]]:
    """The texts of the sheet's rows; ``Refused`` where the archive turns out damaged."""
    worksheet.reset_dimensions()  # some writers state a wrong extent
    rows = worksheet.iter_rows(values_only=True)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except _DAMAGE as error:
            raise _damaged(key, error) from None
        yield [cell_text(cell) for cell in row]


def _damaged(key: str, error: Exception) -> Refused:
    return Refused(
        "format",
        f"{key}: a zip archive that is no XLSX workbook, or a damaged one ({error}). Put the workbook again; "
        "files packed with zip must be put one by one.",
    )


def _choose(names: Sequence[str], contract: Contract, key: str) -> str:
    if contract.sheet is None:
        return names[0]
    found = [name for name in names if re.search(contract.sheet, name.strip(), re.IGNORECASE)]
    if not found:
        raise Refused(
            "sheet_missing",
            f"{key}: no sheet of the workbook is named like {contract.sheet}; it has {', '.join(names)}. "
            "Put the right workbook, or change `sheet` in the contract.",
        )
    if len(found) > 1:
        raise Refused(
            "sheet_missing",
            f"{key}: several sheets are named like {contract.sheet}: {', '.join(found)}. "
            "Put one workbook a table, or make `sheet` in the contract more exact.",
        )
    return found[0]


def _read_sheet(
    rows: Iterator[list[str]], sheet: str, key: str, contract: Contract, limits: Limits, sink: Sink
) -> Inspection:
    first = list(islice(rows, SEARCHED_RECORDS))
    header = find_header(contract, first, key)
    if header is None:
        raise no_header(contract, first, f"{key}, sheet {sheet}")
    check_header(contract, header, key)
    width = _width(header.names)
    staging = Staging(sink, limits.chunk_bytes, first_line=header.rows + 1)
    for cells in chain(first[header.rows :], rows):
        staging.add(_csv_line(cells, width), 1)
    plans = staging.finish()
    return Inspection(
        format="xlsx",
        compression=None,
        delimiter=",",
        encoding="utf-8",
        header=header.names[:width],
        columns=dict(header.match.columns),
        derived=dict(header.match.derived),
        unknown=tuple(named(header.match.unknown)),
        shadowed=header.match.shadowed,
        header_rows=header.rows,
        line_is_record=True,
        max_record_bytes=WELL_FORMED_LIMIT,
        sheet=sheet,
        records=staging.records,
        chunks=plans,
    )


def _width(names: Sequence[str]) -> int:
    """Columns up to the last one with a name: formatted empty cells may follow it."""
    return max((index + 1 for index, name in enumerate(names) if name), default=1)


def _csv_line(cells: list[str], width: int) -> bytes:
    """A row of the sheet as a CSV record as wide as the header; wider only with values beyond it."""
    while len(cells) > width and not cells[-1]:
        cells.pop()
    cells += [""] * (width - len(cells))
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # CR LF: then the writer quotes cells with either
    return text.getvalue().encode("utf-8", errors="replace")


def cell_text(value: Any) -> str:
    """A cell's value as the text that would stand in a CSV export with full precision."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case float():
            return repr(value)
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)
