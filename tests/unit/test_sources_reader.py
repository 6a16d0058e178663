"""Landed bodies of an API on the one road: their keys, and their records as rows and rejects."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.contract import Contract
from headgate.records import Limits, Refused, inspect_object
from headgate.sources.keys import Place, place_of
from headgate.sources.model import Window
from tests.sources import landed_key, read
from tests.tiny import Tiny, contract, tiny

__all__ = ["tiny"]
pytestmark = pytest.mark.usefixtures("tiny")
TEXT = st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text)
MOMENTS = st.integers(-2_000_000_000, 4_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


@pytest.fixture
def things() -> Contract:
    return contract()


@given(MOMENTS, MOMENTS, st.dictionaries(TEXT, TEXT, max_size=3), TEXT, st.none() | TEXT)
def test_a_key_says_what_was_asked(
    start: datetime, end: datetime, slice: dict[str, str], name: str, value: str | None
) -> None:
    page = name.replace("=", "") or "page" if value is None else f"{name.replace('=', '') or 'n'}={value}"
    place = Place(Window(start, end), slice, page)
    assert place_of(place.path) == place
    assert place.path.startswith(place.folder)


@pytest.mark.parametrize(
    "path",
    [
        "plants.csv",
        "replay/abc/page-00001.json",
        "20240101T000000Z_20240102T000000Z/page-00001.json",  # not as fetch writes it
        "2024/page-00001.json.gz",
        "20240101T000000Z_20240102T000000Z/north/page-00001.json.gz",
    ],
)
def test_other_keys_are_those_of_files(path: str) -> None:
    assert place_of(path) is None


def test_records_of_a_body_are_rows(things: Contract) -> None:
    body = {"things": [{"id": 1, "at": "2024-01-01T00:00:00Z", "amount": 1.10}, {"id": 2, "other": "x"}]}
    found = read(things, json.dumps(body).replace("1.1", "1.10"), {"place": "Æ/b"})
    assert [(row["place"], row["id"], row.get("amount")) for row in found.rows] == [
        ("Æ/b", 1, Decimal("1.1000")),
        ("Æ/b", 2, None),
    ]
    assert found.rescued == [{}, {"other": "x"}]
    assert found.rejects == []
    assert (found.inspection.format, found.inspection.compression) == ("ndjson", "gzip")


def test_a_bad_record_is_set_aside_with_its_text_and_number(things: Contract) -> None:
    found = read(things, {"things": [{"id": 1}, {"id": "much", "amount": 2.5}]}, {"place": "a"})
    [bad] = found.rejects
    assert (bad["row_number"], bad["line"], bad["rule"], bad["column"]) == (2, 2, "type", "id")
    assert json.loads(bad["raw"]) == {"place": "a", "day": "2024-01-01", "id": "much", "amount": "2.5"}
    assert [row["id"] for row in found.rows] == [1]


@pytest.mark.parametrize("body", [b"", b'{"things": []}'])
def test_nothing_is_a_valid_answer(things: Contract, body: bytes) -> None:
    found = read(things, body)
    assert (found.rows, found.inspection.records, found.inspection.chunks) == ([], 0, ())
    assert found.inspection.header == ()


def test_a_body_that_the_provider_cannot_read_is_held(things: Contract) -> None:
    with pytest.raises(Refused, match="Tiny sent a body that cannot be read as things") as caught:
        read(things, b'{"things": [{"id": 1}, {"id"')
    assert caught.value.rule == "body"


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device")])
def test_what_fails_on_our_side_holds_nothing(
    things: Contract, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def records(*_: object) -> Iterator[Mapping[str, Any]]:
        raise error

    monkeypatch.setattr(Tiny, "records", records)
    with pytest.raises(type(error)):
        read(things, {"things": []})


def test_an_archive_that_was_cut_off_is_held(things: Contract) -> None:
    packed = gzip.compress(json.dumps({"things": [{"id": n} for n in range(1000)]}).encode())[:-20]
    with pytest.raises(Refused) as caught:
        inspect_object(
            io.BytesIO(packed),
            key=landed_key(things),
            size=len(packed),
            contract=things,
            limits=Limits(),
            sink=lambda ordinal, payload: {},
        )
    assert caught.value.rule == "truncated_archive"


def test_many_records_are_cut_into_chunks(things: Contract) -> None:
    body = {"things": [{"id": number, "amount": number} for number in range(5000)]}
    found = read(things, body, {"place": "a"}, chunk_bytes=4096)
    assert [row["id"] for row in found.rows] == list(range(5000))
    assert [row["_row_number"] for row in found.rows] == list(range(1, 5001))
    assert len(found.inspection.chunks) > 30


def test_rows_that_are_replayed_come_as_json_lines(things: Contract) -> None:
    lines = b'{"place":"a","day":"2024-01-01","id":7}\n'
    found = inspect_object(
        io.BytesIO(lines),
        key=things.prefix + "replay/bcd/page-00001.json",
        size=len(lines),
        contract=things,
        limits=Limits(),
    )
    assert (found.records, found.compression) == (1, None)


def test_windows_are_told_to_the_provider() -> None:
    day = datetime(2024, 1, 1, tzinfo=UTC)
    place = Place(Window(day, day + timedelta(days=1)), {"place": "a"}, "locality=13035")
    assert place.where == {
        "place": "a",
        "locality": "13035",
        "window_start": "2024-01-01T00:00:00Z",
        "window_end": "2024-01-02T00:00:00Z",
    }


def test_a_body_longer_than_memory_is_read_piece_by_piece(things: Contract) -> None:
    record = json.dumps({"id": 1, "amount": 2, "note": "x" * 400})
    body = b'{"things": [' + b",".join([record.encode()] * 60_000) + b"]}"
    packed = gzip.compress(body, mtime=0)
    chunks: list[int] = []

    def sink(ordinal: int, payload: bytes) -> dict[str, int]:
        chunks.append(len(payload))
        return {}

    tracemalloc.start()
    inspect_object(
        io.BytesIO(packed),
        key=landed_key(things),
        size=len(packed),
        contract=things,
        limits=Limits(chunk_bytes=1 << 20),
        sink=sink,
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(chunks) > len(body) > 24 << 20
    assert peak < len(body) / 2
