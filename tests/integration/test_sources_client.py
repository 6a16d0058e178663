"""The client of API sources against a server that misbehaves, with its limits and breaker in Postgres."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from headgate.db import connect
from headgate.errors import Fatal, Retriable
from headgate.settings import Settings
from headgate.sources.client import Client
from headgate.sources.credentials import variable
from headgate.sources.model import Answer, Call, Limit, Provider, QuotaUsed, Rejected, Unavailable
from headgate.steps.services import Ledger
from tests.integration.misbehaving import Misbehaving, Reply, misbehaving, token
from tests.integration.plain import CALL, SECRET, Moody, Opened, Plain, WithClient, WithToken

if TYPE_CHECKING:
    from tests.conftest import Database


@contextmanager
def rows(database: Database, statement: str) -> Iterator[list[tuple[Any, ...]]]:
    with closing(connect(database.pipeline_url)) as conn, conn.cursor() as cursor:
        cursor.execute(statement)
        yield cursor.fetchall()


def events(database: Database) -> list[str]:
    with rows(database, "SELECT kind FROM headgate.event ORDER BY number") as found:
        return [kind for (kind,) in found]


# --- what comes back


def test_a_body_is_kept_as_it_was_sent_whatever_its_encoding(opened: Opened, server: Misbehaving) -> None:
    body = json.dumps({"name": "Ærø", "rows": list(range(5000))}).encode()
    packed = Reply(gzip.compress(body), headers={"Content-Encoding": "gzip"})
    server.on("/rows", packed, Reply(body), Reply(body, framing="chunked"))
    with opened() as client:
        answers = [client.ask(CALL) for _ in range(3)]
        assert {answer.sha256 for answer in answers} == {hashlib.sha256(body).hexdigest()}
        assert {answer.size for answer in answers} == {len(body)}
        files = {answer.body.read_bytes() for answer in answers}
        assert len(files) == 1
        assert files.pop()[4:8] == bytes(4)  # gzip's time of writing
        assert answers[0].json()["name"] == "Ærø"
    assert not any(answer.body.exists() for answer in answers)


def test_a_call_is_sent_as_the_provider_wants_it(opened: Opened, server: Misbehaving) -> None:
    server.on("/search", Reply())
    parameters: dict[str, Any] = {"stationid": ["GHCND:1", "GHCND:2"], "temporal[]": "a,b", "sample": True}
    with opened() as client:
        client.ask(Call("/search", parameters, headers={"CMR-Search-After": '["x",1]'}))
        client.ask(Call("/search", method="POST", json={"filter": {}}))
    get, post = server.seen
    assert get.query == [
        ("stationid", "GHCND:1"),
        ("stationid", "GHCND:2"),
        ("temporal[]", "a,b"),
        ("sample", "true"),
    ]
    assert get.headers["cmr-search-after"] == '["x",1]'
    assert get.headers["user-agent"].startswith("headgate/")
    assert (post.method, post.body) == ("POST", b'{"filter":{}}')


def test_an_empty_answer_is_an_answer(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b"", 204))
    with opened() as client:
        answer = client.ask(CALL)
    assert (answer.status, answer.size) == (204, 0)


@pytest.mark.parametrize("framing", ["length", "chunked", "connection"])
def test_a_body_cut_in_the_middle_is_asked_for_again(
    opened: Opened, server: Misbehaving, framing: Any
) -> None:
    whole = json.dumps({"rows": [{"a": [1, 2]}, {"a": [3, 4]}]}).encode()
    cuts = [Reply(whole, framing=framing, cut=cut) for cut in (0, 10, whole.index(b"}") + 1)]
    server.on("/rows", *cuts, Reply(whole, framing=framing))
    with opened() as client:
        answer = client.ask(CALL)
        assert answer.json() == json.loads(whole)
    assert len(server.seen) == 4


def test_csv_that_ends_within_a_line_is_asked_for_again(opened: Opened, server: Misbehaving) -> None:
    text = b"a,b\r\n1,2\r\n3,4\r\n"
    reply = {"content_type": "text/csv; charset=utf-8", "framing": "connection"}
    server.on("/rows", Reply(text, cut=8, **reply), Reply(text, **reply))  # type: ignore[arg-type]
    with opened() as client:
        assert client.ask(CALL).size == len(text)
    assert len(server.seen) == 2


def test_a_body_that_only_drips_is_given_up(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b"[" + b"1," * 100_000 + b"1]", drip=0.01))
    with opened(sources_attempts=1) as client, pytest.raises(Unavailable, match=r"bytes came in \d+ s"):
        client.ask(Call("/rows", read_timeout=5))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<html><script>x()</script><p>We are <b>moving</b></p></html>", content_type="text/html"),
        Reply(b"<html>503</html>", 503, content_type="text/html"),
        Reply(b'{"features": [], "message": "failure: Connection refused"}'),
        Reply(b"Proxy error", content_type="application/json"),
        Reply(b'{"rows": [1, 2'),
        Reply(b"", 500),
        Reply(b"{}", 302),
    ],
    ids=[
        "HTML with 200",
        "HTML with 503",
        "failure with 200",
        "text as JSON",
        "half a JSON with its length",
        "nothing with 500",
        "to nowhere",
    ],
)
def test_what_is_no_answer_is_asked_for_again(opened: Opened, server: Misbehaving, reply: Reply) -> None:
    server.on("/rows", reply, Reply())
    with opened(Moody()) as client:
        assert client.ask(CALL).json() == {"rows": [1, 2, 3]}
    assert len(server.seen) == 2


def test_what_the_class_cannot_read_is_no_crash(opened: Opened, server: Misbehaving) -> None:
    class Strict(Plain):
        def problem(self, answer: Answer) -> Exception | None:
            answer.json()
            return None

    server.on("/rows", Reply(b"plainly wrong", content_type="text/plain"), Reply(b"no", 502), Reply())
    with opened(Strict()) as client:
        assert client.ask(CALL).json() == {"rows": [1, 2, 3]}


def test_a_provider_that_stays_away_is_said_to_be(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b"<html><h1>Down</h1> for   maintenance</html>", 503, content_type="text/html"))
    with opened(sources_attempts=3) as client, pytest.raises(Unavailable) as raised:
        client.ask(CALL)
    assert str(raised.value) == "The plain provider, GET /rows: status 503: Down for maintenance"
    assert len(server.seen) == 3


def test_a_request_that_is_wrong_is_not_repeated(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b'{"title": "Week must be in the range [1, 52]"}', 400))
    with opened() as client, pytest.raises(Rejected, match=r"Week must be in the range \[1, 52\]"):
        client.ask(CALL)
    assert len(server.seen) == 1


def test_nobody_there_is_away(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable("plain", "url"), "http://127.0.0.1:1")
    with (
        opened(sources_attempts=2) as client,
        pytest.raises(Unavailable, match="The plain provider, GET /rows"),
    ):
        client.ask(CALL)


# --- patience


def test_retry_after_is_waited_for_by_every_client(
    opened: Opened, server: Misbehaving, database: Database
) -> None:
    server.on("/rows", Reply(b"{}", 429, {"Retry-After": "1"}), Reply())
    with opened() as client, opened() as other:
        client.ask(CALL)
        first, second = server.seen
        assert second.at - first.at >= 1
        server.on("/rows", Reply(b"{}", 503, {"Retry-After": "1"}), Reply())
        with pytest.raises(Unavailable):
            asked_once(client)
        other.ask(CALL)
    third, fourth = server.seen[2:]
    assert fourth.at - third.at >= 1
    assert events(database) == []


def asked_once(client: Client) -> Answer:
    """One attempt only."""
    client._retrying.stop = lambda state: True
    return client.ask(CALL)


def test_a_long_wait_ends_the_fetch_and_nobody_asks_meanwhile(
    opened: Opened, server: Misbehaving, database: Database
) -> None:
    server.on("/rows", Reply(b"{}", 429, {"Retry-After": "99999999999999999999"}), Reply())
    with opened() as client, opened() as other:
        with pytest.raises(QuotaUsed, match="it wants to be asked again in"):
            client.ask(CALL)
        with pytest.raises(QuotaUsed, match=r"is not asked until 20.* UTC: .* to be asked again in"):
            other.ask(CALL)
    with rows(database, "SELECT held_until <= now() + interval '1 day' FROM headgate.source") as found:
        assert found == [(True,)]
    assert len(server.seen) == 1


def test_a_provider_that_says_how_long_it_is_down_is_away_and_not_used_up(
    opened: Opened, server: Misbehaving
) -> None:
    server.on("/rows", Reply(b"maintenance", 503, {"Retry-After": "3600"}))
    with opened() as client, opened() as other:
        with pytest.raises(Unavailable, match=r"it wants to be asked again in 3,600 s"):
            client.ask(CALL)
        with pytest.raises(Unavailable, match=r"is not asked until 20.* UTC: .* to be asked again in"):
            other.ask(CALL)
    assert len(server.seen) == 1


def test_a_quota_of_the_day_ends_the_fetch(opened: Opened, server: Misbehaving, database: Database) -> None:
    server.on("/rows", Reply(b'{"message": "request limit of 10000 per day."}', 429))
    with opened(Moody()) as client:
        for _ in range(8):
            with pytest.raises(QuotaUsed, match="10,000 a day"):
                client.ask(CALL)
    assert len(server.seen) == 1
    assert events(database) == []


def test_without_retry_after_a_busy_provider_gets_a_pause_and_no_blame(
    opened: Opened, server: Misbehaving, database: Database
) -> None:
    server.on("/rows", *[Reply(b'{"message": "5 per second"}', 429)] * 3, Reply())
    with opened(sources_backoff_seconds=0.2, sources_breaker_failures=2) as client:
        client.ask(CALL)
    times = [seen.at for seen in server.seen]
    assert all(after - before >= 0.2 for before, after in pairwise(times))
    assert events(database) == []


# --- who asks


def test_missing_credentials_are_named_before_anything_is_asked(opened: Opened, server: Misbehaving) -> None:
    wanted = "HEADGATE_SOURCE_PLAIN_CLIENT_ID and HEADGATE_SOURCE_PLAIN_CLIENT_SECRET.*headgate_source_plain"
    with pytest.raises(Fatal, match=wanted):
        opened(WithClient(), source={}).__enter__()
    assert server.seen == []


def test_a_client_signs_in_once_and_again_when_its_token_is_refused(
    opened: Opened, server: Misbehaving
) -> None:
    server.on("/connect/token", token("t-1"), token("t-2", token_type="Bearer"))
    server.on("/rows", Reply(), Reply(b"", 401), Reply())
    source = {
        "plain": {"client_id": SecretStr("me@example.com:lab"), "client_secret": SecretStr("a&b=c d%é")}
    }
    with opened(WithClient(), source=source) as client:
        client.ask(CALL)
        client.ask(CALL)
    signed = [seen.headers["authorization"] for seen in server.asked("/rows")]
    assert signed == ["Bearer t-1", "Bearer t-1", "Bearer t-2"]
    assert [seen.form for seen in server.asked("/connect/token")] == [
        {
            "grant_type": "client_credentials",
            "client_id": "me@example.com:lab",
            "client_secret": "a&b=c d%é",
            "scope": "api",
        }
    ] * 2


def test_a_token_is_renewed_before_its_end(opened: Opened, server: Misbehaving) -> None:
    server.on("/connect/token", token("t-1", expires_in=1), token("t-2"))
    server.on("/rows", Reply())
    with opened(WithClient()) as client:
        client.ask(CALL)
        client._tokens._tokens["api"]["expires_at"] -= 1  # the wall clock has gone on
        client.ask(CALL)
    assert [seen.headers["authorization"] for seen in server.asked("/rows")] == ["Bearer t-1", "Bearer t-2"]


def test_a_token_that_is_refused_twice_says_what_to_set(opened: Opened, server: Misbehaving) -> None:
    server.on("/connect/token", token("t-1"), token("t-2"))
    server.on("/rows", Reply(b"", 401))
    with (
        opened(WithClient()) as client,
        pytest.raises(Fatal, match="correct HEADGATE_SOURCE_PLAIN_CLIENT_ID"),
    ):
        client.ask(CALL)
    assert len(server.asked("/rows")) == 2


def test_a_refused_client_is_not_tried_again(opened: Opened, server: Misbehaving, database: Database) -> None:
    server.on("/connect/token", Reply(b'{"error": "invalid_client"}', 400))
    with opened(WithClient()) as client:
        for _ in range(6):
            with pytest.raises(
                Fatal, match=r"refuses our client \(invalid_client\): correct HEADGATE_SOURCE"
            ):
                client.ask(CALL)
    assert len(server.seen) == 1
    assert events(database) == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<html>busy</html>", 503, content_type="text/html"),
        Reply(b"<html>hello</html>", content_type="text/html"),
        Reply(b'{"token_type": "bearer"}'),
        Reply(b'{"error": "slow_down"}', 400),
        Reply(b'{"access_token": "t', cut=5),
    ],
    ids=["503", "HTML", "no token", "slow down", "cut"],
)
def test_a_token_endpoint_that_fails_is_asked_again(
    opened: Opened, server: Misbehaving, reply: Reply
) -> None:
    server.on("/connect/token", reply, token())
    server.on("/rows", Reply())
    with opened(WithClient()) as client:
        client.ask(CALL)
    assert len(server.asked("/connect/token")) == 2


def test_what_needs_no_token_gets_none(opened: Opened, server: Misbehaving) -> None:
    server.on("/open", Reply())
    with opened(WithClient()) as client:
        client.ask(Call("/open"))
    assert "authorization" not in server.seen[0].headers


def test_secrets_stay_where_they_are(
    opened: Opened, server: Misbehaving, caplog: pytest.LogCaptureFixture, database: Database
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("/rows", Reply(f'{{"message": "token {SECRET} is at its limit"}}'.encode(), 503))
    server.on("/denied", Reply(f"no {SECRET}".encode(), 403))
    told: list[str] = []
    with opened(WithToken(), sources_attempts=2) as client:
        for path, kind in (("/rows", Unavailable), ("/denied", Fatal)):
            with pytest.raises(kind) as raised:
                client.ask(Call(path))
            told += [str(raised.value), repr(raised.value)]
        told += [repr(client._access), repr(client._settings), str(client.__dict__)]
    assert server.seen[0].headers["token"] == SECRET
    with rows(database, "SELECT s::text FROM headgate.source AS s") as found:
        told += [text for (text,) in found]
    told += [record.getMessage() for record in caplog.records]
    assert not [text for text in told if SECRET in text]
    kept = [path for path in client._settings.home.rglob("*") if path.is_file()]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]


# --- redirects


def test_a_redirect_within_the_host_is_followed(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b"", 301, {"Location": "/new/rows?page=1"}))
    server.on("/new/rows", Reply())
    with opened(WithToken()) as client:
        assert client.ask(CALL).status == 200
    assert server.seen[1].headers["token"] == SECRET


def test_a_redirect_to_another_host_is_refused(opened: Opened, server: Misbehaving) -> None:
    with misbehaving() as thief:
        thief.on("/rows", Reply())
        server.on("/rows", Reply(b"", 307, {"Location": f"{thief.url}/rows"}))
        with opened(WithToken()) as client, pytest.raises(Rejected, match="HEADGATE_SOURCE_PLAIN_URL_API"):
            client.ask(CALL)
        assert thief.seen == []


def test_a_redirect_in_a_circle_ends(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(b"", 302, {"Location": "/rows"}))
    with opened() as client, pytest.raises(Rejected, match="redirects more than"):
        client.ask(CALL)


# --- what has not changed


def test_what_has_not_changed_is_not_sent_again(opened: Opened, server: Misbehaving) -> None:
    server.on("/rows", Reply(headers={"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}))
    with opened() as client:
        first = client.ask(CALL)
    with opened() as client:
        again = client.ask(CALL)
        assert again.json() == {"rows": [1, 2, 3]}
    assert (first.from_cache, again.from_cache) == (False, True)
    assert again.sha256 == first.sha256
    assert server.seen[1].headers["if-none-match"] == '"1"'


@pytest.mark.parametrize("sent", [None, "private", "no-cache", "public, max-age=0"])
def test_headers_are_told_as_they_were_sent(opened: Opened, server: Misbehaving, sent: str | None) -> None:
    server.on("/rows", Reply(headers={"ETag": '"1"'} | ({"Cache-Control": sent} if sent else {})))
    with opened() as client:
        answers = [client.ask(CALL) for _ in range(2)]
    assert [answer.headers.get("cache-control") for answer in answers] == [sent, sent]


def test_what_cannot_be_asked_after_is_not_kept(opened: Opened, server: Misbehaving, tmp_path: Path) -> None:
    server.on(
        "/rows", Reply(b'{"mark": "4711-4711"}'), Reply(b'{"mark": "4712-4712"}', headers={"ETag": '"1"'})
    )
    with opened() as client:
        client.ask(CALL)
        client.ask(CALL)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").iterdir())
    assert b"4711-4711" not in kept
    assert b"4712-4712" in kept


def test_a_cut_body_is_never_taken_from_the_cache(opened: Opened, server: Misbehaving) -> None:
    lasting = {"Cache-Control": "public, max-age=3600", "ETag": '"1"'}
    server.on("/rows", Reply(headers=lasting, cut=5), Reply(headers=lasting))
    with opened() as client:
        assert client.ask(CALL).json() == {"rows": [1, 2, 3]}
        assert client.ask(CALL).json() == {"rows": [1, 2, 3]}
    assert len(server.seen) == 2  # the third is fresh for an hour


@pytest.mark.parametrize(
    ("kind", "whole", "cut"),
    [("application/json", b'[{"a": {"b": 1}}, {"a": [2]}]', 24), ("text/csv", b"a,b\r\n1,2\r\n3,4\r\n", 8)],
)
def test_what_ended_with_its_connection_is_never_taken_from_the_cache(
    opened: Opened, server: Misbehaving, kind: str, whole: bytes, cut: int
) -> None:
    reply: dict[str, Any] = {"headers": {"ETag": '"1"'}, "framing": "connection", "content_type": kind}
    server.on("/rows", Reply(whole, cut=cut, **reply), Reply(whole, **reply))
    with opened() as client, client.ask(CALL).open() as body:
        assert body.read() == whole


def test_a_page_for_people_is_never_taken_from_the_cache(opened: Opened, server: Misbehaving) -> None:
    lasting = {"Cache-Control": "public, max-age=3600"}
    server.on("/rows", Reply(b"<html>back soon</html>", headers=lasting, content_type="text/html"), Reply())
    with opened() as client:
        assert client.ask(CALL).json() == {"rows": [1, 2, 3]}


@pytest.mark.parametrize("said", ["max-age=3600", "public, max-age=3600", "must-revalidate", "s-maxage=60"])
@pytest.mark.parametrize("provider", [WithToken(), WithClient()], ids=["token", "authorization"])
def test_neither_an_answer_to_somebody_nor_who_it_was_is_kept(
    opened: Opened, server: Misbehaving, provider: Provider, said: str, tmp_path: Path
) -> None:
    server.on("/connect/token", token(SECRET))
    server.on("/rows", Reply(headers={"Cache-Control": said, "ETag": '"1"'}))
    with opened(provider) as client:
        assert not client.ask(CALL).from_cache
        assert not client.ask(CALL).from_cache
    assert len(server.asked("/rows")) == 2
    assert "if-none-match" not in server.asked("/rows")[1].headers
    assert SECRET not in b"".join(path.read_bytes() for path in (tmp_path / "cache").iterdir()).decode(
        "latin-1"
    )


# --- the ledger away


def test_without_the_ledger_nobody_is_asked(opened: Opened, server: Misbehaving, tmp_path: Path) -> None:
    server.on("/rows", Reply())
    away = Ledger("postgresql://nobody@127.0.0.1:1/none", patience=0)
    client = Client(Plain(), Settings(home=tmp_path), away)  # type: ignore[call-arg]
    with client, pytest.raises(Retriable) as raised:
        client.ask(CALL)
    assert not isinstance(raised.value, Unavailable)
    assert server.seen == []


def test_a_full_disk_is_not_the_provider_s_fault(
    opened: Opened, server: Misbehaving, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("/rows", Reply())
    with opened(sources_breaker_failures=1) as client:
        client._folder.rmdir()
        with pytest.raises(Retriable, match="cannot be kept") as raised:
            client.ask(CALL)
        client._folder.mkdir()
        client.ask(CALL)
    assert not isinstance(raised.value, Unavailable)
    assert events(database) == []


def test_limits_are_no_business_of_a_provider_without(opened: Opened, server: Misbehaving) -> None:
    class Limited(Plain):
        limits = (Limit(2, 3600.0),)

    server.on("/rows", Reply())
    with opened(Limited()) as client:
        client.ask(CALL)
        client.ask(CALL)
        with pytest.raises(QuotaUsed, match="as often as it may be"):
            client.ask(CALL)
    with opened() as client:
        client.ask(CALL)
    assert len(server.seen) == 3
