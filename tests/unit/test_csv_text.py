"""The bytes that COPY reads do not depend on how Arrow happens to have cut the columns."""

from __future__ import annotations

import csv
import datetime
import io
import itertools

import pyarrow as pa
import pyarrow.csv
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from headgate.records import csv_text, encode_batches

TEXTS = st.lists(st.text(alphabet='ab ,"\n\u00fc', max_size=6), max_size=30)


@given(values=TEXTS, cuts=st.lists(st.integers(0, 30), max_size=6))
def test_chunk_layout_leaves_no_trace(values: list[str], cuts: list[int]) -> None:
    ends = sorted(min(cut, len(values)) for cut in cuts)
    bounds = [0, *ends, len(values)]
    pieces = [pa.array(values[a:b], pa.string()) for a, b in itertools.pairwise(bounds)]
    table = pa.table({"n": list(range(len(values))), "text": pa.chunked_array(pieces, type=pa.string())})

    rows = list(csv.reader(io.StringIO(csv_text(table).decode(), newline="")))

    assert rows == [[str(n), value] for n, value in enumerate(values)]


def test_null_and_the_empty_text_are_told_apart() -> None:
    assert csv_text(pa.table({"a": pa.array([None, ""])})) == b'\n""\n'


CELLS = {
    pa.string(): st.text(alphabet='ab ,"\n\r\u00fc', max_size=6),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.decimal128(9, 3): st.decimals(-100_000, 100_000, places=3),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(),
    pa.timestamp("us", "UTC"): st.datetimes(timezones=st.just(datetime.UTC)),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    kinds = draw(st.lists(st.sampled_from(list(CELLS)), min_size=2, max_size=5))
    rows = draw(st.integers(1, 8))
    cells = [
        pa.array(draw(st.lists(st.none() | CELLS[kind], min_size=rows, max_size=rows)), kind)
        for kind in kinds
    ]
    return pa.table(cells, names=[str(place) for place in range(len(cells))])


def arrows_own(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(include_header=False))
    return bytes(sink.getvalue())


def cells_of(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


@given(tables())
def test_cells_are_those_of_arrows_writer_with_quotes_only_where_needed(table: pa.Table) -> None:
    text = csv_text(table)

    assert cells_of(text) == cells_of(arrows_own(table))
    nulls = [name for name in table.column_names if table[name].null_count == table.num_rows]
    assert cells_of(csv_text(table.select([*nulls, table.column_names[0]])))[0][:-1] == [""] * len(nulls)
    special = any(
        cell is not None and (not cell or set(cell) & set(',"\n\r'))
        for column in table.columns
        if column.type == pa.string()
        for cell in column.to_pylist()
    )
    assert (b'"' in text) == special


@given(tables(), st.integers(1, 80))
def test_batches_are_the_rows_in_order_cut_into_about_equal_texts(table: pa.Table, batch_bytes: int) -> None:
    whole = csv_text(table)
    longest = max(len(csv_text(table.slice(row, 1))) for row in range(table.num_rows))

    batches = encode_batches(table, table.column_names, batch_bytes)

    assert b"".join(zstandard.decompress(batch.body) for batch in batches) == whole
    assert [len(cells_of(zstandard.decompress(batch.body))) for batch in batches] == [b.rows for b in batches]
    assert sum(batch.rows for batch in batches) == table.num_rows
    assert all(batch.size < batch_bytes + longest for batch in batches)
