"""The same rows in each format end as the same table; re-cut objects go through staging."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator

import pytest
import zstandard

from tests.conftest import Environment
from tests.integration.road import Road, consumer, counts, make_road, many, plant, plants


@pytest.fixture
def road(environment: Environment) -> Iterator[Road]:
    made = make_road(environment, chunkBytes=4096)
    with consumer(environment):
        yield made


def quoted() -> bytes:
    """The rows as CSV, the name with a line end quoted."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(cells())
    return out.getvalue().encode()


def cells() -> list[list[str]]:
    """Header and rows as cells; the last row is bad."""
    rows = [line.split(",") for line in plants(*many(60), plant(61, capacity="ten")).decode().splitlines()]
    rows.insert(-1, ["61", "2023", "TX", 'Quoted, "Plant"\nof two lines', "6204.1", "1.5", "100"])
    return rows


def workbook() -> bytes:
    """EPA's form: long names above the codes, the sheet named by the year."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "PLNT23"
    sheet.append(["Sequence", "Data Year", "State", "Plant name", "Plant code", "Capacity", "Generation"])
    for row in cells():
        sheet.append([number(cell) for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def number(cell: str) -> str | int | float:
    """As a spreadsheet stores it."""
    try:
        return float(cell) if "." in cell else int(cell)
    except ValueError:
        return cell


def parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    header, *rows = cells()
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(dict(zip(header, zip(*rows, strict=True), strict=True))), out)
    return out.getvalue().to_pybytes()


def ndjson() -> bytes:
    header, *rows = cells()
    return "".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows).encode()


FORMATS: dict[str, Callable[[], bytes]] = {
    "plnt23.csv": quoted,
    "plnt23.csv.gz": lambda: gzip.compress(quoted(), mtime=0),
    "plnt23.csv.zst": lambda: zstandard.ZstdCompressor().compress(quoted()),
    "plnt23.tsv": lambda: quoted_with("\t"),
    "plnt23.xlsx": workbook,
    "plnt23.parquet": parquet,
    "plnt23.ndjson": ndjson,
}


def quoted_with(delimiter: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(cells())
    return out.getvalue().encode()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_as_the_same_table(road: Road, name: str) -> None:
    road.put(name, FORMATS[name]())

    books = road.run()

    assert (books.run.state, books.balanced) == ("success", True), books.run.reason
    counts(books, read=62, inserted=61, quarantined=1)
    assert len(road.table()) == 61
    assert ("6204.1", 2023, 'Quoted, "Plant"\nof two lines', 1.5) in road.table()
    ((row, rule, column, value),) = road.rows(
        "SELECT row_number, rule, column_name, value FROM headgate.quarantine"
    )
    assert (row, rule, column, value) == (62, "type", "nameplate_capacity_mw", "ten")
