"""The body of an answer: kept on disk as it comes, and looked at for being whole."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import ijson

from headgate.sources.model import Answer, Unavailable

LONGEST: Final = 3600.0  # seconds that a body may take
SLOW: Final = (60.0, 1024.0)  # after so many seconds, fewer bytes a second than this are no answer
SPACE: Final = b" \t\r\n"


@dataclass(frozen=True)
class Body:
    """What was kept: bytes as the provider sent them, after transfer and content encodings."""

    size: int
    sha256: str
    first: bytes  # the first byte that is no space, and the last
    last: bytes
    ends_line: bool


def keep(pieces: Iterable[bytes], path: Path) -> Body:
    """Write the pieces to a gzip file that depends on nothing else. ``Unavailable`` when they only drip."""
    digest, size, first, last, end = hashlib.sha256(), 0, b"", b"", b""
    started = time.monotonic()
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            file.write(piece)
            if seen := piece.strip(SPACE):
                first, last = first or seen[:1], seen[-1:]
            end = piece[-1:] or end
            _require_flow(size, time.monotonic() - started)
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


def _require_flow(size: int, seconds: float) -> None:
    grace, least = SLOW
    if seconds > LONGEST or (seconds > grace and size < least * seconds):
        raise Unavailable(f"only {size:,} bytes came in {seconds:,.0f} s")
