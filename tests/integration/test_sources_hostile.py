"""Answers that break a client which trusts them: cut, slow, kept though refused, with our secrets in them."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from headgate.errors import Fatal
from headgate.sources import http
from headgate.sources.credentials import variable
from headgate.sources.model import Call, QuotaUsed, Unavailable
from tests.integration.misbehaving import Misbehaving, Reply, token
from tests.integration.plain import CALL, SECRET, Moody, Opened, WithClient, WithToken

LASTING = {"Cache-Control": "public, max-age=3600"}


# --- the body


@pytest.mark.parametrize("framing", ["length", "chunked", "connection"])
@pytest.mark.parametrize("left", [0.5, 0.9999])
def test_gzip_that_ends_in_the_middle_is_asked_for_again(
    opened: Opened, server: Misbehaving, framing: Any, left: float
) -> None:
    text = b"a,b\r\n" + b"".join(b"%d,%d\r\n" % (number, number**2) for number in range(20_000))
    packed = gzip.compress(text)
    kind: dict[str, Any] = {"content_type": "text/csv", "framing": framing}
    kind["headers"] = {"Content-Encoding": "gzip"}
    server.on("/rows", Reply(packed[: int(len(packed) * left)], **kind), Reply(packed, **kind))
    with opened() as client:
        assert client.ask(CALL).size == len(text)
    assert len(server.seen) == 2


@pytest.mark.parametrize("coding", ["gzip, gzip", "zstd", "deflate", "br"])
def test_what_is_packed_in_another_way_than_asked_for_is_no_answer(
    opened: Opened, server: Misbehaving, coding: str
) -> None:
    server.on("/rows", Reply(b"[1, 2, 3]", headers={"Content-Encoding": coding}))
    with opened(sources_attempts=1) as client, pytest.raises(Unavailable, match=f"packed as {coding}, which"):
        client.ask(CALL)
    assert server.seen[0].headers["accept-encoding"] == "gzip"


def test_a_body_may_pause_as_long_as_its_call_allows(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b'{"rows": []}', drip=0.15))
    with opened(sources_attempts=1) as client:
        assert client.ask(Call("/rows", read_timeout=30)).json() == {"rows": []}


def test_headers_that_only_drip_are_given_up(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "longest", lambda read: 1.5)
    with dripping_headers() as url:
        monkeypatch.setenv(variable("plain", "url"), url)
        with opened(sources_attempts=1) as client, pytest.raises(Unavailable, match="headers took too long"):
            client.ask(Call("/rows", read_timeout=60))


@contextmanager
def dripping_headers() -> Iterator[str]:
    """A server that never comes to the end of its headers, and always sends another byte."""
    over = threading.Event()

    def answer() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not over.wait(0.05):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        thread.join()


@pytest.mark.parametrize("status", [202, 206])
def test_a_part_of_an_answer_and_one_that_is_still_to_come_are_none(
    opened: Opened, server: Misbehaving, status: int
) -> None:
    server.on("/rows", Reply(b'{"rows": [1]}', status), Reply())
    with opened() as client:
        assert client.ask(CALL).json() == {"rows": [1, 2, 3]}


def test_bodies_that_nobody_landed_can_be_cleared(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply())
    with opened() as client:
        left = [client.ask(CALL).body for _ in range(2)]
        client.clear()
        assert not any(path.exists() for path in left)
        assert client.ask(CALL).json() == {"rows": [1, 2, 3]}


# --- what is kept


def test_what_is_refused_is_not_kept(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b'{"message": "failure"}', headers=LASTING), Reply(headers=LASTING))
    with opened(Moody()) as client:
        assert client.ask(CALL).json() == {"rows": [1, 2, 3]}
        assert client.ask(CALL).from_cache
    assert len(server.seen) == 2


def test_pages_that_only_a_header_names_are_kept_apart(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b'{"page": 1}', headers=LASTING), Reply(b'{"page": 2}', headers=LASTING))
    pages = [CALL, Call("/rows", headers={"CMR-Search-After": '["x",1]'})]
    with opened() as client:
        for _ in range(2):
            assert [client.ask(page).json()["page"] for page in pages] == [1, 2]
    assert len(server.seen) == 2


# --- patience


def test_who_is_busy_for_ever_is_left_alone(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b'{"message": "too many"}', 429))
    with opened() as client, opened() as other:
        with pytest.raises(QuotaUsed, match=r"status 429: .*too many.*, however often it is asked"):
            client.ask(CALL)
        with pytest.raises(QuotaUsed, match="is not asked until 20"):
            other.ask(CALL)
    assert len(server.seen) == 4


def test_a_provider_that_is_left_alone_is_told_of_in_the_same_words(
    opened: Opened, server: Misbehaving
) -> None:
    server.on("/rows", Reply(b"down", 503, content_type="text/plain"))
    told = set()
    with opened(sources_attempts=1, sources_breaker_failures=1) as client:
        with pytest.raises(Unavailable):
            client.ask(CALL)
        for pause in (0.0, 1.1):
            time.sleep(pause)
            with pytest.raises(Unavailable) as raised:
                client.ask(CALL)
            told.add(str(raised.value))
    assert len(told) == 1


# --- secrets


def test_a_bearer_token_that_the_provider_repeats_is_not_told(opened: Opened, server: Misbehaving) -> None:
    server.on("/connect/token", token("bearer-4711"))
    server.on("/rows", Reply(b'{"message": "bearer-4711 may not do this"}', 403))
    with opened(WithClient()) as client, pytest.raises(Fatal, match="… may not do this") as raised:
        client.ask(CALL)
    assert "4711" not in str(raised.value)


def test_no_part_of_a_secret_is_told_where_words_are_cut(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b"x" * 295 + SECRET.encode(), 503))
    with opened(WithToken(), sources_attempts=1) as client, pytest.raises(Unavailable) as raised:
        client.ask(CALL)
    assert str(raised.value).endswith("x…")


@pytest.mark.parametrize("text", ["", "two\nlines-4711", "é-4711", "a b-4711"])
def test_a_token_that_no_header_can_hold_is_none(opened: Opened, server: Misbehaving, text: object) -> None:
    server.on("/connect/token", token(text))
    with (
        opened(WithClient(), sources_attempts=1) as client,
        pytest.raises(Unavailable, match="an answer without a token"),
    ):
        client.ask(CALL)


@pytest.mark.parametrize("text", ["two\nlines-4711", "é-4711"])
def test_a_secret_that_no_header_can_hold_is_said_to_be_none(
    opened: Opened, server: Misbehaving, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(variable("plain", "token"), text)
    with pytest.raises(Fatal, match="HEADGATE_SOURCE_PLAIN_TOKEN") as raised:
        opened(WithToken()).__enter__()
    assert "4711" not in str(raised.value)
