"""Many tasks in many processes ask one provider: its limits and its breaker hold for all of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from headgate.db import connect
from headgate.sources.breaker import Open
from headgate.sources.model import Limit, QuotaUsed, Rejected, Unavailable
from headgate.sources.standing import force, standings
from tests.integration.asker import A_DAY, A_SECOND
from tests.integration.misbehaving import Misbehaving, Reply
from tests.integration.plain import CALL, Opened, Plain
from tests.limits import ask_in_processes, most_within
from tests.polling import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Database

DOWN = Reply(b"down", 503, content_type="text/plain")
# Calls of a whole day but for some that are left, and as many of the day before. The bucket's clock is the
# database's: no call of hours ago can be made through it. `python -m tests.limits` makes those of a day.
EARLIER = """
INSERT INTO headgate.source_call (provider, counted_at)
SELECT 'plain', clock_timestamp() - hours * interval '1 hour'
FROM generate_series(1, %(calls)s) AS n, LATERAL (VALUES (23.9 * n / %(calls)s), (24)) AS ago (hours)
"""


def told(database: Database) -> list[str]:
    """Kinds of the events, in their order."""
    with closing(connect(database.pipeline_url)) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT kind FROM headgate.event ORDER BY number")
        return [kind for (kind,) in cursor]


@pytest.mark.slow
def test_eight_tasks_in_three_processes_keep_the_limits(
    database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    server.on("/rows", Reply())
    with closing(connect(database.pipeline_url)) as conn, conn, conn.cursor() as cursor:
        cursor.execute(EARLIER, {"calls": A_DAY - 40})
    outcome = ask_in_processes(database.pipeline_url, server, tmp_path, calls=10)
    assert outcome == {"ok": 40, "QuotaUsed": 40}
    assert len(server.seen) == 40
    assert most_within(server, 1.0) <= A_SECOND


@pytest.mark.slow
def test_a_provider_that_is_down_is_told_of_once(
    database: Database, server: Misbehaving, tmp_path: Path
) -> None:
    server.on("/rows", DOWN)
    outcome = ask_in_processes(database.pipeline_url, server, tmp_path, calls=10)
    assert outcome.keys() <= {"Unavailable", "Open"}
    assert 5 <= len(server.seen) < 5 + 8  # those under way when it opened
    assert told(database) == ["source.opened"]


def test_a_call_under_way_counts_as_now(opened: Opened, server: Misbehaving) -> None:
    class Limited(Plain):
        limits = (Limit(1, 0.3),)

    gate = threading.Event()
    server.on("/rows", Reply(after=gate), Reply())
    with opened(Limited()) as client, opened(Limited()) as other, ThreadPoolExecutor() as tasks:
        first = tasks.submit(client.ask, CALL)
        eventually(lambda: server.seen)
        second = tasks.submit(other.ask, CALL)
        for _ in range(3):  # longer than the limit's window
            with pytest.raises(TimeoutError):
                second.result(timeout=0.3)
            assert len(server.seen) == 1
        gate.set()
        first.result()
        second.result()


def test_the_breaker_opens_for_all_and_one_call_tries_again(
    opened: Opened, server: Misbehaving, database: Database
) -> None:
    gate = threading.Event()
    server.on("/rows", *[DOWN] * 5, Reply(after=gate), Reply())
    with opened() as client, opened() as other:
        with pytest.raises(Unavailable, match="status 503: down"):
            client.ask(CALL)  # four attempts
        with pytest.raises(Open, match=r"is not asked until 20.* UTC, as it fails: .* status 503: down"):
            other.ask(CALL)  # the fifth failure opens it
        assert len(server.seen) == 5
        with ThreadPoolExecutor() as tasks:
            let_it_rest(database)
            trial = tasks.submit(client.ask, CALL)
            eventually(lambda: len(server.seen) == 6)
            with pytest.raises(Open):
                other.ask(CALL)
            gate.set()
            assert trial.result().status == 200
        assert other.ask(CALL).status == 200
    assert len(server.seen) == 7
    assert told(database) == ["source.opened", "source.closed"]


def let_it_rest(database: Database) -> None:
    """As if it had opened an hour ago."""
    with closing(connect(database.pipeline_url)) as conn, conn, conn.cursor() as cursor:
        cursor.execute("UPDATE headgate.source SET opened_at = opened_at - interval '1 hour'")


def test_a_trial_that_fails_opens_it_again_and_tells_nothing_new(
    opened: Opened, server: Misbehaving, database: Database
) -> None:
    server.on("/rows", DOWN)
    with opened(sources_breaker_seconds=0.05, sources_attempts=1, sources_breaker_failures=2) as client:
        for _ in range(2):
            with pytest.raises(Unavailable):
                client.ask(CALL)
        for asked in range(2, 5):
            eventually(lambda: not refused(client.ask))
            assert len(server.seen) == asked + 1
    assert told(database) == ["source.opened"]


def refused(ask: object) -> bool:
    """Whether the breaker kept the call from being asked."""
    try:
        ask(CALL)  # type: ignore[operator]
    except Open:
        return True
    except Unavailable:
        return False
    return False


def test_a_refusal_shows_that_the_provider_is_there(
    opened: Opened, server: Misbehaving, database: Database
) -> None:
    wrong = Reply(b"no such station", 400, content_type="text/plain")
    server.on("/rows", DOWN, wrong, DOWN, wrong, DOWN, Reply())
    with opened(sources_attempts=1, sources_breaker_failures=2) as client:
        for kind in (Unavailable, Rejected, Unavailable, Rejected, Unavailable):
            with pytest.raises(kind):
                client.ask(CALL)
        client.ask(CALL)
    assert told(database) == []


def test_a_trial_that_does_not_come_about_is_another_s(opened: Opened, server: Misbehaving) -> None:
    class Limited(Plain):
        limits = (Limit(1, 3600.0),)

    server.on("/rows", DOWN, Reply())
    quick = {"sources_attempts": 1, "sources_breaker_failures": 1, "sources_breaker_seconds": 0.01}
    with opened(Limited(), **quick) as client, opened(**quick) as other:
        with pytest.raises(Unavailable):
            client.ask(CALL)
        eventually(lambda: tries_in_vain(client.ask))
        assert other.ask(CALL).status == 200


def tries_in_vain(ask: object) -> bool:
    """Whether the call had its turn and then met its own limit."""
    try:
        ask(CALL)  # type: ignore[operator]
    except QuotaUsed:
        return True
    except Open:
        return False
    return False


def test_a_person_opens_closes_and_resets_it(opened: Opened, server: Misbehaving, database: Database) -> None:
    server.on("/rows", Reply())
    with (
        opened(sources_attempts=1, sources_breaker_failures=1) as client,
        closing(connect(database.pipeline_url)) as conn,
    ):
        force(conn, Plain(), "open", "ann")
        with pytest.raises(Open, match="opened by ann; `headgate sources reset plain`"):
            client.ask(CALL)
        assert standings(conn)["plain"].shown == "open by hand"

        server.on("/rows", DOWN)
        force(conn, Plain(), "closed", "ann")
        for _ in range(3):
            with pytest.raises(Unavailable, match="503"):
                client.ask(CALL)
        assert standings(conn)["plain"].shown == "closed by hand"
        assert len(server.seen) == 3

        force(conn, Plain(), None, "ann")
        with pytest.raises(Unavailable, match="503"):
            client.ask(CALL)
        with pytest.raises(Open):
            client.ask(CALL)
    assert told(database) == ["source.opened", "source.closed", "source.opened"]


def test_a_reset_ends_a_wait_that_the_provider_asked_for(
    opened: Opened, server: Misbehaving, database: Database
) -> None:
    server.on("/rows", Reply(b"{}", 429, {"Retry-After": "7200"}), Reply())
    with opened() as client, closing(connect(database.pipeline_url)) as conn:
        with pytest.raises(QuotaUsed):
            client.ask(CALL)
        assert "7,200 s" in str(standings(conn)["plain"].why)
        force(conn, Plain(), None, "ann")
        assert client.ask(CALL).status == 200
