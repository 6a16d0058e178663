"""Providers of nothing, and clients that ask a server for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pydantic import SecretStr

from headgate.settings import Settings
from headgate.sources.client import Client
from headgate.sources.model import Answer, Ask, Call, Credential, Page, Provider, QuotaUsed, Unavailable, Want
from headgate.steps.services import Ledger

SECRET = "sesame-4711"
CALL = Call("/rows")


class Plain(Provider):
    """A provider of nothing but its name and addresses."""

    name = "plain"
    title = "The plain provider"
    hosts: Mapping[str, str] = {"api": "http://invalid.invalid", "id": "http://invalid.invalid"}
    credential: Credential = "none"

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        raise NotImplementedError

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        raise NotImplementedError


class WithToken(Plain):
    """Sends a token in a header of its own, as NOAA wants it."""

    credential: Credential = "token"

    def authenticate(self, call: Call, secret: Mapping[str, str]) -> Mapping[str, str]:
        return {"token": secret["token"]}


class WithClient(Plain):
    """An OAuth client."""

    credential: Credential = "client_credentials"

    def token_scope(self, call: Call) -> str:
        return "" if call.path == "/open" else "api"


class Moody(Plain):
    """Says failures with 200."""

    def problem(self, answer: Answer) -> Exception | None:
        if answer.content_type == "application/json" and b"failure" in answer.head():
            return Unavailable("the plain provider says failure")
        if answer.status == 429 and b"per day" in answer.head():
            return QuotaUsed("10,000 a day are used up")
        return None


class Opened:
    """Makes clients that share a cache and secrets, each with a connection of its own to the ledger."""

    def __init__(self, database_url: str, home: Path, patience: float = 0) -> None:
        self._url, self._home, self._patience = database_url, home, patience
        self._ledgers: list[Ledger] = []

    def __call__(self, provider: Provider | None = None, **changes: Any) -> Client:
        self._ledgers.append(Ledger(self._url, patience=self._patience))
        secrets = {name: SecretStr(SECRET) for name in ("token", "client_id", "client_secret")}
        given = {"home": self._home, "sources_backoff_seconds": 0.01, "source": {"plain": secrets}}
        return Client(provider or Plain(), Settings(**given | changes), self._ledgers[-1])

    def close(self) -> None:
        """Let go of the connections."""
        for ledger in self._ledgers:
            ledger.close()
