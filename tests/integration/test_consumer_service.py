"""Consumers as processes: side by side, stopped, killed, cut off; and messages that cannot be applied."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing

import pika
import pika.exceptions
import psycopg2
import pytest

from headgate import topology
from tests.integration.lab import DATASET, Lab, many
from tests.polling import eventually

BATCH_ROWS = 1_000
QUEUE = topology.rows_queue(DATASET)
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def consumers(lab: Lab) -> Iterator[Start]:
    """Starts consumer processes, and ends those that a failed test has left."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        started.append(lab.start_consumer(*arguments, **variables))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def stop(*processes: subprocess.Popen[bytes]) -> None:
    """As a person would; they end well."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(60) for process in processes] == [0] * len(processes)


def load(lab: Lab, batches: int) -> None:
    """Publish an object of so many batches."""
    thing = lab.thing("a.csv", 1)
    lab.send(
        *(
            lab.batch(
                thing,
                many(BATCH_ROWS, start=number * BATCH_ROWS),
                first=number * BATCH_ROWS + 1,
                batch=number,
            )
            for number in range(batches)
        )
    )


def receipts(lab: Lab) -> int:
    [(count,)] = lab.sql("SELECT count(*) FROM headgate.receipt")
    return int(count)


def assert_all_there(lab: Lab, batches: int) -> None:
    """Every row once, and the receipts say so."""
    rows = batches * BATCH_ROWS
    assert lab.sql("SELECT count(*), sum(amount) FROM lab.things") == [(rows, rows * (rows - 1) / 2)]
    counts = lab.counts()
    assert (counts["rows"], counts["inserted"]) == (rows, rows)
    assert receipts(lab) == batches


def test_four_consumers_share_a_queue_in_which_everything_stands_twice(lab: Lab, consumers: Start) -> None:
    running = [consumers("--name", f"c{number}", HEADGATE_PREFETCH="4") for number in range(4)]
    eventually(lambda: lab.readers(QUEUE) == 4)
    load(lab, 24)
    lab.send(*reversed(lab.sent))
    eventually(lambda: receipts(lab) == 24 and lab.ready(QUEUE) == 0)
    stop(*running)
    assert_all_there(lab, 24)
    names = {name for (name,) in lab.sql("SELECT DISTINCT consumer FROM headgate.receipt")}
    assert len(names) > 1


def test_consumers_with_the_same_keys_in_other_orders_do_not_block_each_other(
    lab: Lab, consumers: Start
) -> None:
    things = [lab.thing(f"{name}.csv", version) for version, name in enumerate("abcdefgh", 1)]
    for number in range(6):
        keys = many(400, start=number * 200)
        ordered = things if number % 2 else list(reversed(things))
        lab.send(*(lab.batch(t, [(k, t.version, "n") for k, _, _ in keys], batch=number) for t in ordered))
    running = [consumers("--until-idle", "1.5", HEADGATE_PREFETCH="8") for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert lab.sql("SELECT DISTINCT amount FROM lab.things") == [(8.0,)]
    assert lab.counts()["rows"] == 6 * 400 * 8


def test_sigterm_finishes_the_transaction_and_returns_the_rest(lab: Lab, consumers: Start) -> None:
    load(lab, 10)
    under_way = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'lab.things'::regclass"
    with closing(psycopg2.connect(lab.database.admin_url)) as other:
        other.cursor().execute("LOCK TABLE lab.things IN SHARE MODE")
        process = consumers(HEADGATE_PREFETCH="2")
        eventually(lambda: lab.sql(under_way))
        process.send_signal(signal.SIGTERM)  # it hears of that before it hears of Postgres
    assert process.wait(60) == 0
    assert receipts(lab) == 1
    eventually(lambda: lab.ready(QUEUE) == 9)
    assert lab.consume() == 0
    assert_all_there(lab, 10)


def test_sigkill_loses_nothing_and_doubles_nothing(lab: Lab, consumers: Start) -> None:
    load(lab, 30)
    for seen in (1, 6, 12):
        process = consumers(HEADGATE_PREFETCH="4")
        eventually(lambda seen=seen: receipts(lab) >= seen)
        process.kill()
        process.wait()
    eventually(lambda: lab.consume() == 0 and receipts(lab) == 30)
    assert_all_there(lab, 30)


def test_a_cut_broker_connection_is_opened_again(lab: Lab, consumers: Start) -> None:
    load(lab, 10)
    process = consumers(HEADGATE_PREFETCH="2")
    eventually(lambda: receipts(lab) == 10)
    eventually(lambda: lab.drop_broker_connections() > 0)
    thing = lab.thing("b.csv", 2)
    lab.send(lab.batch(thing, [("after", 1, "cut")]))
    eventually(lambda: "after" in lab.rows())
    stop(process)


def is_declared(connection: pika.BlockingConnection) -> bool:
    """Whether the dataset has its queue."""
    try:
        connection.channel().queue_declare(QUEUE, passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        return False
    return True


def test_a_deleted_queue_is_declared_again(lab: Lab, consumers: Start) -> None:
    consumers()
    load(lab, 1)
    eventually(lambda: receipts(lab) == 1)
    connection = pika.BlockingConnection(pika.URLParameters(lab.broker.url))
    connection.channel().queue_delete(QUEUE)
    eventually(lambda: is_declared(connection))
    connection.close()
    lab.send(lab.batch(lab.thing("b.csv", 2), [("after", 1, "n")]))
    eventually(lambda: "after" in lab.rows())


def test_an_outage_of_the_database_is_waited_for(lab: Lab, consumers: Start) -> None:
    """Nothing is parked, nothing leaves the queue, and no hand is needed when it is back."""
    load(lab, 12)
    process = consumers(HEADGATE_PREFETCH="2")
    eventually(lambda: receipts(lab) >= 2)
    name = lab.database.name
    lab.sql_elsewhere(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    lab.sql_elsewhere("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)
    waits = (json.loads(line) for line in iter(process.stderr.readline, b""))
    assert next(line for line in waits if line["event"] == "waiting for a server")["level"] == "warning"
    lab.sql_elsewhere(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    eventually(lambda: receipts(lab) == 12)
    stop(process)
    assert_all_there(lab, 12)
    assert lab.parked() == []


def test_a_control_schema_that_refuses_us_stops_the_consumer_and_leaves_the_message(
    lab: Lab, consumers: Start
) -> None:
    load(lab, 1)
    lab.sql("REVOKE INSERT ON headgate.receipt FROM headgate_loader")
    process = consumers()
    assert process.wait(60) == 3
    eventually(lambda: lab.ready(QUEUE) == 1)
    [(kind, severity, summary)] = lab.sql(
        "SELECT kind, severity, body #>> '{data,summary}' FROM headgate.event"
    )
    assert (kind, severity) == ("consumer.stopped", "critical")
    assert "permission denied for table receipt" in summary
    lab.sql("GRANT INSERT ON headgate.receipt TO headgate_loader")
    lab.consume()
    assert_all_there(lab, 1)


def test_new_datasets_are_read_without_a_restart(lab: Lab) -> None:
    """The look for queues is what a start does, too: no dataset yet, then one."""
    lab.sql("DELETE FROM headgate.dataset")
    handler = lab.handler()
    assert handler.queues() == []
    lab.sql("DROP TABLE lab.things")
    lab.apply_contract()
    assert handler.queues() == [QUEUE]
    handler.close()
