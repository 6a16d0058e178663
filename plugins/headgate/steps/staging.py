"""What lies in the staging bucket, by chunk: batches, rejected rows, key hashes, payloads of re-cut objects.

Everything is written before the ledger speaks of it. A name carries a digest of the content, so a late
attempt of a task, under a changed suite perhaps, cannot write over what the ledger speaks of by now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import zstandard

from headgate.errors import Fatal
from headgate.ledger import Chunk
from headgate.steps.services import Services

PIECE = 1024 * 1024  # bytes


def batches_key(dataset: str, object_id: int, chunk: int, staged: str) -> str:
    """Bodies of the chunk's messages, one after the other; the ledger knows where each lies."""
    return f"{_place(dataset, object_id, chunk, staged)}.batches"


def rejects_key(dataset: str, object_id: int, chunk: int, staged: str) -> str:
    """The chunk's bad rows as the quarantine takes them: CSV, zstd."""
    return f"{_place(dataset, object_id, chunk, staged)}.rejects"


def hashes_key(dataset: str, object_id: int, chunk: int, staged: str) -> str:
    """Hash and row number of each accepted row's key, for finding keys that repeat."""
    return f"{_place(dataset, object_id, chunk, staged)}.keys"


def payload_key(dataset: str, object_id: int, chunk: int, payload: bytes) -> str:
    """The chunk's records, where they are not a byte range of the landed object."""
    return f"{_place(dataset, object_id, chunk, name_of(payload))}.payload"


def name_of(*contents: bytes) -> str:
    """The name under which these bytes are staged: the same for the same bytes."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:16]


def _place(dataset: str, object_id: int, chunk: int, staged: str) -> str:
    return f"{dataset}/{object_id}/{chunk:06d}" + (f".{staged}" if staged else "")


def verify(body: bytes, sha256: str, key: str) -> None:
    """``Fatal`` when something changed the staged bytes, which had this digest."""
    if hashlib.sha256(body).hexdigest() != sha256:
        raise Fatal(
            f"the staged batch in {key} is not what was validated; nothing of it was sent. "
            "Run the dataset with reload for this object."
        )


def rejects_of(services: Services, dataset: str, chunks: Iterable[Chunk]) -> Iterator[bytes]:
    """The bad rows of chunks in order, in pieces of at most 1 MiB."""
    for chunk in chunks:
        if chunk.rows_rejected:
            key = rejects_key(dataset, chunk.object_id, chunk.ordinal, chunk.staged)
            yield from _pieces(services.store.read(services.staging, key))


def _pieces(body: bytes) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(body) as reader:
        while piece := reader.read(PIECE):
            yield piece
