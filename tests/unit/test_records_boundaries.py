"""Properties of the record boundaries: cutting and parsing agree, whatever the blocks, chunks and quotes."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.records import cutting
from headgate.records.boundaries import BROKEN_QUOTE, GOOD, TOO_LONG, count_fields, pieces, scan
from headgate.records.cutting import Cutter
from headgate.records.model import ChunkPlan, Limits
from headgate.records.tracing import Rules, trace

COMMA = ord(",")
CELLS = st.text(alphabet='ab",\n\r xé', max_size=6)


@st.composite
def well_formed(draw: st.DrawFn) -> tuple[int, str]:
    """Number of columns and the text of a CSV file as RFC 4180 has it, with or without a last line end."""
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8))
    quote_all = draw(st.booleans())
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))

    def cell(value: str) -> str:
        if quote_all or any(special in value for special in '",\n\r'):
            return '"' + value.replace('"', '""') + '"'
        return value

    lines = line_end.join(",".join(map(cell, row)) for row in rows)
    return width, lines + (line_end if draw(st.booleans()) else "")


@st.composite
def damaged(draw: st.DrawFn) -> tuple[int, str]:
    """The same with quotes, delimiters and line ends lost or added."""
    width, text = draw(well_formed())
    characters = list(text)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(characters)))
        if draw(st.booleans()) and place < len(characters):
            del characters[place]
        else:
            characters.insert(place, draw(st.sampled_from('",\n\r')))
    return width, "".join(characters)


class Blocks(io.BytesIO):
    """A stream that gives at most so many bytes at once."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._size)


def cut(data: bytes, rules: Rules, limits: Limits, block: int) -> Cutter:
    cutter = Cutter(rules, limits, offset=0, first_line=1, sink=None)
    stream = Blocks(data, block)
    cutter.cut(stream.read(), stream)
    return cutter


def records_of(data: bytes, rules: Rules) -> list[tuple[int, int, int]]:
    """Start, end and status of every record, all at once."""
    found = scan(data, rules, final=True)
    return list(zip(found.starts.tolist(), found.ends.tolist(), found.status.tolist(), strict=True))


def lines_before(data: bytes, offset: int) -> int:
    head = data[:offset]
    return head.count(b"\n") + head.count(b"\r") - head.count(b"\r\n")


@given(well_formed())
def test_records_are_the_rows_of_the_csv_module(file: tuple[int, str]) -> None:
    width, text = file
    data = text.encode()

    found = scan(data, Rules(COMMA, 1000, width), final=True)

    bounds = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    rows = [next(csv.reader(io.StringIO(data[a:b].decode(), newline="")), []) for a, b in bounds]
    assert rows == list(csv.reader(io.StringIO(text, newline="")))
    assert set(found.status.tolist()) <= {GOOD}
    assert found.line_starts.tolist() == [lines_before(data, start) for start in found.starts.tolist()]


@given(well_formed(), st.integers(1, 40), st.integers(1, 60))
def test_chunks_hold_all_bytes_and_each_record_once(
    file: tuple[int, str], block: int, chunk_bytes: int
) -> None:
    width, text = file
    data = text.encode()
    rules = Rules(COMMA, 1000, width)

    plans = cut(data, rules, Limits(chunk_bytes, 1000), block).plans

    assert b"".join(data[p.offset : p.offset + p.length] for p in plans) == data
    starts = [start for start, _, _ in records_of(data, rules)]
    assert [p.offset for p in plans] == [starts[p.first_row - 1] for p in plans]
    assert [p.first_line for p in plans] == [1 + lines_before(data, p.offset) for p in plans]
    assert sum(p.records for p in plans) == len(starts)
    assert all(a.first_row + a.records == b.first_row for a, b in pairwise(plans))
    assert all(p.length <= chunk_bytes or p.records == 1 for p in plans)


@given(
    st.one_of(well_formed(), damaged()),
    st.integers(1, 30),
    st.integers(1, 60),
    st.sampled_from([12, 40, 1000]),
)
def test_parsing_a_chunk_finds_the_records_that_cutting_counted(
    file: tuple[int, str], block: int, chunk_bytes: int, limit: int
) -> None:
    width, text = file
    data = text.encode()
    rules = Rules(COMMA, limit, width)

    plans = cut(data, rules, Limits(chunk_bytes, limit), block).plans

    assert plans == cut(data, rules, Limits(chunk_bytes, limit), 10_000).plans
    for plan in plans:
        payload = data[plan.offset : plan.offset + plan.length]
        assert len(payload) == plan.length
        for size in (7, 10_000):
            assert sum(found.ends.size for _, found in pieces(payload, rules, size)) == plan.records


@given(st.one_of(well_formed(), damaged()), st.sampled_from([12, 40, 1000]))
def test_vectorised_scanning_agrees_with_the_state_machine(file: tuple[int, str], limit: int) -> None:
    width, text = file
    data = text.encode()
    rules = Rules(COMMA, limit, width)

    found = scan(data, rules, final=True)
    fields = count_fields(data, found, COMMA)

    start = 0
    for index, (begin, end, status) in enumerate(records_of(data, rules)):
        record = trace(data, start, rules, final=True)
        assert record is not None
        assert (begin, end, status == BROKEN_QUOTE) == (
            start,
            record.end,
            record.broken and end - begin <= limit,
        )
        assert status != GOOD or fields[index] == record.fields
        start = record.end
    assert start == len(data)


