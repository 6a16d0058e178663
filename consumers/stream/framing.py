"""Lines of JSON out of pieces of a stream, which are cut anywhere.

What is incomplete when the stream ends was never given out: it comes again after the next start.
"""

from __future__ import annotations

from typing import Protocol

from headgate.errors import Retriable

LONGEST_LINE = 1 << 20


class Framing(Protocol):
    """Of one connection."""

    def feed(self, data: bytes) -> bytes:
        """The lines that this piece completes, each with its end; ``Retriable`` when a line never ends."""


class Ndjson:
    """One JSON object a line."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        lines, end, rest = (self._rest + data).replace(b"\r", b"").rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            raise Retriable(f"the stream has sent {len(rest):,} bytes without the end of a line")
        self._rest = rest
        return lines + end


class Sse:
    """Server-Sent Events: the data of each event is a line.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    Comments and other fields say nothing here; an event is complete with the blank line after it.
    """

    def __init__(self) -> None:
        self._lines = Ndjson()
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        events: list[bytes] = []
        for line in self._lines.feed(data).splitlines():
            if line.startswith(b"data:"):
                self._data.append(line.removeprefix(b"data:").strip())
            elif not line and self._data:
                events.append(b" ".join(self._data) + b"\n")
                self._data = []
        return b"".join(events)


FRAMINGS: dict[str, type[Framing]] = {"ndjson": Ndjson, "sse": Sse}
