"""The notification consumer as a process: floods, and kills while alerts flow."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pika
import psycopg2
import pytest
import yaml

from headgate import db, events, topology
from headgate.events import Event
from headgate.publisher import Publisher
from tests.integration.listener import Listener, listening
from tests.polling import eventually

if TYPE_CHECKING:
    from tests.conftest import Environment

Start = Callable[..., subprocess.Popen[bytes]]
KILLS, ALERTS = 20, 500
NOW = "2026-11-22T10:00:00+00:00"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as made:
        yield made


@pytest.fixture
def start(environment: Environment, listener: Listener, tmp_path: Path) -> Iterator[Start]:
    """Starts a consumer with these fields of the top route; ends all at the end of the test."""
    started: list[subprocess.Popen[bytes]] = []
    log = (tmp_path / "log").open("wb")

    def make(**route: Any) -> subprocess.Popen[bytes]:
        receiver = {"name": "team", "apprise": [listener.url("team")]}
        document = {"route": {"receiver": "team", **route}, "receivers": [receiver]}
        file = tmp_path / "alerts.yaml"
        file.write_text(yaml.safe_dump(document))
        variables = {"HEADGATE_ALERTS_FILE": str(file), "HEADGATE_LOG_FORMAT": "json"}
        command = [sys.executable, "-m", "consumers.app", "notification"]
        started.append(subprocess.Popen(command, env=os.environ | variables, stderr=log))
        return started[-1]

    yield make
    for process in started:
        process.kill()
        process.wait()
    log.close()


def tell(environment: Environment, *happenings: Sequence[Event]) -> None:
    """Record events and publish them, some at a time, as tasks and consumers do."""
    with (
        closing(db.connect(environment.database.pipeline_url)) as conn,
        Publisher(environment.broker.url) as publisher,
    ):
        for happened in happenings:
            with db.transaction(conn) as cursor:
                for event in happened:
                    events.record(cursor, event)
            events.relay(conn, publisher, limit=len(happened))


def sql(environment: Environment, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(environment.database.admin_url)) as conn, conn, conn.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def test_a_thousand_identical_failures_are_one_notification_and_one_update(
    environment: Environment, listener: Listener, start: Start
) -> None:
    process = start(group_wait="500ms", group_interval="2h", repeat_interval="2h")
    tell(environment, [failure(number) for number in range(50)])
    eventually(lambda: len(listener.received("team")) == 1)
    tell(environment, *([failure(number * 50 + place) for place in range(50)] for number in range(1, 20)))
    eventually(lambda: sql(environment, "SELECT count FROM headgate.alerts") == [(1000,)])
    sql(environment, "UPDATE headgate.alert_group SET next_at = now()")  # the interval is over
    eventually(lambda: len(listener.received("team")) == 2)
    first, update = listener.titles("team")
    assert first.startswith("[critical] ships: run.failed run ")
    assert update == "[critical] ships: run.failed run 999, 1,000 times"
    assert sql(environment, "SELECT count, state FROM headgate.alerts") == [(1000, "open")]
    # nothing more is to come before the reminder
    assert sql(environment, "SELECT next_at > now() + interval '50 min' FROM headgate.alert_group") == [
        (True,)
    ]
    eventually(lambda: are_sent(environment, 2))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def are_sent(environment: Environment, count: int) -> bool:
    """Whether so many messages were written, and the consumer knows of all that they have arrived."""
    return sql(environment, "SELECT state FROM headgate.delivery") == [("sent",)] * count


def failure(number: int) -> Event:
    return Event("run.failed", "ships", f"run {number}", {"reason": "the disk is full", "run_id": number})


def test_what_others_publish_while_the_database_is_away_is_told_when_it_is_back(
    environment: Environment, listener: Listener, start: Start
) -> None:
    process = start(group_by=["..."], group_wait="0s")
    tell(environment, [failure(1)])
    eventually(lambda: are_sent(environment, 1))
    name = environment.database.name
    elsewhere(environment, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    elsewhere(environment, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    attributes = {"source": "/meter", "type": "org.example.low", "status": "firing", "severity": "warning"}
    with Publisher(environment.broker.url) as publisher:
        publisher.emit(
            {"specversion": "1.0", "id": "1", "subject": "m1", "dataset": "m", "time": NOW} | attributes
        )
    eventually(lambda: ready(environment) == 0)
    elsewhere(environment, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    eventually(lambda: len(listener.posted) == 2)
    assert listener.titles("team")[1] == "[warning] m: org.example.low m1"
    assert process.poll() is None


def elsewhere(environment: Environment, statement: str) -> None:
    """Run a statement as the superuser, not in the test's database."""
    url = environment.database.admin_url.rpartition("/")[0] + "/postgres"
    with closing(psycopg2.connect(url)) as conn:
        conn.autocommit = True
        conn.cursor().execute(statement)


def ready(environment: Environment) -> int:
    """Messages that wait in the queue and that no consumer has in hand."""
    with closing(pika.BlockingConnection(pika.URLParameters(environment.broker.url))) as connection:
        declared = connection.channel().queue_declare(topology.NOTIFICATIONS_QUEUE, passive=True)
        return int(declared.method.message_count)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_kills_while_alerts_flow_lose_none(
    environment: Environment, listener: Listener, start: Start
) -> None:
    rng = random.Random(seed := random.randrange(10_000))
    print(f"seed {seed}")
    route = {"group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    keys = [f"{number:03}.csv" for number in range(ALERTS)]
    for turn in range(KILLS):
        tell(environment, [held(key) for key in keys[turn::KILLS]])
        process = start(**route)
        wanted = len(listener.posted) + rng.randint(1, ALERTS // KILLS)
        eventually(lambda wanted=wanted: len(listener.posted) >= wanted)
        process.kill()
        process.wait()
    start(**route)
    eventually(lambda: len(heard(listener)) == ALERTS)
    assert set(heard(listener)) == set(keys)
    twice = {key: times for key, times in heard(listener).items() if times > 1}
    print(f"told twice after a kill: {len(twice)}")
    assert sum(twice.values()) - len(twice) <= KILLS  # at most what was under way


def held(key: str) -> Event:
    return Event("object.held", "ships", key, {"key": key, "reason": "too many bad rows"})


def heard(listener: Listener) -> Counter[str]:
    """How often each alert was told."""
    return Counter(title.rpartition(" ")[2] for title in listener.titles("team"))
