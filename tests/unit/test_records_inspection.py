"""Inspecting objects: formats, headers, and every reason to refuse an object, each with a clear message."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from headgate.contract import Contract, Refuse
from headgate.errors import DataError
from headgate.records import Inspection, Limits, Refused, inspect_object, rematch
from tests.unit.records_cases import PLANTS, column, read

ROWS = [(str(number), "2018", f"Plant, {number}", "0.5") for number in range(1, 2001)]
NAMES = ("code", "year", "name", "capacity")


def as_csv(delimiter: str = ",") -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(NAMES)
    writer.writerows(ROWS)
    return file.getvalue().encode()


def as_workbook(*before: tuple[str, ...], sheet: str = "PLNT18", rows: object = None) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    book.create_sheet("Contents").append(["nothing"])
    page = book.create_sheet(sheet)
    for record in (*before, NAMES):
        page.append(record)
    for code, year, name, capacity in ROWS if rows is None else rows:  # type: ignore[attr-defined]
        page.append((int(code), int(year), name, float(capacity)))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def as_parquet() -> bytes:
    codes, years, names, capacities = zip(*ROWS, strict=True)
    table = pa.table(
        {
            "code": pa.array(map(int, codes), pa.int32()),
            "year": pa.array(map(int, years), pa.int16()),
            "name": pa.array(names).dictionary_encode(),
            "capacity": pa.array(map(float, capacities), pa.float32()),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=300)
    return file.getvalue()


def as_ndjson() -> bytes:
    lines = [
        json.dumps({"code": int(c), "year": int(y), "name": n, "capacity": float(x)}) for c, y, n, x in ROWS
    ]
    return "\n".join(lines).encode()


FORMATS = {
    "csv": as_csv(),
    "csv with BOM": b"\xef\xbb\xbf" + as_csv(),
    "tsv": as_csv("\t"),
    "gzip": gzip.compress(as_csv()),
    "gzip of two members": gzip.compress(as_csv()[:9999]) + gzip.compress(as_csv()[9999:]) + bytes(512),
    "zstd": zstandard.compress(as_csv()),
    "zstd of two frames": zstandard.compress(as_csv()[:9999]) + zstandard.compress(as_csv()[9999:]),
    "xlsx": as_workbook(),
    "parquet": as_parquet(),
    "ndjson": as_ndjson(),
    "ndjson in gzip": gzip.compress(as_ndjson()),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("chunk_bytes", [4096, 10**6])
def test_every_format_gives_the_same_rows(name: str, chunk_bytes: int) -> None:
    contract = replace(PLANTS, sheet=r"^PLNT\d\d$")
    data = FORMATS[name]

    found = read(data, contract, key="plants/file", limits=Limits(chunk_bytes, 1024))

    assert found.inspection.sha256 == hashlib.sha256(data).hexdigest()
    assert found.inspection.size == len(data)
    assert found.rejects == []
    assert [(r["code"], str(r["year"]), r["name"], str(r["capacity"])) for r in found.rows] == ROWS
    assert [r["_row_number"] for r in found.rows] == list(range(1, len(ROWS) + 1))
    assert (len(found.chunks) == 1) == (chunk_bytes == 10**6)
    assert all(plan.length <= chunk_bytes or plan.records == 1 for plan in found.inspection.chunks)


def test_an_inspection_survives_the_ledger() -> None:
    inspection = read(FORMATS["zstd"]).inspection

    restored = Inspection.from_dict(json.loads(json.dumps(inspection.to_dict())))

    assert restored == replace(inspection, chunks=())


def refusal_of(data: bytes, contract: Contract = PLANTS, key: str = "plants/plants_2018.csv") -> Refused:
    with pytest.raises(Refused) as caught:
        read(data, contract, key)
    assert isinstance(caught.value, DataError)
    assert key in str(caught.value)
    return caught.value


WIDE = "code,year,name\n1,2018,a\n"


@pytest.mark.parametrize(
    ("rule", "data", "said"),
    [
        ("empty", b"", "empty"),
        ("empty", b"\xef\xbb\xbf\r\n \n", "empty"),
        ("minimum_rows", b"code,year,name\n", "0 data rows"),
        ("minimum_rows", b"code,year,name\r\n\r\n\r\n", "0 data rows"),
        ("missing_column", b"year,name\n2018,a\n", "code (looked for 'code', 'CODE')"),
        ("missing_column", b"1,2018,a\n2,2018,b\n", "none of the first 10 records"),
        ("duplicate_header", b"code,year,name,Name\n1,2018,a,b\n", "'Name' more than once"),
        ("delimiter", b"code;year;name\n1;2018;a\n", "reads with ';'"),
        ("delimiter", b"code|year|name\n1|2018|a\n", "reads with '|'"),
        ("encoding", WIDE.encode("utf-16"), "UTF-16"),
        ("encoding", WIDE.encode("utf-16-le"), "UTF-16"),
        ("encoding", WIDE.encode("utf-32"), "UTF-16 or UTF-32"),
        ("format", b"\xd0\xcf\x11\xe0" + bytes(100), ".xls"),
        ("format", b"%PDF-1.7\n", "PDF"),
        ("format", b"<!DOCTYPE html><html>", "web page"),
        ("format", b"PK\x03\x04 not a workbook", "no XLSX workbook"),
        ("format", b"PAR1 not a parquet file PAR1", "Parquet"),
        ("format", gzip.compress(gzip.compress(as_csv())), "compressed twice"),
        ("truncated_archive", gzip.compress(as_csv())[:-300], "cut off"),
        ("truncated_archive", zstandard.compress(as_csv())[:-30], "cut off"),
        ("truncated_archive", gzip.compress(as_csv())[:900] + b"garbage" * 300, "damaged"),
        ("empty", gzip.compress(b"", mtime=0), "empty"),
    ],
)
def test_objects_that_cannot_be_read_are_refused_with_a_reason(rule: str, data: bytes, said: str) -> None:
    refused = refusal_of(data)

    assert refused.rule == rule
    assert said in str(refused)


def test_json_arrays_are_refused_and_names_must_not_lie() -> None:
    assert refusal_of(b'[{"code": 1}]', key="plants/a.json").rule == "format"
    assert "the name says Parquet" in str(refusal_of(b"code,year\n1,2018\n", key="plants/a.parquet"))


def damaged_in_the_middle(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(200) + data[middle + 200 :]


@pytest.mark.parametrize("data", [as_workbook(), as_parquet()], ids=["xlsx", "parquet"])
def test_a_damaged_container_is_refused(data: bytes) -> None:
    refused = refusal_of(damaged_in_the_middle(data), replace(PLANTS, sheet="PLNT"))

    assert refused.rule == "format"
    assert "damaged" in str(refused)


def test_data_files_packed_with_zip_are_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("plants.csv", as_csv())

    assert "must be put one by one" in str(refusal_of(file.getvalue()))


class Lost(io.BytesIO):
    """A stream whose server goes away after some bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 10_000:
            raise ConnectionResetError("gone")
        return super().read(5000)


