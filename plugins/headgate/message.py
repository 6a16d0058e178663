"""One message of rows: what it says about itself, and how it travels in AMQP.

The body is CSV as ``COPY`` reads it (no header; NULL is an empty unquoted field, the empty text
is ``""``), zstd-compressed. The first column is ``_row_number``. Ids are deterministic: a retried
task sends the same message again, and the receipt of the first makes the second fall away.
"""

from __future__ import annotations

import hashlib
import io
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pika
import zstandard

from headgate.failures import Cause, MessageError

TYPE: Final = "headgate.rows.v1"
CONTENT_TYPE: Final = "text/csv"
CONTENT_ENCODING: Final = "zstd"
ROW_NUMBER: Final = "_row_number"
NAMESPACE: Final = uuid.UUID("5f0e4c8e-6f0a-5d0b-9d53-6a1f2f0f6f2e")
PERSISTENT: Final = 2

_READ_BYTES: Final = 1 << 20


def message_id(object_id: int, chunk: int, batch: int) -> uuid.UUID:
    """Id of a batch: the same for every attempt to send it. ``chunk`` and ``batch`` are ordinals."""
    return uuid.uuid5(NAMESPACE, f"{object_id}/{chunk}/{batch}")


def traceparent(run_id: int, object_id: int = 0) -> str:
    """W3C trace context of a run (trace id) and an object in it (parent span id), deterministic.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    trace = uuid.uuid5(NAMESPACE, f"run/{run_id}").hex
    span = uuid.uuid5(NAMESPACE, f"run/{run_id}/object/{object_id}").hex[:16]
    return f"00-{trace}-{span}-01"


@dataclass(frozen=True)
class RowBatch:
    """A batch of accepted rows of one chunk, as one message."""

    dataset: str
    contract_version: int
    object_id: int
    object_version: int  # microseconds since 1970 of the object's first arrival
    lineage: str
    chunk_id: int
    chunk: int  # ordinal of the chunk in its object
    batch: int  # ordinal of the batch in its chunk
    rows: int
    columns: tuple[str, ...]  # in the order of the body, ``_row_number`` first
    sha256: str  # of the body, hex
    run_id: int
    traceparent: str
    body: bytes = field(repr=False)

    @property
    def message_id(self) -> uuid.UUID:
        """The deterministic id."""
        return message_id(self.object_id, self.chunk, self.batch)


def encode(batch: RowBatch) -> pika.BasicProperties:
    """The AMQP properties of a batch; its body travels as it is."""
    return pika.BasicProperties(
        message_id=str(batch.message_id),
        type=TYPE,
        content_type=CONTENT_TYPE,
        content_encoding=CONTENT_ENCODING,
        delivery_mode=PERSISTENT,
        timestamp=int(time.time()),
        headers={
            "dataset": batch.dataset,
            "contract_version": batch.contract_version,
            "object_id": batch.object_id,
            "object_version": batch.object_version,
            "lineage": batch.lineage,
            "chunk_id": batch.chunk_id,
            "chunk": batch.chunk,
            "batch": batch.batch,
            "rows": batch.rows,
            "columns": ",".join(batch.columns),
            "sha256": batch.sha256,
            "run_id": batch.run_id,
            "traceparent": batch.traceparent,
        },
    )


def decode(properties: pika.BasicProperties, body: bytes) -> RowBatch:
    """The batch of a delivery. ``MessageError`` says what is wrong with one that is none of ours."""
    _expect("type", properties.type, TYPE, Cause.WRONG_TYPE)
    _expect("content type", properties.content_type, CONTENT_TYPE, Cause.WRONG_TYPE)
    _expect("content encoding", properties.content_encoding, CONTENT_ENCODING, Cause.WRONG_TYPE)
    headers: Mapping[str, Any] = properties.headers or {}
    batch = RowBatch(
        dataset=_text(headers, "dataset"),
        contract_version=_number(headers, "contract_version"),
        object_id=_number(headers, "object_id"),
        object_version=_number(headers, "object_version"),
        lineage=_text(headers, "lineage"),
        chunk_id=_number(headers, "chunk_id"),
        chunk=_number(headers, "chunk"),
        batch=_number(headers, "batch"),
        rows=_number(headers, "rows"),
        columns=tuple(_text(headers, "columns").split(",")),
        sha256=_text(headers, "sha256"),
        run_id=_number(headers, "run_id"),
        traceparent=_text(headers, "traceparent"),
        body=body,
    )
    _check(batch, properties.message_id)
    return batch


def decompress(body: bytes, limit: int) -> bytes:
    """The CSV of a body. ``MessageError`` when it is not zstd, cut short, or larger than ``limit`` bytes."""
    try:
        announced = zstandard.frame_content_size(body)
        if announced > limit:
            raise MessageError(
                Cause.TOO_LARGE,
                f"the body says it is {announced:,} bytes when decompressed, {limit:,} are allowed",
            )
        if announced < 0:
            return _decompress_unannounced(body, limit)
        return zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise MessageError(Cause.UNDECODABLE, f"the body is not readable as zstd: {error}") from None


def _decompress_unannounced(body: bytes, limit: int) -> bytes:
    """Read piece by piece, as a small body can hold gigabytes; a cut end shows in the row count only."""
    text = io.BytesIO()
    with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
        while piece := reader.read(_READ_BYTES):
            text.write(piece)
            if text.tell() > limit:
                raise MessageError(
                    Cause.TOO_LARGE, f"the body is larger than {limit:,} bytes when decompressed"
                )
    return text.getvalue()


def decompressed_size(body: bytes) -> int:
    """Size of the CSV as the zstd frame announces it, else a guess of 4 times the body; in bytes."""
    try:
        announced = zstandard.frame_content_size(body)
    except zstandard.ZstdError:
        return len(body)
    return announced if announced >= 0 else 4 * len(body)


def _check(batch: RowBatch, sent_id: str | None) -> None:
    _expect("message id", sent_id, str(batch.message_id), Cause.UNDECODABLE)
    if batch.columns[0] != ROW_NUMBER or len(set(batch.columns)) != len(batch.columns):
        raise MessageError(
            Cause.WRONG_COLUMNS,
            f"columns must begin with {ROW_NUMBER} and name each once, not {','.join(batch.columns)[:200]!r}",
        )
    if batch.rows < 1:
        raise MessageError(Cause.ROW_COUNT, f"rows is {batch.rows}: a batch has at least one")
    _expect("sha256 of the body", hashlib.sha256(batch.body).hexdigest(), batch.sha256, Cause.CHECKSUM)


def _expect(what: str, found: object, wanted: str, cause: Cause) -> None:
    if found != wanted:
        raise MessageError(cause, f"{what} is {found!r}, expected {wanted!r}")


def _text(headers: Mapping[str, Any], name: str) -> str:
    value = headers.get(name)
    if not isinstance(value, str) or not value:
        raise MessageError(Cause.UNDECODABLE, f"header {name} is {value!r}, expected a text")
    return value


def _number(headers: Mapping[str, Any], name: str) -> int:
    value = headers.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MessageError(Cause.UNDECODABLE, f"header {name} is {value!r}, expected a whole number")
    return value
