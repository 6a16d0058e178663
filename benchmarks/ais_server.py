"""A provider of live positions for the benchmark: ``python -m benchmarks.ais_server --port 8123``.

Answers for a token and for ``/v1/combined?since=…`` as BarentsWatch does, at any rate, for a tenth of a
processor at 5,000 lines a second. What was received before is sent as fast as it is read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from benchmarks.ais_positions import Sea

PIECE = 400  # lines of a chunk, at most
TOKEN = b'{"access_token": "made-up", "expires_in": 3600, "token_type": "Bearer", "scope": "ais"}'


class Server:
    """``last``: number of the last line that there will ever be."""

    def __init__(self, rate: float, last: int | None) -> None:
        self.sea, self.last = Sea(rate), last

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split(" ", 2)
            if method == "POST":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(TOKEN), TOKEN))
            else:
                since = parse_qs(urlsplit(target).query)["since"][0]
                await self.stream(writer, self.sea.number(datetime.fromisoformat(since)) + 1)
            await writer.drain()
        writer.close()

    async def stream(self, writer: asyncio.StreamWriter, first: int) -> None:
        """Lines from this one on, as they are received, for ever."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        while True:
            end = min(self.sea.number(datetime.now(UTC)) + 1, first + PIECE, (self.last or first + PIECE) + 1)
            if end <= first:
                await asyncio.sleep(0.02)
                continue
            lines = b"".join(self.sea.line(number) + b"\n" for number in range(first, end))
            writer.write(b"%x\r\n%s\r\n" % (len(lines), lines))
            await writer.drain()
            first = end


async def serve(port: int, rate: float, last: int | None) -> None:
    """Until ended."""
    listening = await asyncio.start_server(Server(rate, last).answer, "127.0.0.1", port)
    async with listening:
        await listening.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ais_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=5000.0, help="lines a second")
    parser.add_argument("--last", type=int, help="number of the last line")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, options.rate, options.last))


if __name__ == "__main__":
    main()
