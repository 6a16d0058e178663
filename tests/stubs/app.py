"""The ASGI application: every provider's routes, the faults that any of them may meet, and the controls."""

from __future__ import annotations

import asyncio
import importlib
import time
from dataclasses import asdict
from datetime import date
from types import ModuleType

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.stubs.world import Made, World

MODULES = ("barentswatch", "ais", "noaa", "nasa", "globe", "canada")
STATUS_FAULTS = ("401", "403", "429", "500", "502", "503", "504")
SORRY = (
    "<!DOCTYPE html><html><head><title>Service Unavailable</title></head>"
    "<body><h1>The service is temporarily unavailable.</h1></body></html>"
)


def make_app(world: World) -> ASGIApp:
    """All stubs of one world."""
    routes = [route for module in modules() for route in module.routes(world)]
    return Faults(Starlette(routes=[*routes, *controls(world)]), world)


def modules() -> list[ModuleType]:
    """Of each family of providers: ``routes(world)``, and ``CREDENTIALS`` where it takes a login."""
    return [importlib.import_module(f"tests.stubs.{name}") for name in MODULES]


class Faults:
    """Meets a call before its stub does: the provider is down, a fault waits in line; keeps the count."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        provider = scope.get("path", "/").split("/")[1]
        if scope["type"] != "http" or provider == "control":
            await self.app(scope, receive, send)
            return
        await self._answer(provider, scope, receive, self._counted(provider, scope, send))

    async def _answer(self, provider: str, scope: Scope, receive: Receive, send: Send) -> None:
        meets, path = self.world.meets, scope["path"]
        if self.world.is_down(provider):
            await HTMLResponse(SORRY, 503)(scope, receive, send)
        elif meets(provider, "hang", path):
            await asyncio.sleep(3600)
        elif meets(provider, "html", path):
            await HTMLResponse(SORRY, 200)(scope, receive, send)
        elif (refusal := self._refusal(provider, path)) is not None:
            await refusal(scope, receive, send)
        else:
            cut = meets(provider, "cut", path)
            await self.app(scope, receive, half_of(send) if cut else send)

    def _refusal(self, provider: str, path: str) -> HTMLResponse | None:
        """The answer of a fault that is a status; ``429:2`` asks to wait two seconds."""
        for fault in list(self.world.faults):
            status, _, retry_after = fault.kind.partition(":")
            if status in STATUS_FAULTS and self.world.meets(provider, fault.kind, path):
                headers = {"Retry-After": retry_after} if retry_after else {}
                return HTMLResponse(SORRY, int(status), headers)
        return None

    def _counted(self, provider: str, scope: Scope, send: Send) -> Send:
        at = time.monotonic()

        async def count_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                query = scope["query_string"].decode("latin-1")
                made = Made(provider, at, scope["method"], scope["path"], query, message["status"])
                self.world.calls.append(made)
            await send(message)

        return count_and_send


def half_of(send: Send) -> Send:
    """Send the first half of a body only: its declared length is not reached, and the connection ends."""

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            raise ConnectionAbortedError("the stub cuts its answer")
        await send(message)

    return send_half


def controls(world: World) -> list[BaseRoute]:
    """``/control/…``: what a test or a demo does to the world, and what it may know of it."""

    async def show(_request: Request) -> JSONResponse:
        providers = sorted({call.provider for call in world.calls})
        counts = {provider: world.count(provider) for provider in providers}
        waiting = [fault.provider for fault in world.faults if fault.times]
        down = [provider for provider in providers if world.is_down(provider)]
        told = {"today": world.today.isoformat(), "calls": counts, "faults": waiting, "down": down}
        return JSONResponse(told)

    async def calls(request: Request) -> JSONResponse:
        provider, match = request.path_params["provider"], request.query_params.get("match", "")
        return JSONResponse([asdict(call) for call in world.made(provider, match)])

    async def act(request: Request) -> JSONResponse:
        arguments = await request.json()
        getattr(world, request.path_params["act"])(**arguments)
        return JSONResponse({})

    async def reset(request: Request) -> JSONResponse:
        start = (await request.json()).get("start")
        vars(world).update(vars(World(date.fromisoformat(start) if start else None)))
        return JSONResponse({})

    return [
        Route("/control", show),
        Route("/control/calls/{provider}", calls),
        Route("/control/reset", reset, methods=["POST"]),
        Route("/control/{act:str}", act, methods=["POST"]),
    ]