def lost_sink(ordinal: int, payload: bytes) -> dict[str, object]:
    raise ConnectionResetError("gone")


@pytest.mark.parametrize("name", ["csv", "gzip", "xlsx", "parquet", "ndjson"])
def test_an_outage_while_reading_is_not_bad_data(name: str) -> None:
    """Given a store that goes away, when an object is inspected, then the store's own error comes through."""
    data, contract = FORMATS[name], replace(PLANTS, sheet="PLNT")

    with pytest.raises(ConnectionResetError):
        inspect_object(
            Lost(data), key="plants/a", size=len(data), contract=contract, limits=Limits(), sink=lost_sink
        )


@pytest.mark.parametrize("name", ["gzip", "xlsx", "parquet"])
def test_an_outage_while_staging_is_not_bad_data(name: str) -> None:
    data, contract = FORMATS[name], replace(PLANTS, sheet="PLNT")
    stream = io.BytesIO(data)

    with pytest.raises(ConnectionResetError):
        inspect_object(
            stream, key="plants/a", size=len(data), contract=contract, limits=Limits(), sink=lost_sink
        )


def test_a_format_that_the_contract_does_not_take_is_refused() -> None:
    only_csv = replace(PLANTS, formats=("csv",))

    assert refusal_of(as_ndjson(), only_csv).rule == "format"
    assert refusal_of(as_csv("\t"), only_csv).rule == "delimiter"


def test_a_year_that_cannot_be_told_is_a_missing_column() -> None:
    refused = refusal_of(b"code,name\n1,a\n", key="plants/plants.csv")

    assert refused.rule == "missing_column"
    assert "nor can it be told from the header or the object's key" in str(refused)


