"""The bytes that COPY reads do not depend on how Arrow happens to have cut the columns."""

from __future__ import annotations

import csv
import io
import itertools

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from headgate.records import csv_text

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
