"""What is looked at as a whole before each cell is: the outcome is that of looking at each."""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from headgate.contract import Column
from headgate.records.boundaries import pieces
from headgate.records.buffers import bytes_of, holds_any, is_trimmed
from headgate.records.delimited import _read_cells, _try_cells
from headgate.records.rows import Reading
from headgate.records.structure import check_structure, regular_structure
from headgate.records.tracing import Rules
from tests.unit.records_cases import PLANTS, read
from tests.unit.test_records_boundaries import damaged, well_formed
from tests.unit.test_records_parse import HEADER, row

NAMES = "pqrs"
TEXTS = replace(
    PLANTS, columns=tuple(Column(name=name, type="text", aliases=(name,)) for name in NAMES), key=("p",)
)
NUMBERS = ["5.", ".5", "+5", "-0", " 7 ", "1,234.5", "1e-400", "1e400", "0." + "0" * 400 + "1", "07", "x"]


@given(st.one_of(well_formed(), damaged()))
def test_a_piece_is_read_at_once_only_where_every_record_has_the_fields_of_the_header(
    file: tuple[int, str],
) -> None:
    width, body = file
    header = ",".join(NAMES[:width])
    inspection = read(f"{header}\n{','.join('1' * width)}\n".encode(), TEXTS).inspection
    reading, rules = Reading(inspection, TEXTS), Rules(ord(","), 1000, width)

    for piece, records in pieces(body.encode(), rules):
        regular = regular_structure(piece, records, rules, "utf-8")
        cells = _try_cells(piece, records, regular.readable, reading) if regular else None
        careful = check_structure(piece, records, rules, "utf-8")
        assert regular is None or cells is not None or careful.violations or careful.blank
        if cells is None:
            continue
        assert not careful.violations
        kept = careful.readable  # an empty line is read as nulls here, and counted as blank later
        assert cells.num_rows - kept.size == careful.blank
        assert cells.take(pa.array(kept)).equals(_read_cells(piece, records, kept, reading))


@given(
    st.lists(
        st.one_of(
            st.just(""),
            st.floats(allow_nan=False, allow_infinity=False).map(repr),
            st.decimals(-(10**9), 10**9, places=5).map(str),
            st.sampled_from(NUMBERS),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_numbers_are_sent_as_texts_that_postgres_reads_as_the_same(cells: list[str]) -> None:
    content = HEADER + "".join(row(generation=cell) for cell in cells)
    for chunk in read(content.encode()).chunks:
        values = chunk.table["generation"].to_pylist()
        sent = chunk.written["generation"].to_pylist()
        assert [text and float(text) for text in sent] == [None if v is None else v for v in values]
        for text in filter(None, sent):
            assert re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text)
            assert float(text) != 0 or not re.search("[1-9]", text.partition("e")[0])  # it would underflow


@given(
    st.lists(st.none() | st.text("ab. \t\u00a0\u001c\u00fc", max_size=4), max_size=6),
    st.integers(0, 3),
    st.integers(0, 6),
)
def test_what_is_said_of_a_column_is_true_of_its_texts(
    cells: list[str | None], start: int, count: int
) -> None:
    texts = pa.array(cells, pa.string()).slice(start, count)
    listed = [cell for cell in texts.to_pylist() if cell is not None]

    assert bytes(bytes_of(texts)).decode() == "".join(listed)
    assert holds_any(texts, ".a") == any(set(cell) & {".", "a"} for cell in listed)
    if is_trimmed(texts):
        assert pc.utf8_trim_whitespace(texts).equals(texts)
        assert "" not in listed


def test_plain_texts_are_known_to_be_trimmed() -> None:
    assert is_trimmed(pa.array(["a", None, "b c"]))
    assert not is_trimmed(pa.array(["a", "b "]))
