"""Minutes of a live stream in the ledger, and what the rest of Headgate makes of them."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
import yaml

from consumers.stream.rows import booking_of, layout_of
from headgate import quarantine
from headgate.contract import contract_from_document
from headgate.contract.registry import apply_contract, registered
from headgate.db import connect, query
from headgate.ledger import live, mark_streamed
from headgate.paths import datasets_dir
from headgate.publisher import Publisher
from headgate.quarantine import Filter
from headgate.steps.services import Services
from tests.conftest import Environment
from tests.integration.road import Road, consumer
from tests.integration.shell import headgate
from tests.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection

MINUTE = datetime(2026, 11, 22, 16, 35, tzinfo=UTC)
DATASET = "ais_positions"


@pytest.fixture
def road(environment: Environment) -> Iterator[Road]:
    """The dataset of live positions, with a consumer."""
    document = yaml.safe_load((datasets_dir() / f"{DATASET}.yaml").read_bytes())
    document["servers"][0]["location"] = f"s3://{environment.buckets.landing}/{DATASET}/"
    contract = contract_from_document(document)
    with closing(connect(environment.database.owner_url)) as conn:
        apply_contract(conn, contract)
    with consumer(environment):
        yield Road(environment, contract, Services.of(environment.settings, patience=5.0))


@pytest.fixture
def conn(environment: Environment) -> Iterator[Connection]:
    """As the stream's process connects."""
    with closing(connect(environment.database.pipeline_url)) as opened:
        yield opened


def line(mmsi: int, **changes: Any) -> bytes:
    values = {"mmsi": mmsi, "msgtime": "2026-11-22T16:35:10+00:00", "latitude": 66.5, "longitude": 12.1}
    return json.dumps(values | changes).encode() + b"\n"


def book(
    conn: Connection, road: Road, start: datetime, *batches: bytes, is_lost: bool = False
) -> live.Minute:
    """Book these batches in a new minute and send them; the minute as it stands then."""
    contract, version = registered(conn, DATASET)
    layout = layout_of(contract, version, 1 << 20)
    minute = live.open_minute(conn, contract, version, start, layout.described)
    for lines in batches:
        booking = booking_of(lines, start + timedelta(seconds=30), minute, layout)
        live.book(conn, contract, minute, booking)
        found = live.newest_minute(conn, contract)
        assert found == replace(
            minute, records=minute.records + booking.lines, batches=minute.batches + bool(booking.batch)
        )
        minute = found
    messages = live.waiting_messages(conn, DATASET)
    if not is_lost:
        with Publisher(road.environment.broker.url) as publisher:
            publisher.publish(*messages)
    mark_streamed(conn, [message.message_id for message in messages])
    assert live.waiting_messages(conn, DATASET) == []
    return minute


def settle(conn: Connection, road: Road, before: datetime) -> None:
    eventually(lambda: live.settle(conn, road.contract, before) or not unsettled(road, before))


def unsettled(road: Road, before: datetime) -> list[tuple[Any, ...]]:
    return road.rows(
        "SELECT FROM headgate.object WHERE state = 'published' AND last_modified < %s LIMIT 1", before
    )


def books(road: Road) -> list[tuple[Any, ...]]:
    return road.rows(
        "SELECT right(key, 12), state, read, inserted, unchanged, quarantined, balanced"
        " FROM headgate.books_object ORDER BY object_id"
    )


def test_a_minute_is_loaded_when_it_is_over_and_the_hour_closes_after_it(
    conn: Connection, road: Road
) -> None:
    book(conn, road, MINUTE, line(1) + line(2), line(3) + line(4, latitude=None))
    later = MINUTE + timedelta(minutes=1)
    book(conn, road, later, line(3) + line(5))  # the first comes again, after a cut
    settle(conn, road, later)
    eventually(lambda: [row[4] for row in books(road)] == [0, 1])
    assert books(road) == [
        ("1635Z.ndjson", "loaded", 4, 3, 0, 1, True),
        ("1636Z.ndjson", "published", 2, 1, 1, 0, True),
    ]
    assert road.events() == []
    settle(conn, road, MINUTE + timedelta(minutes=2))
    [(name, kind, state)] = road.rows("SELECT dag_run_id, kind, state FROM headgate.run")
    assert (name, kind, state) == ("live__2026-11-22T16:00:00+00:00", "live", "running")
    live.settle(conn, road.contract, MINUTE + timedelta(hours=1))
    assert road.rows("SELECT state FROM headgate.run") == [("success",)]
    assert road.events() == ["run.finished"]