@pytest.mark.parametrize(
    ("where", "pattern", "data", "key"),
    [
        ("key", "metric", as_csv(), "plants/egrid_metric.csv"),
        ("header", "tonnes", b"Code of plant,Year,CO2 (tonnes)\ncode,year,co2\n1,2018,5\n", "plants/p.csv"),
        ("sheet", "metric", as_workbook(sheet="PLNT18 metric"), "plants/p.xlsx"),
    ],
)
def test_what_the_contract_refuses_is_held_with_its_reason(
    where: str, pattern: str, data: bytes, key: str
) -> None:
    rule = Refuse(where=where, pattern=pattern, reason="Put the US-unit workbook instead.")  # type: ignore[arg-type]

    refused = refusal_of(data, replace(PLANTS, refuse=(rule,)), key)

    assert refused.rule == "refused"
    assert "Put the US-unit workbook instead." in str(refused)


def test_unknown_columns_follow_the_drift_mode() -> None:
    data = b"code,year,new\n1,2018,x\n"

    assert refusal_of(data, replace(PLANTS, drift="freeze")).rule == "unknown_column"
    evolving = read(data, replace(PLANTS, drift="evolve"))
    assert evolving.inspection.unknown == ((2, "new"),)
    evolved = replace(PLANTS, drift="evolve", columns=(*PLANTS.columns, column("new")))
    again = rematch(evolving.inspection, evolved, "plants/plants_2018.csv")
    assert (again.unknown, again.columns["new"]) == ((), 2)


def test_a_nameless_column_at_the_end_is_no_drift() -> None:
    found = read(b"code,year,\n1,2018,\n", replace(PLANTS, drift="freeze"))

    assert found.inspection.unknown == ()


@pytest.mark.parametrize(
    ("before", "after", "header_rows"),
    [
        ("", "", 1),
        ("eGRID2018 Data File\n\n,,\n", "", 4),
        ("Plant code,Data Year,Plant capacity (MW),Net generation (MWh)\n", "", 2),
        ("", "Plant code,Data Year,Plant capacity (MW),Net generation (MWh)\n", 2),
        ("", '"Plant, code","Year\nof data",(MW),(MWh)\n', 2),
        ("", "CODE,YEAR,CAPACITY,GENERATION\n", 2),
    ],
)
def test_the_header_is_found_among_banners_and_second_headers(
    before: str, after: str, header_rows: int
) -> None:
    data = before + "code,year,capacity,generation\n" + after + "1,2018,5,6\n2,2018,7,8\n"

    found = read(data.encode())

    assert found.inspection.header_rows == header_rows
    assert [r["code"] for r in found.rows] == ["1", "2"]
    assert found.chunks[0].lines[0] == data.split("\n").index("1,2018,5,6") + 1


def test_a_bad_first_row_is_not_taken_for_a_header() -> None:
    found = read(b"code,year,capacity,generation\nA,b,x,y\n2,2018,7,8\n3,bad,N/A,1\n")
    short = read(b"code,year,capacity\n1,bad,x\n2,2018,7\n")

    assert found.inspection.header_rows == 2  # no number in the record, and words in all number columns
    assert short.rules == [(1, "type")]


def test_an_object_of_another_size_was_rewritten() -> None:
    data = as_csv()

    with pytest.raises(Refused) as caught:
        inspect_object(
            io.BytesIO(data), key="plants/a.csv", size=len(data) + 1, contract=PLANTS, limits=Limits()
        )

    assert caught.value.rule == "rewritten"


def test_workbooks_keep_the_texts_of_their_cells() -> None:
    """Given numbers, dates, booleans and empty cells, then their texts lose nothing."""
    import datetime as dt

    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = "PLNT18"
    page.append(["code", "year", "name", "capacity", "active", "opened", None])
    page.append([60814.0, 2018, "two\nlines", 21042560.99, True, dt.datetime(2018, 1, 31)])  # noqa: DTZ001
    page.append([])
    page.append(["6204.1", 2018.0, None, "1,050", None, None])
    page.append([7, 2018, "x", "#N/A", None, None])
    file = io.BytesIO()
    book.save(file)

    found = read(file.getvalue(), key="plants/p.xlsx")

    first, second = found.rows
    assert (first["code"], first["year"], first["name"]) == ("60814", 2018, "two\nlines")
    assert (first["capacity"], first["active"], str(first["opened"])) == (21042560.99, True, "2018-01-31")
    assert (second["code"], second["year"], second["capacity"]) == ("6204.1", 2018, 1050.0)
    assert (found.blank, [(r["row_number"], r["line"]) for r in found.rejects]) == (1, [(4, 5)])


