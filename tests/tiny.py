"""A small provider of its own for tests of the framework: pages of things, by day and place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import IO, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from headgate.contract import Contract, contract_from_document
from headgate.sources import catalogue
from headgate.sources.model import Ask, Call, Page, Provider, Want

DATASET = "tiny_things"


class Tiny(Provider):
    """``GET /things?place&start&end&page`` answers ``{"things": […], "more": bool}``."""

    name = "tiny"
    title = "Tiny"
    hosts: ClassVar[Mapping[str, str]] = {"api": "http://127.0.0.1:9"}
    paged = frozenset({"things"})

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        span = {"start": want.window.start.isoformat(), "end": want.window.end.isoformat()}
        for number in count(1):
            answer = ask(Call("/things", {**want.parameters, **span, "page": number}))
            yield Page(f"page-{number:05}", answer)
            if not answer.json()["more"]:
                return

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        import ijson

        for thing in ijson.items(body, "things.item"):
            yield {"place": where.get("place"), "day": where["window_start"][:10], **thing}


class TinyServer:
    """The API itself, on a port: ``things`` by place and day, two a page; every request is remembered."""

    PAGE = 2

    def __init__(self) -> None:
        self.things: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, str, int]] = []  # place, first day, page
        self.faults: dict[int, tuple[int, str]] = {}  # by the number of the request to come: status and body
        self.down: tuple[int, str] | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Not on the screen."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, place: str, day: str, *amounts: object) -> None:
        """The things of a place on a day, with the ids 1, 2, …"""
        self.things[place, day] = [
            {"id": number, "day": day, "amount": amount} for number, amount in enumerate(amounts, 1)
        ]

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        place, start, page = asked.get("place", ""), asked["start"][:10], int(asked["page"])
        self.asked.append((place, start, page))
        status, body = self.faults.get(len(self.asked), self.down or (200, ""))
        if status == 200 and not body:
            of_window = [
                thing
                for (where, day), things in sorted(self.things.items())
                if where == place and start <= day < asked["end"][:10]
                for thing in things
            ]
            first = (page - 1) * self.PAGE
            body = json.dumps(
                {"things": of_window[first : first + self.PAGE], "more": len(of_window) > first + self.PAGE}
            )
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body.encode())))
        request.send_header("Set-Cookie", "session=secret")
        request.end_headers()
        request.wfile.write(body.encode())


@pytest.fixture
def tiny_server(tiny: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyServer]:
    """A running server that the provider ``tiny`` asks."""
    server = TinyServer()
    monkeypatch.setenv("HEADGATE_SOURCE_TINY_URL", server.url)
    yield server
    server.close()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue knows the provider ``tiny``."""
    monkeypatch.setitem(catalogue.PROVIDERS, "tiny", "tests.tiny:Tiny")


def contract(bucket: str = "landing", **source: Any) -> Contract:
    """Things by place and id; ``source`` are terms of the contract's source."""
    terms = {"provider": "tiny", "endpoint": "things", "window": "day", **source}
    return contract_from_document(
        {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": DATASET,
            "name": "Tiny things",
            "version": "1.0.0",
            "status": "active",
            "servers": [
                {
                    "server": "landing",
                    "type": "s3",
                    "location": f"s3://{bucket}/{DATASET}/",
                    "format": "json",
                    "customProperties": [{"property": "formats", "value": ["api"]}],
                }
            ],
            "schema": [
                {
                    "name": "things",
                    "physicalName": "lab.things",
                    "properties": [
                        {"name": "place", "physicalType": "text", "primaryKey": True},
                        {"name": "id", "physicalType": "integer", "primaryKey": True},
                        {"name": "day", "physicalType": "text", "primaryKey": True},
                        {"name": "at", "physicalType": "timestamptz"},
                        {"name": "amount", "physicalType": "numeric(12,4)"},
                    ],
                }
            ],
            "customProperties": [{"property": "source", "value": terms}],
        },
        "tiny contract",
    )
