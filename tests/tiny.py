"""A small provider of its own for tests of the framework: pages of things, by day and place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import IO, Any, ClassVar

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
            yield {"place": where.get("place"), **thing}


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
                        {"name": "at", "physicalType": "timestamptz"},
                        {"name": "amount", "physicalType": "numeric(12,4)"},
                    ],
                }
            ],
            "customProperties": [{"property": "source", "value": terms}],
        },
        "tiny contract",
    )