def test_the_sheet_is_chosen_by_the_contract() -> None:
    contract = replace(PLANTS, sheet=r"^PLNT\d\d$")

    assert read(as_workbook(("Plant code", "Year", "Name", "MW")), contract).inspection.sheet == "PLNT18"
    refused = refusal_of(as_workbook(sheet="GEN18"), contract)
    assert refused.rule == "sheet_missing"
    assert "Contents, GEN18" in str(refused)


def test_bad_json_lines_stop_only_themselves() -> None:
    lines = [
        '{"code": 6204.1, "year": 2018, "capacity": 1.10, "odd": {"a": [1, 2]}}',
        '{"code": 2, "year": 20',
        "",
        "[1, 2]",
        '{"code": "3", "year": "x", "name": "b"}',
        '{"code": "4", "year": 2018, "name": null, "active": true}',
        "{}",
        '{"code": "5", "year": 20',
    ]
    found = read("\n".join(lines).encode(), key="plants/a.ndjson")

    assert found.rules == [(2, "json"), (4, "json"), (5, "type"), (8, "truncated")]
    assert [(r["code"], r["capacity"], r["active"], r["_row_number"]) for r in found.rows] == [
        ("6204.1", 1.1, None, 1),
        ("4", None, True, 6),
    ]
    assert found.blank == 2
    assert json.loads(found.rows[0]["_rescued"]) == {"odd": '{"a": ["1", "2"]}'}
    assert found.balanced


@pytest.mark.parametrize(
    "bad",
    [
        '{"code": "2", "year": 2018, "name": "\\ud83d"}',
        '{"code": "2", "year": 2018, "\\udc00": 1}',
        '{"code": "2", "year": "2018\\u0000"}',
        '{"a":' * 9_999,
    ],
)
def test_lines_that_no_text_can_hold_stop_only_themselves(bad: str) -> None:
    good = '{"code": "1", "year": 2018, "name": "\\ud83d\\ude00 \\\\u0000"}'
    found = read("\n".join([bad, good]).encode(), key="plants/a.ndjson")
    assert found.rules == [(1, "json")]
    assert [row["name"] for row in found.rows] == ["\N{GRINNING FACE} \\u0000"]


def test_a_key_that_first_comes_late_is_read_all_the_same() -> None:
    lines = [
        json.dumps({"code": n, "year": 2018} | ({"name": "late"} if n == 1500 else {})) for n in range(1600)
    ]

    found = read("\n".join(lines).encode(), key="plants/a.ndjson", limits=Limits(8192))

    assert [r["code"] for r in found.rows if r["name"]] == ["1500"]
    assert {tuple(chunk.table.column_names) for chunk in found.chunks} == {
        ("_row_number", *(column.name for column in PLANTS.columns), "_rescued")
    }


def test_a_late_unknown_key_of_a_frozen_contract_rejects_its_rows() -> None:
    lines = [json.dumps({"code": n, "year": 2018} | ({"late": 1} if n == 1500 else {})) for n in range(1600)]

    found = read("\n".join(lines).encode(), replace(PLANTS, drift="freeze"), key="plants/a.ndjson")

    assert found.rules == [(1501, "unknown_column")]


def test_nested_and_odd_parquet_values_become_texts() -> None:
    table = pa.table(
        {
            "code": pa.array(["1", None]),
            "year": pa.array([2018, None], pa.int64()),
            "name": pa.array([{"a": 1}, None]),
            "capacity": pa.array([0.1, None]),
            "active": pa.array([True, None]),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file)

    found = read(file.getvalue(), key="plants/a.parquet")

    (first,) = found.rows
    assert (first["code"], first["year"], first["capacity"], first["active"]) == ("1", 2018, 0.1, True)
    assert json.loads(first["name"]) == {"a": 1}
    assert found.blank == 1


def test_a_decompression_bomb_is_read_in_bounded_memory() -> None:
    """Given a highly compressed archive, when it is inspected, then no block is larger than a few MiB."""
    from headgate.records.compression import DecompressingReader

    bomb = zstandard.compress(bytes(200 * 1024 * 1024))
    reader = DecompressingReader(io.BytesIO(bomb), "zstd", "bomb")

    sizes: Iterator[int] = iter(lambda: len(reader.read(1 << 30)), 0)

    assert max(sizes) < 140 * 1024 * 1024
