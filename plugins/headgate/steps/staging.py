"""What lies in the staging bucket, by chunk: batches, rejected rows, key hashes, payloads of re-cut objects.

Everything is written before the ledger speaks of it and may be written again with the same content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import zstandard

from headgate.errors import Fatal
from headgate.ledger import Chunk
from headgate.steps.services import Services

PIECE = 1024 * 1024  # bytes


def batches_key(dataset: str, object_id: int, chunk: int) -> str:
    """Bodies of the chunk's messages, one after the other; the ledger knows where each lies."""
    return f"{_folder(dataset, object_id)}/{chunk:06d}.batches"


def rejects_key(dataset: str, object_id: int, chunk: int) -> str:
    """The chunk's bad rows as the quarantine takes them: CSV, zstd."""
    return f"{_folder(dataset, object_id)}/{chunk:06d}.rejects"


def hashes_key(dataset: str, object_id: int, chunk: int) -> str:
    """Hash and row number of each accepted row's key, for finding keys that repeat."""
    return f"{_folder(dataset, object_id)}/{chunk:06d}.keys"


def payload_key(dataset: str, object_id: int, chunk: int) -> str:
    """The chunk's records, where they are not a byte range of the landed object."""
    return f"{_folder(dataset, object_id)}/{chunk:06d}.payload"


def _folder(dataset: str, object_id: int) -> str:
    return f"{dataset}/{object_id}"


def verified(body: bytes, sha256: str, key: str) -> str:
    """The digest, when the staged bytes have it; ``Fatal`` when something changed them."""
    if hashlib.sha256(body).hexdigest() != sha256:
        raise Fatal(
            f"the staged batch in {key} is not what was validated; nothing of it was sent. "
            "Run the dataset with reload for this object."
        )
    return sha256


def put_rejects(services: Services, key: str, csv: bytes) -> None:
    """Store the bad rows of a chunk, also when there are none: an earlier attempt may have left some."""
    services.store.put_bytes(services.staging, key, zstandard.ZstdCompressor(level=3).compress(csv))


def rejects_of(services: Services, dataset: str, chunks: Iterable[Chunk]) -> Iterator[bytes]:
    """The bad rows of chunks in order, in pieces of at most 1 MiB."""
    for chunk in chunks:
        if chunk.rows_rejected:
            key = rejects_key(dataset, chunk.object_id, chunk.ordinal)
            yield from _pieces(services.store.read(services.staging, key))


def _pieces(body: bytes) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(body) as reader:
        while piece := reader.read(PIECE):
            yield piece
