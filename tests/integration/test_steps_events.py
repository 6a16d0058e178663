"""What the steps tell: each event once, with what it tells of, and on the broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pika
import pytest

from headgate import ledger, topology
from headgate.db import connect, transaction
from headgate.steps.report import report
from tests.conftest import Environment
from tests.integration.road import Road, consumer, make_road, many, plant, plants

NO_HEADER = '{"header": [], "columns": {}}'


@pytest.fixture
def road(environment: Environment) -> Iterator[Road]:
    made = make_road(environment)
    with consumer(environment):
        yield made


def told(road: Road, kind: str) -> list[dict[str, Any]]:
    """Data of all events of a kind, in order."""
    found = road.rows("SELECT body -> 'data' FROM headgate.event WHERE kind = %s ORDER BY number", kind)
    return [data for (data,) in found]


def test_a_held_object_is_told_of_with_its_run_and_released_when_a_good_version_passes(road: Road) -> None:
    # given an object that is held
    key = road.put("a.csv", plants(*many(5), *[plant(n, capacity="x") for n in range(6, 11)]))
    held = road.run()
    (data,) = told(road, "object.held")
    assert (data["key"], data["run_id"], data["dag_run_id"]) == (key, held.run.run_id, "test__1")
    assert (data["rule"], data["read"], data["rejected"], data["rules"]) == (
        "too_many_rejects",
        10,
        5,
        {"type": 5},
    )
    # when a mended version passes, and the next one too
    for count in (10, 11):
        road.put("a.csv", plants(*many(count)))
        road.run()
    # then it is released, and the run recovered, once
    assert [data["key"] for data in told(road, "object.released")] == [key]
    assert [data["dag_run_id"] for data in told(road, "run.recovered")] == ["test__2"]
    fingerprints = "SELECT count(DISTINCT fingerprint) FROM headgate.event WHERE kind LIKE 'object.%%'"
    assert road.rows(fingerprints) == [(1,)]


def test_putting_the_loaded_content_back_releases_the_key(road: Road) -> None:
    good = plants(*many(5))
    road.put("a.csv", good)
    road.run()
    road.put("a.csv", b"")
    road.run()

    road.put("a.csv", good)
    road.run()

    assert road.events().count("object.held") == 1
    assert road.events().count("object.released") == 1


def test_changed_columns_are_told_once_with_the_difference(road: Road) -> None:
    road.put("a.csv", plants(plant(1)))
    road.run()

    header = "SEQPLT24,YEAR,PSTATABB,PNAME,ORISPL,NAMEPCAP,Odd"
    for name in ("b.csv", "c.csv"):
        road.put(name, plants(plant(2), header=header))
    road.run()
    road.put("d.csv", plants(plant(3), header=header))
    road.run()
    road.put("a.csv", plants(plant(1), plant(4)))  # a new version with the columns of old
    road.run()

    (data,) = told(road, "schema.drifted")
    assert data["key"].endswith("b.csv")
    assert (data["added"], data["missing"]) == (["Odd"], ["PLNGENAN"])
    assert data["renamed"] == {}  # SEQPLT23 is SEQPLT24 a year later


def test_rows_missing_from_the_books_are_told_until_they_are_there(road: Road) -> None:
    # given a run of which nothing was sent
    road.put("a.csv", plants(*many(5)))
    run = road.open()
    road.audit(run)
    # when its books are closed, twice as by a retried task
    for _ in range(2):
        report(road.services, run, ["stream"])
    # then rows are missing, and the next run brings them
    (data,) = told(road, "books.unbalanced")
    assert data["missing"] == 5
    assert "5 rows in 1 of 1 messages have no receipt" in data["gaps"][0]
    assert road.events().count("run.failed") == 1
    road.run()
    (data,) = told(road, "books.balanced")
    assert data["dag_run_id"] == "test__2"


def test_a_run_that_was_buried_has_failed(road: Road) -> None:
    road.open()
    road.run()
    (data,) = told(road, "run.failed")
    assert data["dag_run_id"] == "test__1"
    assert data["reason"] == "its DAG run ended before the books were closed"


def test_refused_rows_of_postgres_count_for_the_quarantine_threshold(environment: Environment) -> None:
    road = make_road(environment, rejectThreshold=0.1)
    with closing(connect(environment.database.owner_url, autocommit=True)) as conn, conn.cursor() as cursor:
        cursor.execute("SET ROLE headgate_owner")
        cursor.execute("ALTER TABLE egrid.plants ADD CHECK (nameplate_capacity_mw < 1000)")
    with consumer(environment):
        road.put("a.csv", plants(*many(8), plant(9, capacity=2000), plant(10, capacity="x")))
        road.run()
        road.put("b.csv", plants(*many(10)))
        road.run()
        road.put("c.csv", plants(*many(11)))
        road.run()

    (high,), (normal,) = told(road, "quarantine.high"), told(road, "quarantine.normal")
    assert (high["read"], high["quarantined"], high["share"], high["threshold"]) == (10, 2, 0.2, 0.1)
    assert (normal["read"], normal["quarantined"]) == (10, 0)


def test_a_volume_far_from_the_runs_before_is_told_and_that_it_is_usual_again(road: Road) -> None:
    history(road, rows=1000, runs=6)
    road.put("few.csv", plants(*many(20)))
    road.run()
    road.put("named.csv", plants(*many(30)))
    road.run(objects=("named.csv",))  # a part is not compared
    (data,) = told(road, "volume.unusual")
    assert (data["rows"], data["median"], data["low"], data["high"]) == (20, 1000, 500, 1500)
    assert told(road, "volume.usual") == []

    road.put("usual.csv", plants(*many(900)))
    road.run()
    assert [data["rows"] for data in told(road, "volume.usual")] == [900]


def history(road: Road, *, rows: int, runs: int) -> None:
    """Runs in the ledger that loaded so many rows each."""
    database = road.environment.database
    for number in range(runs):
        run = road.services.ledger(
            ledger.open_run, dataset="egrid_plants", dag_run_id=f"before__{number}", contract_version=1
        )
        with closing(connect(database.pipeline_url)) as conn, transaction(conn) as cursor:
            cursor.execute(
                "WITH o AS (INSERT INTO headgate.object (dataset, bucket, key, etag, size, last_modified,"
                " lineage, version, state, run_id, contract_version, inspection) VALUES ('egrid_plants', 'b',"
                " %(number)s, 'e', 1, now(), %(number)s, %(number)s, 'loaded', %(run_id)s, 1, %(inspection)s)"
                " RETURNING object_id) INSERT INTO headgate.chunk (object_id, ordinal, source, first_row,"
                " first_line, records, state, rows_read, rows_accepted)"
                " SELECT object_id, 0, '{}', 1, 1, 1, 'streamed', %(rows)s, %(rows)s FROM o",
                {"number": number, "run_id": run.run_id, "rows": rows, "inspection": NO_HEADER},
            )
        road.services.ledger(ledger.finish_run, run.run_id, "success")


def test_events_are_on_the_broker_when_the_step_ends(
    road: Road, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.steps.relay.PATIENCE", 60)
    with closing(pika.BlockingConnection(pika.URLParameters(environment.broker.url))) as connection:
        channel = connection.channel()
        topology.declare(channel)
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, topology.EVENTS_EXCHANGE, "headgate.egrid_plants.#")
        road.put("a.csv", b"")
        run = road.open()

        road.audit(run)
        report(road.services, run)

        kinds = []
        while (found := channel.basic_get(queue, auto_ack=True))[0] is not None:
            kinds.append(json.loads(found[2])["type"])
    assert kinds == ["headgate.object.held", "headgate.run.finished", "headgate.run.failed"]
    assert road.rows("SELECT count(*) FROM headgate.event WHERE published_at IS NULL") == [(0,)]


def test_a_broker_that_is_away_does_not_stop_the_audit(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.steps.relay.PATIENCE", 0.2)
    key = road.put("a.csv", b"")
    run = road.open()
    road.services = replace(road.services, amqp_url="amqp://nobody:nothing@127.0.0.1:9/none")

    road.audit(run)

    assert road.objects(run) == {key: "held"}
    assert road.rows("SELECT kind, published_at FROM headgate.event") == [("object.held", None)]
