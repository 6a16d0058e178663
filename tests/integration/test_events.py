"""Events: recorded with what they tell of, published once a broker is there."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pika
import pytest
from psycopg2.extensions import connection as Connection

from headgate import events, topology
from headgate.db import connect, one, transaction
from headgate.errors import Retriable
from headgate.events import Event
from headgate.publisher import Publisher
from tests.conftest import Broker, Database, Environment


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    with closing(connect(database.pipeline_url)) as made:
        yield made


class Listener:
    """Whoever has bound a queue of their own."""

    def __init__(self, channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
        self._channel = channel
        topology.declare(channel)
        channel.queue_declare("mine", exclusive=True)
        channel.queue_bind("mine", topology.EVENTS_EXCHANGE, "headgate.plants.#")

    def heard(self) -> list[str]:
        """Ids of the events since the last call."""
        found = []
        while True:
            method, _, body = self._channel.basic_get("mine", auto_ack=True)
            if method is None:
                return found
            found.append(json.loads(body)["id"])


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    with closing(pika.BlockingConnection(pika.URLParameters(broker.url))) as connection:
        yield Listener(connection.channel())


def recorded(conn: Connection, *ids: str) -> None:
    """Events of these ids in one committed transaction."""
    with transaction(conn) as cursor:
        for event_id in ids:
            events.record(cursor, finished(event_id))


def finished(event_id: str) -> Event:
    return Event("run.finished", "plants", "7", {"state": "success"}, event_id=event_id)


def test_an_event_goes_out_once_and_in_order(conn: Connection, broker: Broker, listener: Listener) -> None:
    recorded(conn, "a", "b")
    recorded(conn, "a", "c")  # known by its id: nothing new
    with Publisher(broker.url) as publisher:
        assert events.relay(conn, publisher, limit=2) == 2
        assert events.relay(conn, publisher) == 1
        assert events.relay(conn, publisher) == 0
    assert listener.heard() == ["a", "b", "c"]


def test_an_event_of_a_transaction_that_rolls_back_never_was(
    conn: Connection, broker: Broker, listener: Listener
) -> None:
    with transaction(conn) as cursor:
        events.record(cursor, finished("a"))
        conn.rollback()
    with Publisher(broker.url) as publisher:
        assert events.relay(conn, publisher) == 0
    assert listener.heard() == []


def test_what_no_table_takes_does_not_stop_what_it_tells_of(conn: Connection) -> None:
    odd = {"reason": "a\0b \ud800 " + 5000 * "x", "key": "k\0", "object_id": 1}
    with transaction(conn) as cursor:
        events.record(cursor, Event("object.held", "plants", "k\0", odd))
        events.record(
            cursor, Event("run.finished", "plants", "7", {"state": "failed", "books": {"a": math.nan}})
        )
        cursor.execute("SELECT subject, body #>> '{data,reason}' FROM headgate.event ORDER BY number LIMIT 1")
        subject, reason = one(cursor)
    assert (subject, reason[:5], len(reason)) == ("k␀", "a␀b \\", 2001)


def test_events_are_listed(environment: Environment) -> None:
    with closing(connect(environment.database.pipeline_url)) as conn:
        recorded(conn, "a", "b")
        with transaction(conn) as cursor:
            events.record(cursor, Event("parking.filled", "units", "parking", {"messages": 2}))
    assert [event["id"] for event in json.loads(headgate("list", "-d", "plants", "--json"))] == ["b", "a"]
    assert [event["dataset"] for event in json.loads(headgate("list", "--status", "firing", "--json"))] == [
        "units"
    ]
    assert json.loads(headgate("list", "--kind", "run.finished", "--limit", "1", "--json"))[0]["id"] == "b"
    assert json.loads(headgate("list", "--since", "1h", "--json"))
    shown = headgate("list")
    assert "2 messages of units are parked" in shown
    assert "3 of them wait to be published" in shown


def headgate(*arguments: str) -> str:
    """What ``headgate events`` prints."""
    command = [sys.executable, "-m", "headgate.cli.app", "events", *arguments]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def test_an_event_waits_for_the_broker(conn: Connection, broker: Broker, listener: Listener) -> None:
    recorded(conn, "a", "b")
    with Publisher("amqp://guest:guest@127.0.0.1:1/", deadline=0.1) as nowhere:
        with pytest.raises(Retriable):
            events.relay(conn, nowhere)
        events.try_relay(conn, nowhere)
    with Publisher(broker.url) as publisher:
        assert events.relay(conn, publisher) == 2
    assert listener.heard() == ["a", "b"]


def test_a_crash_after_publishing_sends_the_same_event_again(
    conn: Connection, broker: Broker, listener: Listener
) -> None:
    recorded(conn, "a", "b", "c")
    with Publisher(broker.url) as publisher:
        with pytest.raises(ZeroDivisionError):
            events.relay(conn, Dying(publisher, after=2))  # type: ignore[arg-type]
        assert events.relay(conn, publisher) == 3
    assert listener.heard() == ["a", "b", "a", "b", "c"]


class Dying:
    """A publisher whose process ends after so many events."""

    def __init__(self, publisher: Publisher, after: int) -> None:
        self._publisher, self._left = publisher, after

    def emit(self, cloudevent: dict[str, object]) -> None:
        if self._left == 0:
            raise ZeroDivisionError
        self._left -= 1
        self._publisher.emit(cloudevent)


def test_two_relays_take_different_events(
    conn: Connection, database: Database, broker: Broker, listener: Listener
) -> None:
    recorded(conn, "a", "b")
    with closing(connect(database.loader_url)) as other, Publisher(broker.url) as publisher:
        with transaction(other) as cursor:
            cursor.execute("SELECT FROM headgate.event WHERE event_id = 'a' FOR UPDATE")
            assert events.relay(conn, publisher) == 1
        assert events.relay(other, publisher) == 1
    assert listener.heard() == ["b", "a"]
