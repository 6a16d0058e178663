"""A landed body as the records that its provider finds in it: JSON lines for the one road of all data."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from headgate.contract import Contract
from headgate.errors import HeadgateError
from headgate.records.model import MIB, Readable
from headgate.records.refused import Refused
from headgate.sources.catalogue import provider
from headgate.sources.keys import Place


class RecordLines:
    """The records of a body, each as a JSON line in the order of the body; a ``Readable``.

    ``body``: what the provider sent, decompressed. Needs memory for about ``MIB`` of lines. An empty body
    has no records, whatever its provider sends when there are none. Reading raises ``Refused`` (rule
    ``body``) for a body that the provider cannot read.
    """

    def __init__(self, contract: Contract, place: Place, key: str, body: Readable) -> None:
        self._lines = _lines(contract, place, key, _Stream(body))
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """``size`` bytes, fewer only at the end."""
        pieces, length = [self._rest], len(self._rest)
        for line in self._lines if length < size else ():
            pieces.append(line)
            length += len(line)
            if length >= size:
                break
        whole = b"".join(pieces)
        self._rest = whole[size:]
        return whole[:size]


def _lines(contract: Contract, place: Place, key: str, stream: _Stream) -> Iterator[bytes]:
    source = contract.source
    assert source is not None
    reader = provider(source.provider)
    where = {**place.where, "endpoint": source.endpoint}
    body = io.BufferedReader(stream, MIB)
    if not body.peek(1):
        return
    try:
        for record in reader.records(where, body):
            yield line_of(record)
    except (HeadgateError, OSError, MemoryError):
        raise
    except Exception as error:
        raise Refused(
            "body",
            f"{key}: {reader.title} sent a body that cannot be read as {source.endpoint} "
            f"({type(error).__name__}: {error}). Look at the body; `headgate fetch --refetch` "
            "asks for it again.",
        ) from error


def line_of(record: Mapping[str, Any]) -> bytes:
    """One record as a JSON line; decimals keep their digits, as text."""
    return (
        json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str).encode(
            errors="backslashreplace"
        )
        + b"\n"
    )


class _Stream(io.RawIOBase):
    """What can be read in blocks as what ``csv``, ``ijson`` and ``io.TextIOWrapper`` read."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)
