"""A batch as a message, and messages that are none."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from typing import Any

import pika
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from headgate import message
from headgate.errors import DataError
from headgate.message import RowBatch, decode, decompress, decompressed_size, encode, message_id, traceparent

BODY = zstandard.ZstdCompressor().compress(b'1,"a"\n2,"b"\n')


def a_batch(**changed: Any) -> RowBatch:
    fields: dict[str, Any] = {
        "dataset": "plants",
        "contract_version": 2,
        "object_id": 7,
        "object_version": 1_700_000_000_000_000,
        "lineage": "plants/2021 änd.csv",
        "chunk_id": 30,
        "chunk": 3,
        "batch": 1,
        "rows": 2,
        "columns": ("_row_number", "code"),
        "sha256": hashlib.sha256(BODY).hexdigest(),
        "run_id": 5,
        "traceparent": traceparent(5, 7),
        "body": BODY,
    }
    return RowBatch(**(fields | changed))


def on_the_wire(properties: pika.BasicProperties) -> pika.BasicProperties:
    """As the broker hands it out."""
    return pika.BasicProperties().decode(b"".join(properties.encode()))


def test_a_batch_comes_back_as_it_was_sent() -> None:
    batch = a_batch()
    assert decode(on_the_wire(encode(batch)), batch.body) == batch


@given(st.integers(0, 2**62), st.integers(0, 2**31), st.integers(0, 2**31))
def test_ids_are_the_same_for_every_attempt_and_differ_by_place(
    object_id: int, chunk: int, batch: int
) -> None:
    first = message_id(object_id, chunk, batch)
    assert first == message_id(object_id, chunk, batch)
    assert first != message_id(object_id, chunk, batch + 1)
    assert first != message_id(object_id, chunk + 1, batch)
    assert first.version == 5


def test_trace_context_has_the_form_of_the_specification() -> None:
    version, trace, span, flags = traceparent(5, 7).split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert traceparent(5, 8).split("-")[1] == trace
    assert traceparent(5, 8) != traceparent(5, 7)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"type": "headgate.rows.v9"}, "type is 'headgate.rows.v9', expected 'headgate.rows.v1'"),
        ({"type": None}, "type is None"),
        ({"content_type": "application/json"}, "content type"),
        ({"content_encoding": "gzip"}, "content encoding"),
        ({"message_id": str(uuid.uuid4())}, "message id"),
        ({"message_id": None}, "message id is None"),
        ({"headers": None}, "header dataset is None"),
    ],
)
def test_wrong_properties_are_named(changed: dict[str, Any], wrong: str) -> None:
    properties = encode(a_batch())
    for name, value in changed.items():
        setattr(properties, name, value)
    with pytest.raises(DataError, match=wrong):
        decode(properties, BODY)


@pytest.mark.parametrize(
    ("header", "value", "wrong"),
    [
        ("rows", "2", "header rows is '2', expected a whole number"),
        ("rows", True, "header rows is True"),
        ("rows", 0, "rows is 0"),
        ("object_id", None, "header object_id is None"),
        ("dataset", "", "header dataset is ''"),
        ("columns", "code,_row_number", "columns must begin with _row_number"),
        ("columns", "_row_number,code,code", "name each once"),
        ("sha256", "0" * 64, "sha256 of the body"),
    ],
)
def test_wrong_headers_are_named(header: str, value: object, wrong: str) -> None:
    properties = encode(a_batch())
    properties.headers = dict(properties.headers or {}) | {header: value}
    with pytest.raises(DataError, match=wrong):
        decode(properties, BODY)


def test_a_flipped_bit_in_the_body_is_seen() -> None:
    flipped = BODY[:-1] + bytes([BODY[-1] ^ 1])
    with pytest.raises(DataError, match="sha256"):
        decode(encode(a_batch()), flipped)


@given(st.binary(max_size=300), st.booleans())
def test_bodies_are_decompressed_as_they_were(content: bytes, announced: bool) -> None:
    body = zstandard.ZstdCompressor(write_content_size=announced).compress(content)
    assert decompress(body, limit=300) == content


@pytest.mark.parametrize("announced", [True, False])
def test_a_small_body_that_holds_gigabytes_is_refused(announced: bool) -> None:
    bomb = zstandard.ZstdCompressor(write_content_size=announced).compress(b"0" * (64 << 20))
    assert len(bomb) < 10_000
    with pytest.raises(DataError, match="bytes"):
        decompress(bomb, limit=1 << 20)


@pytest.mark.parametrize("body", [b"", b"not zstd at all", BODY[:-3], BODY + b"more"])
def test_what_is_no_whole_zstd_frame_is_refused(body: bytes) -> None:
    with pytest.raises(DataError, match="not readable as zstd"):
        decompress(body, limit=1 << 20)


def test_the_size_is_known_without_decompressing() -> None:
    assert decompressed_size(BODY) == 12
    unannounced = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 1000)
    assert decompressed_size(unannounced) == 4 * len(unannounced)
    assert decompressed_size(b"junk") == 4


def test_properties_make_the_message_survive_a_restart_of_the_broker() -> None:
    properties = encode(replace(a_batch(), rows=9))
    assert properties.delivery_mode == message.PERSISTENT
    assert properties.headers is not None
    assert properties.headers["rows"] == 9
