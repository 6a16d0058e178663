"""HTTP answers with a whole header, for the client of the object store.

Python's ``http.client`` takes a header that the connection's end has cut off for a complete one: without the
lines that would have followed an answer looks like one of another object, or like an empty one.
"""

from __future__ import annotations

import http.client
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection


class _Lines:
    """A stream that remembers the last line that was read from it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self.stream.readline(limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class WholeHeader(http.client.HTTPResponse):
    """Raises ``ConnectionError`` when the header does not end with its empty line."""

    fp: Any

    def begin(self) -> None:
        """Read status and header."""
        lines = self.fp = _Lines(self.fp)
        super().begin()
        if self.fp is lines:  # not closed already, as after an answer without a body
            self.fp = lines.stream
        if lines.last not in (b"\r\n", b"\n"):
            raise ConnectionResetError("the connection ended within the header of an answer")


class _Connection(HTTPConnection):
    response_class = WholeHeader


class _TlsConnection(HTTPSConnection):
    response_class = WholeHeader


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def pool_manager(**options: Any) -> urllib3.PoolManager:
    """urllib3's pool of connections, with such answers."""
    made = urllib3.PoolManager(**options)
    made.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return made
