"""Typed parsing of chunks: what a cell may look like, and what becomes of rows that are wrong."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.contract import Column, UnitRule
from headgate.records import Limits, Violations, raw_records, reject_rows, rule_counts
from headgate.records.typed import ColumnReading, read_cells
from tests.unit.records_cases import PLANTS, read, text
from tests.unit.test_records_boundaries import damaged, well_formed

HEADER = "code,year,name,fips,capacity,generation,share,units,active,opened\n"


def row(**cells: str) -> str:
    """A CSV row of the header above; cells that are not given are empty."""
    names = HEADER.strip().split(",")
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(
        [{"code": "1", "year": "2018", **cells}.get(n, "") for n in names]
    )
    return line.getvalue()


def values(kind: str, *cells: str | None, **more: Any) -> tuple[list[Any], list[int]]:
    """Values of some cells as a column of a Postgres type, and the indexes of the wrong ones."""
    found = read_cells(ColumnReading.of(Column(name="x", type=kind, **more)), text(*cells))
    return found.values.to_pylist(), found.wrong.tolist()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("5", 5.0),
        (" 5.5 ", 5.5),
        ("\u00a05", 5.0),
        ("+5", 5.0),
        (".5", 0.5),
        ("-1,234.5", -1234.5),
        ("1,859.0", 1859.0),
        ("1e3", 1000.0),
        ("N/A", None),
        (" -- ", None),
        ("   ", None),
        (None, None),
    ],
)
def test_numbers_are_read_as_people_and_spreadsheets_write_them(
    cell: str | None, expected: float | None
) -> None:
    found, wrong = values("double precision", "1", cell, null_tokens=("", "N/A", "--"))

    assert (found, wrong) == ([1.0, expected], [])


@pytest.mark.parametrize(
    "cell",
    ["abc", "nan", "inf", "-Infinity", "1e999", "0x10", "12,34", "1,23", "1 2", "5f", "--", "1_0", "١"],
)
def test_what_is_no_number_is_a_wrong_cell_and_stops_no_other(cell: str) -> None:
    assert values("double precision", "1", cell, "3") == ([1.0, None, 3.0], [1])


@pytest.mark.parametrize(
    ("kind", "cells", "expected", "wrong"),
    [
        ("integer", ("2018", "2018.0", "2,018", "+7", " 8 "), [2018, 2018, 2018, 7, 8], []),
        (
            "integer",
            ("1", "1.5", "0x10", "2147483648", "-2147483648"),
            [1, None, None, None, -(2**31)],
            [1, 2, 3],
        ),
        ("smallint", ("32767", "32768", "007"), [32767, None, 7], [1]),
        ("bigint", ("9223372036854775807", "9223372036854775808"), [2**63 - 1, None], [1]),
        ("boolean", ("Yes", "n", "1", "0", "TRUE", "maybe"), [True, False, True, False, True, None], [5]),
        ("boolean", ("t", "", None), [True, None, None], []),
        ("real", ("0.5", "1e60"), [0.5, None], [1]),
    ],
)
def test_whole_numbers_and_booleans(
    kind: str, cells: tuple[str, ...], expected: list[Any], wrong: list[int]
) -> None:
    assert values(kind, *cells) == (expected, wrong)


def test_dates_and_times_are_iso() -> None:
    days, wrong_days = values(
        "date", "2018-01-31", "2018-01-31 00:00:00", "31.1.2018", "2018-02-30", " 2018-01-01"
    )
    times, wrong_times = values(
        "timestamptz",
        "2018-01-31T10:00:00+02:00",
        "2018-01-31 08:00:00",
        "2018-01-31",
        "yesterday",
        "2018-13-01",
    )

    assert [str(day) for day in days] == ["2018-01-31", "2018-01-31", "None", "None", "2018-01-01"]
    assert wrong_days == [2, 3]
    assert [time and time.isoformat() for time in times] == [
        "2018-01-31T08:00:00+00:00",
        "2018-01-31T08:00:00+00:00",
        "2018-01-31T00:00:00+00:00",
        None,
        None,
    ]
    assert wrong_times == [3, 4]


def test_decimals_are_rounded_as_postgres_rounds_and_refused_when_too_wide() -> None:
    found, wrong = values("numeric(6,2)", "1.005", "-2.675", "1,234.5", "12345.6", "x")

    assert [str(value) for value in found] == ["1.01", "-2.68", "1234.50", "None", "None"]
    assert wrong == [3, 4]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("60814.0", "60814"),
        ("60,814", "60814"),
        ("6204.1", "6204.1"),
        (" 7 ", "7"),
        ("A-1.0", "A-1.0"),
        ("0060", "0060"),
    ],
)
def test_codes_stay_texts_without_the_traces_of_spreadsheets(cell: str, expected: str) -> None:
    assert values("text", cell, form="code") == ([expected], [])


def test_texts_are_padded_recoded_and_made_null() -> None:
    assert values("text", "2", "02", "x", pad=2) == (["02", "02", "x"], [])
    assert values("text", "1", "9", recode=(("1", "Yes"),)) == (["Yes", "9"], [])
    assert values("text", "NA", " NA ", "", null_tokens=("",)) == (["NA", "NA", None], [])
    assert values("integer", "-9999", "5", null_tokens=("", "-9999")) == ([None, 5], [])
    assert values("integer", "x", "5", recode=(("x", "7"),)) == ([7, 5], [])
    words = (("Ja", "true"), ("Nei", "false"))
    assert values("boolean", "Ja", "Nei", "", recode=words) == ([True, False, None], [])


def test_units_are_converted_row_by_row_as_exactly_as_the_text() -> None:
    data = (
        HEADER
        + row(year="2016", share="33.3")
        + row(year="2018", share="0.333")
        + row(year="2010", share="1e1")
    )

    found = read(data.encode())

    assert [r["share"] for r in found.rows] == [0.333, 0.333, 0.1]


def test_a_unit_rule_may_depend_on_a_header() -> None:
    rule = UnitRule(factor=1 / 2000, header="POUNDS")
    columns = tuple(replace(c, units=(rule,)) if c.name == "capacity" else c for c in PLANTS.columns)
    contract = replace(PLANTS, columns=columns)

    pounds = read(b"code,year,capacity,Pounds\n1,2018,500,\n", contract)
    tons = read(b"code,year,capacity\n1,2018,500\n", contract)

    assert (pounds.rows[0]["capacity"], tons.rows[0]["capacity"]) == (0.25, 500.0)


def test_every_violation_of_a_row_is_listed_and_good_rows_pass() -> None:
    data = (
        HEADER
        + row(name="good")
        + row(code="", capacity="abc", units="99999")
        + row(code="3", name="also good")
    )

    found = read(data.encode())

    assert [r["name"] for r in found.rows] == ["good", "also good"]
    (reject,) = found.rejects
    assert (reject["row_number"], reject["line"], reject["raw"]) == (2, 3, ",2018,,,abc,,,99999,,")
    assert [(v["rule"], v["column"], v["value"]) for v in reject["violations"]] == [
        ("required", "code", None),
        ("type", "capacity", "abc"),
        ("type", "units", "99999"),
    ]
    assert reject["violations"][1]["reason"] == "'abc' is not a number"
    assert (reject["rule"], reject["column"]) == ("required", "code")
    assert found.chunks[0].read == 3
    assert rule_counts(found.chunks[0].rejects) == {"required": 1}


def test_blank_records_are_dropped_and_counted_and_numbers_stay_exact() -> None:
    data = HEADER + row(code="1") + "\n" + ",,,,,,,,,\n" + " , ,,,,,,,,\n" + "\n" + row(code="6")

    found = read(data.encode())

    assert [(r["code"], r["_row_number"]) for r in found.rows] == [("1", 1), ("6", 6)]
    assert found.chunks[0].lines.tolist() == [2, 7]
    assert (found.blank, found.rejects) == (4, [])


def test_a_row_with_a_value_in_an_unknown_column_only_is_not_blank() -> None:
    found = read(b"code,year,other\n1,2018,\n,,9979.8\n,,\n")

    assert (found.rules, found.blank) == ([(2, "required")], 1)


def test_ragged_rows_say_how_many_fields_they_have() -> None:
    found = read(b"code,year,name\n1,2018,a\n2,2018\n3,2018,c,d\n4,2018,d\n")

    assert found.rules == [(2, "structure"), (3, "structure")]
    assert [r["reason"] for r in found.rejects] == [
        "has 2 fields, the header has 3",
        "has 4 fields, the header has 3",
    ]
    assert [r["raw"] for r in found.rejects] == ["2,2018", "3,2018,c,d"]


def test_a_broken_quote_costs_its_own_line_only() -> None:
    found = read(b'code,year,name\n1,2018,"open\n2,2018,"B, C"\n3,2018,"a"b\n4,2018,5" pipe\n')

    assert found.rules == [(1, "quote"), (3, "quote")]
    assert [r["name"] for r in found.rows] == ["B, C", '5" pipe']
    assert found.rejects[0]["raw"] == '1,2018,"open'


def test_quoted_line_ends_keep_the_line_numbers_true() -> None:
    found = read(b'code,year,name\r\n1,2018,"two\r\nlines"\r\n2,x,b\r\n')

    assert found.rows[0]["name"] == "two\r\nlines"
    assert [(r["row_number"], r["line"]) for r in found.rejects] == [(2, 4)]


def test_a_last_record_without_line_end_is_truncated_when_fields_lack() -> None:
    whole = read(b"code,year,name\n1,2018,a\n2,2018,b")
    short = read(b"code,year,name\n1,2018,a\n2,20")
    quoted = read(b'code,year,name\n1,2018,a\n2,2018,"b')

    assert [r["name"] for r in whole.rows] == ["a", "b"]
    assert short.rules == [(2, "truncated")]
    assert "cut off" in short.rejects[0]["reason"]
    assert quoted.rules == [(2, "truncated")]


def test_zero_bytes_and_foreign_encodings_are_named_by_byte() -> None:
    found = read(b"code,year,name\n1,2018,a\x00b\n2,2018,Montr\xe9al\n3,2018,Montr\xc3\xa9al\n")

    assert found.rules == [(1, "nul_byte"), (2, "encoding")]
    assert [r["raw"] for r in found.rejects] == ["1,2018,a\\x00b", "2,2018,Montr\\xe9al"]
    assert "byte 9 of" in found.rejects[0]["reason"]
    assert "0xE9 at byte 13" in found.rejects[1]["reason"]
    assert [r["name"] for r in found.rows] == ["Montréal"]


def test_the_contract_may_name_another_encoding() -> None:
    contract = replace(PLANTS, encoding="cp1252")

    found = read("code,year,name\n1,2018,Montréal\n2,x,São\n".encode("cp1252"), contract)

    assert found.rows[0]["name"] == "Montréal"
    assert found.rejects[0]["raw"] == "2,x,São"


def test_a_record_that_is_too_long_is_rejected_by_its_head() -> None:
    data = b"code,year,name\n1,2018,a\n2,2018," + b"x" * 5000 + b"\n3,2018,c\n"

    found = read(data, limits=Limits(chunk_bytes=4096, max_record_bytes=1024))

    assert found.rules == [(2, "too_long")]
    assert [(r["code"], r["_row_number"]) for r in found.rows] == [("1", 1), ("3", 3)]
    assert len(found.rejects[0]["raw"]) == 1025


def test_derived_columns_are_constants_and_absent_columns_are_absent() -> None:
    by_header = read(b"SEQ16,code\n1,7\n")
    by_key = read(b"code\n7\n", key="plants/plants_2014.csv")

    assert (by_header.rows[0]["year"], by_key.rows[0]["year"]) == (2016, 2014)
    assert by_key.chunks[0].table.column_names == ["_row_number", "code", "year", "_rescued"]


def test_unknown_columns_are_rescued_as_json() -> None:
    data = b'code,year,odd,new\n1,2018,"say ""hi"" \\ \x01",\n2,2018,,x\n3,2018,,\n'

    rescuing, discarding = read(data), read(data, replace(PLANTS, drift="discard"))

    assert [r["_rescued"] for r in rescuing.rows] == [
        '{"odd":"say \\"hi\\" \\\\ \\u0001"}',
        '{"new":"x"}',
        None,
    ]
    assert "_rescued" not in discarding.rows[0]


def test_all_rows_of_a_chunk_may_be_bad() -> None:
    found = read(b"code,year\n1,x\n2,y\n")

    assert (found.rules, found.rows) == ([(1, "type"), (2, "type")], [])
    assert found.chunks[0].table.schema.field("year").type == pa.int32()


def test_rows_may_be_rejected_after_parsing_and_keep_all_violations() -> None:
    """Given a parsed chunk, when a later check rejects rows, then they move over with their raw text."""
    data = b"code,year,name\n1,2018,a\n2,x,b\n3,2018,c\n"
    found = read(data)
    plan = found.inspection.chunks[0]
    violations = Violations()
    violations.add(np.array([1]), "expect_name", "name", text("c"), "'c' is not a name")
    violations.add(np.array([1]), "expect_code", "code", text("3"), "'3' is not a code")

    after = reject_rows(found.chunks[0], violations, found.payloads[0], plan, found.inspection)

    assert after.table["code"].to_pylist() == ["1"]
    assert after.rejects["row_number"].to_pylist() == [2, 3]
    assert after.rejects["raw"].to_pylist() == ["2,x,b", "3,2018,c"]
    assert after.rejects["line"].to_pylist() == [3, 4]
    assert [v["rule"] for v in after.rejects["violations"].to_pylist()[1]] == ["expect_name", "expect_code"]
    assert after.read == found.chunks[0].read == 3


def test_raw_records_are_found_by_their_numbers() -> None:
    data = b'code,year,name\n1,2018,"a\nb"\n2,2018,b\n3,2018,c\n'
    found = read(data)

    lines, raw = raw_records(
        found.payloads[0], found.inspection.chunks[0], found.inspection, np.array([1, 3])
    )

    assert (lines.tolist(), raw.to_pylist()) == ([2, 5], ['1,2018,"a\nb"', "3,2018,c"])


CONTRACT_OF_TEXTS = replace(
    PLANTS,
    columns=tuple(Column(name=name, type="text", aliases=(name,), trim=False) for name in "pqrs"),
    key=("p",),
    drift="discard",
)


@given(well_formed(), st.integers(1, 200))
def test_cells_are_those_of_the_csv_module(file: tuple[int, str], chunk_bytes: int) -> None:
    width, body = file
    rows = list(csv.reader(io.StringIO(body, newline="")))
    data = (",".join("pqrs"[:width]) + "\n" + body).encode()

    found = read(data, replace(CONTRACT_OF_TEXTS, minimum_rows=0), limits=Limits(chunk_bytes, 1000))

    names = "pqrs"[:width]
    expected = {
        number: {name: cell or None for name, cell in zip(names, cells, strict=True)}
        for number, cells in enumerate(rows, start=1)
        if any(cell.strip() for cell in cells)
    }
    assert {r.pop("_row_number"): r for r in found.rows} == expected
    assert found.balanced


@given(damaged(), st.integers(1, 200), st.sampled_from([20, 1000]))
def test_damaged_files_lose_no_record(file: tuple[int, str], chunk_bytes: int, limit: int) -> None:
    width, body = file
    data = (",".join("pqrs"[:width]) + "\n" + body).encode()

    found = read(data, replace(CONTRACT_OF_TEXTS, minimum_rows=0), limits=Limits(chunk_bytes, limit))

    assert found.balanced
