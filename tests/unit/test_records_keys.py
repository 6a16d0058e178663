"""Duplicate keys across the chunks of an object, and the bodies of messages."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from headgate.records import decode_keys, encode_batches, encode_keys, find_duplicates, key_hashes

KEYS = st.lists(st.tuples(st.text(alphabet="a1é", max_size=3), st.integers(1, 30)), max_size=60)


def chunk_of(keys: list[tuple[str, int]], first_row: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    table = pa.table(
        {
            "code": pa.array([k for k, _ in keys], pa.string()),
            "year": pa.array([y for _, y in keys], pa.int32()),
        }
    )
    data = encode_keys(key_hashes(table, ["code", "year"]), np.arange(first_row, first_row + len(keys)))
    return lambda: decode_keys(data)


@given(KEYS, st.integers(1, 20), st.integers(1, 40))
def test_the_first_row_of_a_key_stays(keys: list[tuple[str, int]], size: int, in_memory: int) -> None:
    chunks = [(n, chunk_of(keys[at : at + size], at + 1)) for n, at in enumerate(range(0, len(keys), size))]

    found = find_duplicates(chunks, len(keys), in_memory)

    first: dict[tuple[str, int], int] = {}
    expected = []
    for number, key in enumerate(keys, start=1):
        if key in first:
            expected.append(((number - 1) // size, number, first[key]))
        first.setdefault(key, number)
    assert (
        list(
            zip(found.chunk.tolist(), found.row_number.tolist(), found.first_row_number.tolist(), strict=True)
        )
        == expected
    )
    assert len(found) == len(expected)


def test_texts_of_two_key_columns_do_not_run_together() -> None:
    table = pa.table({"a": ["679", "6791", "", "x"], "b": ["11", "1", "x", ""]})

    assert len({tuple(pair) for pair in key_hashes(table, ["a", "b"]).tolist()}) == 4


def test_hashes_do_not_depend_on_how_the_table_is_chunked() -> None:
    table = pa.table({"a": [f"key {number}" * (number % 7) for number in range(5000)]})
    chunked = pa.concat_tables([table.slice(0, 0), table.slice(0, 1234), table.slice(1234)])

    assert (key_hashes(table, ["a"]) == key_hashes(chunked, ["a"])).all()


def test_hashes_are_spread_and_stable() -> None:
    """The hashes lie beside staged batches: another version of the code must not change them."""
    table = pa.table({"a": [str(number) for number in range(100_000)]})

    hashes = key_hashes(table, ["a"])

    assert np.unique(hashes[:, 0]).size == np.unique(hashes[:, 1]).size == 100_000
    parts = np.bincount((hashes[:, 0] >> np.uint64(32)).astype(np.int64) % 8)
    assert parts.min() > 12_000
    assert hashlib.sha256(encode_keys(hashes, np.arange(100_000))).hexdigest()[:16] == "2f4e0071d4c1b33f"


def decoded(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(zstandard.decompress(body).decode(), newline="")))


@pytest.mark.parametrize("batch_bytes", [1024, 50_000, 10**7])
def test_batches_hold_all_rows_in_order_and_are_what_copy_reads(batch_bytes: int) -> None:
    rows = 4000
    table = pa.table(
        {
            "_row_number": pa.array(range(1, rows + 1), pa.int64()),
            "name": ['say "hi", ' + "x" * (n % 40) + "\n" if n % 3 else None for n in range(rows)],
            "empty": [""] * rows,
            "value": [n / 7 for n in range(rows)],
        }
    )

    batches = encode_batches(table, ["_row_number", "value", "name", "empty"], batch_bytes)

    assert sum(batch.rows for batch in batches) == rows
    assert all(batch.size <= batch_bytes * 1.5 for batch in batches)
    assert [len(decoded(batch.body)) for batch in batches] == [batch.rows for batch in batches]
    cells = [row for batch in batches for row in decoded(batch.body)]
    assert [int(row[0]) for row in cells] == list(range(1, rows + 1))
    assert [float(row[1]) for row in cells] == table["value"].to_pylist()
    assert zstandard.decompress(batches[0].body).startswith(b'1,0,,""\n2,')
    assert all(batch.sha256 == hashlib.sha256(batch.body).hexdigest() for batch in batches)


def test_the_same_table_gives_the_same_bytes() -> None:
    table = pa.table({"_row_number": range(1000), "value": [n / 3 for n in range(1000)]})

    first = encode_batches(table, table.column_names, 4096)
    second = encode_batches(pa.table(table.to_pydict()), table.column_names, 4096)

    assert [batch.body for batch in first] == [batch.body for batch in second]


def test_no_rows_give_no_batch() -> None:
    assert encode_batches(pa.table({"_row_number": pa.array([], pa.int64())}), ["_row_number"], 4096) == []