@given(well_formed(), st.integers(0, 8), st.sampled_from(['"x', 'a,"b', '"a,b', 'a,"b,c"d']))
def test_a_broken_line_swallows_no_neighbour(file: tuple[int, str], place: int, broken: str) -> None:
    """Given good records of three plain fields around a line with a broken quote, only that line is bad."""
    _, text = file
    rows = [f"{index},x{len(text)},z" for index in range(place + 3)]
    lines = [*rows[:place], broken, *rows[place:]]
    data = ("\n".join(lines) + "\n").encode()

    found = scan(data, Rules(COMMA, 1000, 3), final=True)

    assert found.ends.size == len(lines)
    assert np.flatnonzero(found.status).tolist() == [place]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'1,"a\nb",3\n4,5,6\n', [b'1,"a\nb",3\n', b"4,5,6\n"]),
        (b'1,"a,3\n4,"B",6\n7,8,9\n', [b'1,"a,3\n', b'4,"B",6\n', b"7,8,9\n"]),
        (b'1,5" pipe,3\n4,5,6\n', [b'1,5" pipe,3\n', b"4,5,6\n"]),
        (b'5" pipe,"x\ny",3\n4,5,6\n', [b'5" pipe,"x\ny",3\n', b"4,5,6\n"]),
        # The closing quote is another field's opening one: without counting fields, line 2 would be lost.
        (b'1,"a,3\n4,b,6\n7,",",9\n', [b'1,"a,3\n', b"4,b,6\n", b'7,",",9\n']),
        (b"a,b,c\rd,e,f\r", [b"a,b,c\r", b"d,e,f\r"]),
        (b"1,2,3\n\n4,5,6", [b"1,2,3\n", b"\n", b"4,5,6"]),
    ],
)
def test_boundaries_of_irregular_records(data: bytes, expected: list[bytes]) -> None:
    records = records_of(data, Rules(COMMA, 1000, 3))

    assert [data[start:end] for start, end, _ in records] == expected


@pytest.mark.parametrize("block", [1, 7, 64, 100_000])
def test_a_record_beyond_the_limit_is_a_clipped_chunk_of_its_own(block: int) -> None:
    long = b"x" * 5000 + b"\r\n"
    data = b"1,2,3\r\n" + long + b"4,5,6\r\n"

    plans = cut(data, Rules(COMMA, 100, 3), Limits(1000, 100), block).plans

    assert [(p.offset, p.length, p.first_row, p.first_line) for p in plans] == [
        (0, 7, 1, 1),
        (7, 101, 2, 2),
        (7 + len(long), 7, 3, 3),
    ]
    payload = data[plans[1].offset : plans[1].offset + plans[1].length]
    assert [status for _, _, status in records_of(payload, Rules(COMMA, 100, 3))] == [TOO_LONG]


def test_the_sink_gets_the_bytes_that_the_plans_describe() -> None:
    data = b"".join(b"%d,b,c\n" % number for number in range(1000))
    stored: dict[int, bytes] = {}

    def sink(ordinal: int, payload: bytes) -> dict[str, int]:
        stored[ordinal] = payload
        return {"at": ordinal}

    cutter = Cutter(Rules(COMMA, 100, 3), Limits(512, 100), offset=0, first_line=2, sink=sink)
    stream = Blocks(data, 300)
    cutter.cut(stream.read(), stream)

    assert b"".join(stored[ordinal] for ordinal in sorted(stored)) == data
    assert [plan.source for plan in cutter.plans] == [{"at": ordinal} for ordinal in range(len(stored))]
    assert cutter.plans[0] == ChunkPlan(0, 0, len(stored[0]), 1, 2, stored[0].count(b"\n"), {"at": 0})


def test_memory_of_cutting_is_bounded_by_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a line without end, when it is cut, then no more than a block and the limit is ever held."""
    monkeypatch.setattr(cutting, "BLOCK_BYTES", 1000)
    held: list[int] = []

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            held.append(len(cutter._rest))
            return b"x" * 1000 if len(held) < 200 else b""

    cutter = Cutter(Rules(COMMA, 100, 3), Limits(1000, 100), offset=0, first_line=1, sink=None)
    cutter.cut(b"x" * 1000, Endless())

    assert max(held) <= 1100
    assert [plan.length for plan in cutter.plans] == [101]


@given(
    st.integers(0, 5),
    st.integers(2, 5),
    st.integers(0, 3),
    st.integers(0, 4),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 30),
)
def test_two_broken_quotes_that_meet_swallow_nothing_between_them(
    first: int, distance: int, after: int, column: int, line_end: str, block: int
) -> None:
    """Given a quote that opens a cell and one that ends the same cell some rows below, one line is bad."""
    rows = [[f"{row}{name}" for name in "abcde"] for row in range(first + distance + after + 1)]
    rows[first][column] = '"' + rows[first][column]
    rows[first + distance][column] += '"'
    data = "".join(",".join(row) + line_end for row in rows).encode()
    rules = Rules(COMMA, 1000, 5)

    found = records_of(data, rules)

    assert [status for *_, status in found] == [
        BROKEN_QUOTE if row == first else GOOD for row in range(len(rows))
    ]
    assert cut(data, rules, Limits(40, 1000), block).records == len(rows)


def test_a_text_of_several_lines_is_one_record() -> None:
    data = b'1,2,3,4,"a, b\nc, d, e, f, g\nh, i"\n'
    assert records_of(data, Rules(COMMA, 1000, 5)) == [(0, len(data), GOOD)]
