"""BarentsWatch's live streams: lines of JSON and Server-Sent Events that go on as long as they are read.

Faults of ``barentswatch_ais`` besides those of every provider: ``cut_line`` (the stream ends in the middle of
a line, after so many pieces) and ``silent`` (nothing more comes). The rate is that of
``HEADGATE_STUB_AIS_RATE``, in lines a second.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from benchmarks.ais_positions import Sea
from tests.stubs.world import World

PROVIDER = "barentswatch_ais"
RATE = 20.0
PIECE = 200  # lines sent at once, at most
AREA = {"type": "Polygon", "coordinates": [[[0, 57], [32, 57], [32, 82], [0, 82], [0, 57]]]}


def routes(world: World) -> list[BaseRoute]:
    """Both streams, and the area that they cover."""
    sea = Sea(float(os.environ.get("HEADGATE_STUB_AIS_RATE", RATE)))

    async def stream(request: Request) -> Response:
        from tests.stubs.barentswatch import may_enter

        refusal = may_enter(request, "ais")
        if refusal is not None:
            return refusal
        since = request.query_params.get("since")
        first = sea.number(datetime.fromisoformat(since) if since else datetime.now(UTC)) + 1
        pieces = lines_of(world, sea, first, request.url.path)
        if "/sse/" in request.url.path:
            return StreamingResponse(events_of(pieces), media_type="text/event-stream")
        return StreamingResponse(pieces, media_type="application/json; charset=utf-8")

    async def area(_request: Request) -> JSONResponse:
        return JSONResponse(AREA)

    live = f"/{PROVIDER}/live"
    return [
        Route(f"{live}/v1/combined", stream, methods=["GET", "POST"]),
        Route(f"{live}/v1/sse/combined", stream, methods=["GET", "POST"]),
        Route(f"{live}/v1/openaisarea", area),
    ]


async def lines_of(world: World, sea: Sea, first: int, path: str) -> AsyncIterator[bytes]:
    """Lines from this one on, as they are received."""
    while True:
        end = min(sea.number(datetime.now(UTC)) + 1, first + PIECE)
        if end <= first or world.meets(PROVIDER, "silent", path):
            await asyncio.sleep(0.02)
            continue
        text = b"".join(sea.line(number) + b"\n" for number in range(first, end))
        if world.meets(PROVIDER, "cut_line", path):
            yield text[:-40]
            return
        yield text
        first = end
        await asyncio.sleep(0)  # who has gone must be noticed


async def events_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Each line as an event."""
    yield b": start\n\n"
    async for piece in pieces:
        whole = piece.endswith(b"\n")
        events = b"".join(b"data: " + line + b"\n\n" for line in piece.splitlines())
        yield events if whole else events[:-2]
