"""Bad rows on their way to the quarantine and back."""

from __future__ import annotations

import json

import pyarrow as pa
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from headgate.records import REJECTS_SCHEMA, csv_text
from headgate.steps.chunks import packed_rejects
from headgate.steps.rejects import counts_by_rule, for_quarantine, from_csv, violations_json


def test_rejects_come_back_as_they_were_staged_however_long() -> None:
    """A record of a megabyte stands in raw, value and violations, so it is longer than a block of Arrow's."""
    texts = ["x" * 900_000, 'two\nlines, "quoted"', ""]
    staged = for_quarantine(rejects(texts), chunk_id=7)

    assert from_csv(csv_text(staged)).to_pylist() == staged.to_pylist()


def test_rejects_are_packed_piece_by_piece() -> None:
    staged = for_quarantine(rejects(["x" * 100_000] * 200), chunk_id=7)

    packed = packed_rejects(staged)

    assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == csv_text(staged)
    assert zstandard.ZstdDecompressor().decompressobj().decompress(packed_rejects(staged.slice(0, 0))) == b""


def test_rejects_are_counted_by_their_first_rule() -> None:
    assert counts_by_rule(rejects(["a", "b"])) == {"type": 2}
    assert counts_by_rule(rejects(["a"]).slice(1)) == {}


CELLS = st.none() | st.text()


@given(
    st.lists(
        st.lists(
            st.fixed_dictionaries({"rule": st.text(), "column": CELLS, "value": CELLS, "reason": CELLS}),
            min_size=1,
            max_size=3,
        ),
        max_size=5,
    ),
    st.integers(0, 2),
)
def test_violations_are_the_json_that_python_reads_back(
    lists: list[list[dict[str, str]]], start: int
) -> None:
    column = pa.chunked_array([lists], REJECTS_SCHEMA.field("violations").type).slice(start)

    assert [json.loads(text) for text in violations_json(column).to_pylist()] == lists[start:]


def rejects(texts: list[str]) -> pa.Table:
    """Rejects of ``headgate.records`` with these values."""
    numbers = pa.array(range(1, len(texts) + 1), pa.int64())
    same = pa.chunked_array([pa.array(texts, pa.string())])
    rule = pa.array(["type"] * len(texts), pa.string())
    violations = [[{"rule": "type", "column": "a", "value": text, "reason": text}] for text in texts]
    return pa.table(
        {
            "row_number": numbers,
            "line": numbers,
            "rule": rule,
            "column": rule,
            "value": same,
            "reason": same,
            "raw": same,
            "violations": pa.array(violations, REJECTS_SCHEMA.field("violations").type),
        }
    )
