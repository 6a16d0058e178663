"""The watch: each thing that is wrong is told once, and its end once, whoever watches."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pika
import psycopg2
import pytest

from headgate import topology
from headgate.contract import contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect, transaction
from headgate.errors import Retriable
from headgate.settings import Settings
from headgate.watch import Watch
from tests.integration.lab import DATASET, DOCUMENT, Lab, Thing, many
from tests.polling import eventually

QUEUE = topology.rows_queue(DATASET)
DAY = timedelta(days=1)


def watch(lab: Lab, **limits: float) -> Watch:
    """A watch of its own process, which looks once; what is wrong is told at once."""
    chosen = {"watch_seconds": 3600, "watch_patience": 0, "queue_stalled_seconds": 3600} | limits
    return Watch(
        lambda: connect(lab.database.loader_url),
        lab.broker.url,
        Settings.model_validate(chosen),
    )


def told(lab: Lab) -> list[tuple[str, str]]:
    """Kind and subject of all events, in order."""
    return lab.sql("SELECT kind, subject FROM headgate.event ORDER BY number")


def newest(lab: Lab) -> dict[str, Any]:
    """The CloudEvent of the newest event."""
    [(body,)] = lab.sql("SELECT body FROM headgate.event ORDER BY number DESC LIMIT 1")
    return dict(body)


def backdate(lab: Lab, **columns: timedelta) -> None:
    """As if the watch had begun to see it so long ago."""
    for column, age in columns.items():
        lab.sql(f"UPDATE headgate.watch SET {column} = {column} - %s", age)


@pytest.fixture
def thing(lab: Lab) -> Thing:
    return lab.thing("a.csv", 1)


@contextmanager
def channel(lab: Lab) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    with closing(pika.BlockingConnection(pika.URLParameters(lab.broker.url))) as connection:
        yield connection.channel()


def streamed(lab: Lab, thing: Thing, *, batches: int = 1, ago: timedelta = timedelta(0)) -> list[str]:
    """Batches that were sent, by the ledger; their message ids."""
    ids = [str(uuid4()) for _ in range(batches)]
    for ordinal, message_id in enumerate(ids):
        lab.sql(
            "INSERT INTO headgate.batch (message_id, chunk_id, ordinal, byte_offset, byte_length, rows,"
            " first_row, last_row, sha256, streamed_at) VALUES (%s, %s, %s, 0, 1, 1, 1, 1, 'x', now() - %s)",
            message_id,
            thing.chunk_id,
            ordinal,
            ago,
        )
    return ids


def applied(lab: Lab, thing: Thing, message_id: str) -> None:
    lab.sql(
        "INSERT INTO headgate.receipt (message_id, object_id, chunk_id, rows, inserted, consumer)"
        " VALUES (%s, %s, %s, 1, 1, 'lab')",
        message_id,
        thing.object_id,
        thing.chunk_id,
    )


def failed(lab: Lab, message_id: str, state: str = "parked") -> None:
    lab.sql(
        "INSERT INTO headgate.error (error_key, source, class, cause, reason, dataset, message_id,"
        " state, next_at, first_failed_at, last_failed_at) VALUES (%s, 'consumer', 'data', 'checksum', 'r',"
        " %s, %s, %s, CASE WHEN %s = 'retrying' THEN now() END, now(), now())",
        str(uuid4()),
        DATASET,
        message_id,
        state,
        state,
    )


def with_service_level(lab: Lab, level: str) -> None:
    """The contract allows two days."""
    document = copy.deepcopy(DOCUMENT) | {"slaProperties": [{"property": level, "value": 2, "unit": "d"}]}
    with closing(psycopg2.connect(lab.database.owner_url)) as conn:
        apply_contract(conn, contract_from_document(document))


def arrived(lab: Lab, name: str, ago: timedelta, state: str) -> Thing:
    """An object that arrived so long ago."""
    moment = datetime.now(UTC) - ago
    found = lab.thing(name, int(moment.timestamp() * 1e6), state=state)
    lab.sql("UPDATE headgate.object SET last_modified = %s WHERE object_id = %s", moment, found.object_id)
    return found


def test_a_queue_that_nobody_reads_is_told_once_across_restarts(lab: Lab, thing: Thing) -> None:
    lab.send(lab.batch(thing, many(1)))
    for _ in range(3):
        watch(lab).tick()
    assert told(lab) == [("consumer.gone", QUEUE)]
    assert newest(lab)["data"]["messages"] == 1
    lab.consume()
    for _ in range(2):
        watch(lab).tick()
    assert told(lab) == [("consumer.gone", QUEUE), ("consumer.back", QUEUE)]
    fingerprints = lab.sql("SELECT DISTINCT fingerprint FROM headgate.event")
    assert len(fingerprints) == 1


def test_what_passes_soon_is_never_told(lab: Lab, thing: Thing) -> None:
    lab.send(lab.batch(thing, many(1)))
    watch(lab, watch_patience=60).tick()
    lab.consume()
    watch(lab, watch_patience=60).tick()
    assert told(lab) == []
    assert lab.sql("SELECT FROM headgate.watch") == []


def test_what_lasts_is_told_when_the_patience_ends(lab: Lab, thing: Thing) -> None:
    lab.send(lab.batch(thing, many(1)))
    watch(lab, watch_patience=60).tick()
    backdate(lab, since=timedelta(seconds=61))
    watch(lab, watch_patience=60).tick()
    assert told(lab) == [("consumer.gone", QUEUE)]
    assert newest(lab)["data"]["seconds"] > 60


def test_time_in_which_nobody_watched_does_not_count(lab: Lab, thing: Thing) -> None:
    """After the whole machine was off: the consumers need a moment, too."""
    lab.send(lab.batch(thing, many(1)))
    watch(lab, watch_patience=60).tick()
    backdate(lab, since=DAY, seen_at=DAY)
    watch(lab, watch_patience=60).tick()
    assert told(lab) == []


def test_more_messages_than_the_limit(lab: Lab, thing: Thing) -> None:
    lab.send(*(lab.batch(thing, many(1), batch=number) for number in range(3)))
    watch(lab, queue_messages=3).tick()
    assert ("queue.deep", QUEUE) not in told(lab)
    watch(lab, queue_messages=2).tick()
    assert told(lab)[-1] == ("queue.deep", QUEUE)
    lab.consume()
    watch(lab, queue_messages=2).tick()
    assert ("queue.shallow", QUEUE) in told(lab)


def test_the_contracts_limits_come_before_the_settings(lab: Lab, thing: Thing) -> None:
    limits = [{"property": "queueMessages", "value": 1}, {"property": "queueSeconds", "value": 60}]
    with closing(psycopg2.connect(lab.database.owner_url)) as conn:
        apply_contract(conn, contract_from_document(copy.deepcopy(DOCUMENT) | {"customProperties": limits}))
    streamed(lab, thing, ago=timedelta(seconds=61))
    lab.send(*(lab.batch(thing, many(1), batch=number) for number in range(2)))
    watch(lab).tick()
    assert {kind for kind, _ in told(lab)} == {"consumer.gone", "queue.deep", "queue.old"}


def test_a_queue_that_is_read_and_does_not_drain(lab: Lab, thing: Thing) -> None:
    first, second = streamed(lab, thing, batches=2)
    with channel(lab) as reading:
        topology.declare(reading, [DATASET])
        reading.basic_consume(QUEUE, lambda *_: None)
        watch(lab).tick()
        backdate(lab, since=timedelta(hours=2))
        watch(lab).tick()
        assert told(lab) == [("queue.stalled", QUEUE)]
        applied(lab, thing, first)  # one more waits: from now on it has an hour again
        watch(lab).tick()
        assert told(lab) == [("queue.stalled", QUEUE), ("queue.moving", QUEUE)]
        watch(lab).tick()
        applied(lab, thing, second)
        watch(lab).tick()
    assert told(lab) == [("queue.stalled", QUEUE), ("queue.moving", QUEUE)]


def test_slow_is_not_stalled(lab: Lab, thing: Thing) -> None:
    ids = streamed(lab, thing, batches=3)
    with channel(lab) as reading:
        topology.declare(reading, [DATASET])
        reading.basic_consume(QUEUE, lambda *_: None)
        for message_id in ids:
            watch(lab).tick()
            backdate(lab, since=timedelta(minutes=50))
            applied(lab, thing, message_id)
    watch(lab).tick()
    assert told(lab) == []


def test_a_message_that_waits_too_long(lab: Lab, thing: Thing) -> None:
    old, _ = *streamed(lab, thing, ago=timedelta(hours=2)), lab.send(lab.batch(thing, many(1)))
    watch(lab, watch_patience=0).tick()
    assert told(lab) == [("consumer.gone", QUEUE), ("queue.old", QUEUE)]
    assert newest(lab)["data"]["oldest_seconds"] == pytest.approx(7200, abs=60)
    applied(lab, thing, old)
    watch(lab).tick()
    assert told(lab)[-1] == ("queue.young", QUEUE)


@pytest.mark.parametrize("state", ["parked", "retrying"])
def test_a_message_that_failed_is_no_message_that_waits(lab: Lab, thing: Thing, state: str) -> None:
    [message_id] = streamed(lab, thing, ago=timedelta(hours=2))
    failed(lab, message_id, state)
    watch(lab).tick()
    assert not {"queue.old", "consumer.gone"} & {kind for kind, _ in told(lab)}


def test_a_message_that_never_came_back_from_its_delay_is_told(lab: Lab, thing: Thing) -> None:
    [message_id] = streamed(lab, thing, ago=timedelta(hours=2))
    failed(lab, message_id, "retrying")
    lab.sql("UPDATE headgate.error SET next_at = now() - interval '10 minutes'")
    watch(lab, watch_patience=0).tick()
    assert ("queue.old", QUEUE) in told(lab)


def test_parking_fills_and_empties(lab: Lab) -> None:
    failed(lab, "m1")
    failed(lab, "m2")
    watch(lab).tick()
    assert told(lab) == [("parking.filled", topology.PARKING_QUEUE)]
    assert (newest(lab)["dataset"], newest(lab)["data"]["messages"]) == (DATASET, 2)
    lab.sql("UPDATE headgate.error SET state = 'replayed'")
    watch(lab).tick()
    assert told(lab)[1:] == [("parking.emptied", topology.PARKING_QUEUE)]
    assert newest(lab)["dataset"] == DATASET


def test_what_the_broker_itself_has_parked_is_told_too(lab: Lab) -> None:
    with channel(lab) as own:
        topology.declare(own)
        own.confirm_delivery()
        own.basic_publish(topology.ERRORS_EXCHANGE, topology.parking_key(DATASET), b"?")
    watch(lab).tick()
    assert told(lab) == [("parking.filled", topology.PARKING_QUEUE)]
    assert newest(lab)["dataset"] == topology.SYSTEM
    assert len(lab.parked()) == 1
    watch(lab).tick()
    assert told(lab)[1:] == [("parking.emptied", topology.PARKING_QUEUE)]


def test_the_queue_of_failures_is_watched_too(lab: Lab) -> None:
    with channel(lab) as own:
        topology.declare(own)
        own.confirm_delivery()
        own.basic_publish(topology.ERRORS_EXCHANGE, topology.error_key(DATASET), b"?")
    watch(lab).tick()
    assert told(lab) == [("consumer.gone", topology.ERRORS_QUEUE)]
    assert newest(lab)["dataset"] == topology.SYSTEM


def test_data_that_is_older_than_the_contract_allows(lab: Lab) -> None:
    with_service_level(lab, "freshness")
    arrived(lab, "a.csv", 3 * DAY, "loaded")
    arrived(lab, "b.csv", DAY, "held")
    watch(lab).tick()
    assert told(lab) == [("data.late", DATASET)]
    assert newest(lab)["data"]["age_seconds"] == pytest.approx(3 * 86_400, abs=60)
    arrived(lab, "c.csv", DAY, "duplicate")  # it came, and said nothing new
    watch(lab).tick()
    assert told(lab) == [("data.late", DATASET), ("data.fresh", DATASET)]


def test_a_dataset_that_never_had_data(lab: Lab) -> None:
    with_service_level(lab, "freshness")
    watch(lab).tick()
    assert told(lab) == []
    lab.sql("UPDATE headgate.dataset SET applied_at = now() - interval '3 days'")
    watch(lab).tick()
    assert told(lab) == [("data.late", DATASET)]


def test_an_object_that_waits_longer_than_the_contract_allows(lab: Lab) -> None:
    with_service_level(lab, "latency")
    waiting = arrived(lab, "a.csv", 3 * DAY, "inspected")
    watch(lab).tick()
    assert told(lab) == [("data.late", DATASET)]
    lab.publish_state(waiting, "loaded")
    watch(lab).tick()
    assert told(lab) == [("data.late", DATASET), ("data.fresh", DATASET)]


def test_a_limit_that_is_no_more_ends_what_it_told(lab: Lab) -> None:
    with_service_level(lab, "freshness")
    arrived(lab, "a.csv", 3 * DAY, "loaded")
    watch(lab).tick()
    lab.apply_contract()
    watch(lab).tick()
    assert told(lab) == [("data.late", DATASET), ("data.fresh", DATASET)]


def test_one_watches_at_a_time(lab: Lab, thing: Thing) -> None:
    lab.send(lab.batch(thing, many(1)))
    with closing(connect(lab.database.loader_url)) as other, transaction(other) as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('headgate.watch', 0))")
        watch(lab).tick()
        assert told(lab) == []
    watch(lab).tick()
    assert len(told(lab)) == 1


def test_it_looks_every_so_often(lab: Lab, thing: Thing) -> None:
    one = watch(lab)
    one.tick()
    lab.send(lab.batch(thing, many(1)))
    one.tick()
    assert told(lab) == []


def test_nothing_is_said_while_the_broker_is_away(lab: Lab, thing: Thing) -> None:
    lab.send(lab.batch(thing, many(1)))
    watch(lab).tick()
    nowhere = Watch(
        lambda: connect(lab.database.loader_url),
        "amqp://guest:guest@127.0.0.1:1/",
        Settings(watch_patience=0),
    )
    with pytest.raises(Retriable):
        nowhere.tick()
    assert told(lab) == [("consumer.gone", QUEUE)]


def test_the_notification_consumer_watches(lab: Lab, thing: Thing, tmp_path: Path) -> None:
    """And publishes what it sees, for whoever has bound a queue of their own."""
    lab.send(lab.batch(thing, many(1)))
    variables = {
        "HEADGATE_HOME": str(tmp_path),
        "HEADGATE_LOADER_URL": lab.database.loader_url,
        "HEADGATE_AMQP_URL": lab.broker.url,
        "HEADGATE_WATCH_SECONDS": "0.2",
        "HEADGATE_WATCH_PATIENCE": "0",
    }
    command = [sys.executable, "-m", "consumers.app", "notification"]
    process = subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: ("consumer.gone", QUEUE) in told(lab))
        lab.consume()
        eventually(lambda: ("consumer.back", QUEUE) in told(lab))
        unpublished = "SELECT FROM headgate.event WHERE published_at IS NULL"
        eventually(lambda: lab.sql(unpublished) == [])
    finally:
        process.terminate()
        process.wait(60)
