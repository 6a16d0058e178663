"""Bad rows on their way to the quarantine and back."""

from __future__ import annotations

import pyarrow as pa

from headgate.records import csv_text
from headgate.steps.rejects import for_quarantine, from_csv


def test_rejects_come_back_as_they_were_staged_however_long() -> None:
    """A record of a megabyte stands in raw, value and violations, so it is longer than a block of Arrow's."""
    texts = ["x" * 900_000, 'two\nlines, "quoted"', ""]
    staged = for_quarantine(rejects(texts), chunk_id=7)

    assert from_csv(csv_text(staged)).to_pylist() == staged.to_pylist()


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
            "violations": pa.array(violations),
        }
    )