def test_what_the_broker_lost_after_its_confirm_is_sent_again(conn: Connection, road: Road) -> None:
    book(conn, road, MINUTE, line(1) + line(2), line(3), is_lost=True)
    later = MINUTE + timedelta(minutes=1)
    assert live.settle(conn, road.contract, later) == 0

    asked = ("replay", "--from", "staging", "--where", f"dataset={DATASET}", "--yes", "--json")
    told = json.loads(headgate(road.environment, *asked))

    assert (told["replayed"], told["left"]) == (2, 0)
    settle(conn, road, later)
    assert books(road) == [("1635Z.ndjson", "loaded", 3, 3, 0, 0, True)]
    assert road.rows("SELECT count(*) FROM headgate.live_batch") == [(0,)], "bytes of a loaded minute stay"


def test_runs_of_airflow_leave_minutes_alone(conn: Connection, road: Road) -> None:
    """Also when the hour's run is closed already, and no DAG run of its name is alive."""
    minute = book(conn, road, MINUTE, line(1))
    road.put("filled.ndjson", line(7))
    assert road.run().state == "success"
    with closing(psycopg2.connect(road.environment.database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute("UPDATE headgate.run SET state = 'success' WHERE kind = 'live'")
        cursor.execute(
            "UPDATE headgate.object SET state = 'published' WHERE object_id = %s", (minute.object_id,)
        )
        admin.commit()
    assert road.run().state == "success"
    [(run_id, state)] = road.rows(
        "SELECT run_id, state FROM headgate.object WHERE object_id = %s", minute.object_id
    )
    assert (run_id, state) == (minute.run_id, "published")
    assert road.rows("SELECT count(*) FROM maritime.ais_positions") == [(2,)]


def test_a_quarantined_line_is_replayed_on_the_road_of_files(conn: Connection, road: Road) -> None:
    minute = book(conn, road, MINUTE, line(1) + line(2, latitude="north"))
    settle(conn, road, MINUTE + timedelta(minutes=1))
    edited = road.environment.settings.home.parent / "edited.ndjson"
    [(number,)] = road.rows("SELECT quarantine_id FROM headgate.quarantine")
    edited.write_text(json.dumps({"_quarantine_id": number, "_raw": line(2).decode().strip()}) + "\n")
    done = quarantine.replay_file(
        conn,
        road.services.store,
        edited,
        dataset=DATASET,
        prefix_of=lambda _: road.contract.prefix,
        by="a test",
    )
    assert done.rows == 1
    run = road.run()
    assert (run.state, run.run.inserted) == ("success", 1)
    [(lineage, version, bucket)] = road.rows(
        "SELECT lineage, version, bucket FROM headgate.object WHERE replay_of = %s", minute.object_id
    )
    assert (lineage, version, bucket) == (minute.key, minute.version, road.contract.bucket)
    assert road.rows("SELECT mmsi FROM maritime.ais_positions ORDER BY 1") == [(1,), (2,)]
    assert quarantine.count(conn, Filter(dataset=DATASET, state="open")) == 0


def test_receipts_of_minutes_are_pruned_and_the_books_stay(conn: Connection, road: Road) -> None:
    book(conn, road, MINUTE, line(1) + line(2), line(3))
    settle(conn, road, MINUTE + timedelta(minutes=1))
    before = books(road)
    with closing(psycopg2.connect(road.environment.database.admin_url)) as admin, admin.cursor() as cursor:
        cursor.execute("UPDATE headgate.object SET loaded_at = now() - interval '100 days'")
        admin.commit()
    values = {"dataset": DATASET, "days": 90, "limit": 100, "dry_run": False}
    with conn, conn.cursor() as cursor:
        cursor.execute(query("retention_receipts"), values | {"after_loaded_at": None, "after_object": None})
        [(objects, receipts, _, _)] = cursor.fetchall()
    assert (objects, receipts) == (1, 2)
    assert books(road) == before
    assert road.rows("SELECT count(*) FROM headgate.object WHERE staging_pruned_at IS NULL") == [(0,)]
