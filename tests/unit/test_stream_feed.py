"""The live stream: where it begins, what a connection holds on to, how whoever waits hears of its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Event

import httpx
import pytest
from pydantic import SecretStr

from consumers import app
from consumers.stream.feed import Feed, Source, StreamEnded
from headgate.sources.catalogue import provider
from headgate.sources.credentials import Access

HOSTS = {"id": "http://id.test", "live": "http://live.test"}


def test_a_beginning_that_is_no_moment_is_told_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app.main(["ais-stream", "--since", "yesterday"])
    assert "--since: 'yesterday' is no moment; write 2024-01-31T12:00" in capsys.readouterr().err


class Bursting:
    """An answer whose reading fails as nobody thought of."""

    def iter_bytes(self) -> Iterator[bytes]:
        yield b"{}\n"
        raise RuntimeError("a bug")


def test_whatever_ends_the_reading_is_told_to_who_waits() -> None:
    with Feed(Bursting(), ExitStack()) as feed:
        piece = feed.next(60)
        assert piece is not None
        assert piece.data == b"{}\n"
        with pytest.raises(StreamEnded, match="RuntimeError a bug"):
            feed.next(60)


def test_a_refused_connection_is_let_go_when_a_new_token_opens_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statuses, over = iter((401, 200)), Event()

    def lines() -> Iterator[bytes]:
        yield b"{}\n"
        over.wait(60)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "id.test":
            return httpx.Response(200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 3600})
        return httpx.Response(next(statuses), content=lines())

    clients: list[httpx.Client] = []

    class Recorded(httpx.Client):
        def __init__(self, **options: object) -> None:
            super().__init__(transport=httpx.MockTransport(answer), **options)  # type: ignore[arg-type]
            clients.append(self)

    monkeypatch.setattr(httpx, "Client", Recorded)
    secrets = {"client_id": SecretStr("me"), "client_secret": SecretStr("secret")}
    source = Source(provider("barentswatch_ais"), lambda: Access(HOSTS, secrets), "ndjson", 60.0)
    with source.open(datetime.now(UTC)):
        _token, refused, _token, followed = clients
        assert (refused.is_closed, followed.is_closed) == (True, False)
        over.set()
