"""A small provider of its own for tests of the framework: pages of things, by day and place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import IO, Any, ClassVar

import pytest

from headgate.contract import Contract, contract_from_document
from headgate.sources import catalogue
from headgate.sources.model import Ask, Call, Page, Provider, Want
from tests.integration.misbehaving import Reply, Seen, answering

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

    def put(self, place: str, day: str, *amounts: object) -> None:
        """The things of a place on a day, with the ids 1, 2, …"""
        self.things[place, day] = [
            {"id": number, "day": day, "amount": amount} for number, amount in enumerate(amounts, 1)
        ]

    def answer(self, seen: Seen) -> Reply:
        asked = dict(seen.query)
        self.asked.append((asked["place"], asked["start"][:10], int(asked["page"])))
        status, body = self.faults.get(len(self.asked), self.down or (200, ""))
        if status == 200 and not body:
            body = self._page(asked)
        return Reply(body.encode(), status, {"Set-Cookie": "session=secret"})

    def _page(self, asked: Mapping[str, str]) -> str:
        of_window = [
            thing
            for (where, day), things in sorted(self.things.items())
            if where == asked["place"] and asked["start"][:10] <= day < asked["end"][:10]
            for thing in things
        ]
        first = (int(asked["page"]) - 1) * self.PAGE
        end = first + self.PAGE
        return json.dumps({"things": of_window[first:end], "more": len(of_window) > end})


@pytest.fixture
def tiny_server(tiny: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyServer]:
    """A running server that the provider ``tiny`` asks."""
    server = TinyServer()
    with answering(server.answer) as address:
        monkeypatch.setenv("HEADGATE_SOURCE_TINY_URL", address)
        yield server


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
