"""The body of an answer: kept on disk as it comes, and looked at for being whole."""

from __future__ import annotations

import gzip
import hashlib
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ijson

from headgate.records.model import MIB
from headgate.sources.model import Answer, Unavailable

LONGEST: Final = 3600.0  # seconds that a body may take
SLOWEST: Final = 1024.0  # bytes a second
LEVEL: Final = 6  # of gzip: 9 takes five times as long for a twentieth less
SPACE: Final = b" \t\r\n"


@dataclass(frozen=True)
class Body:
    """What was kept: bytes as the provider sent them, after transfer and content encodings."""

    size: int
    sha256: str
    first: bytes  # the first byte that is no space, and the last
    last: bytes
    ends_line: bool


def unpacked(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """The content of what came in this content coding, in small blocks however far it was packed.

    Raises ``Unavailable`` for gzip that is damaged or ends in the middle, and for codings that nobody asked
    for: a few bytes of them, or of one within the other, may unpack to more than the memory holds.
    """
    if coding in ("", "identity"):
        yield from pieces
        return
    if coding not in ("gzip", "x-gzip"):
        raise Unavailable(f"it comes packed as {coding}, which was not asked for")
    member: Any = None
    try:
        for piece in pieces:
            while piece:
                member = member or zlib.decompressobj(wbits=31)
                yield member.decompress(piece, MIB)
                if member.eof:
                    piece, member = member.unused_data, None
                else:
                    piece = member.unconsumed_tail
    except zlib.error as error:
        raise Unavailable(f"its gzip is damaged ({error})") from None
    if member is not None:
        raise Unavailable("its gzip ends in the middle")


def keep(pieces: Iterable[bytes], path: Path, patience: float) -> Body:
    """Write the pieces to a gzip file that depends on nothing else.

    ``Unavailable`` when they only drip for longer than the patience (seconds).
    """
    digest, size, first, last, end = hashlib.sha256(), 0, b"", b"", b""
    started = time.monotonic()
    with path.open("wb") as raw, gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as file:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            file.write(piece)
            if seen := piece.strip(SPACE):
                first, last = first or seen[:1], seen[-1:]
            end = piece[-1:] or end
            _require_flow(size, time.monotonic() - started, patience)
    return Body(size, digest.hexdigest(), first, last, end == b"\n")


def incomplete(answer: Answer, body: Body, *, unframed: bool) -> str | None:
    """What shows that the provider did not send all of it, if anything.

    ``unframed``: neither a length nor chunks said where it ends, so that a lost connection looks like its
    end. Then JSON is read to its end, CSV must end a line, and nothing at all is no answer.
    """
    if answer.status != 200:
        return None
    if not body.size:
        return "nothing came before the connection ended" if unframed else None
    if "json" in answer.content_type:
        return _broken_json(answer, body, thorough=unframed)
    if unframed and "csv" in answer.content_type and not body.ends_line:
        return "the connection ended within a line"
    return None


def _broken_json(answer: Answer, body: Body, *, thorough: bool) -> str | None:
    ends = {b"{": b"}", b"[": b"]"}
    if body.first not in b'{["-0123456789tfn' or body.last != ends.get(body.first, body.last):
        return "it is no whole JSON document"
    if not thorough:
        return None
    try:
        with answer.open() as stream:
            deque(ijson.basic_parse(stream), maxlen=0)
    except ijson.JSONError as error:
        return f"its JSON breaks off ({error})"
    return None


def _require_flow(size: int, seconds: float, patience: float) -> None:
    if seconds > LONGEST or (seconds > patience and size < SLOWEST * seconds):
        raise Unavailable(f"only {size:,} bytes came in {seconds:,.0f} s")
