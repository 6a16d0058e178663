"""What is pruned, what is not, and that the books do not notice."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pika
import psycopg2
import pytest

from consumers.database.handler import DatabaseHandler
from consumers.delivery import Delivery, Done
from headgate import ledger, receipts, topology
from headgate.db import connect, transaction
from headgate.message import decode
from headgate.retention import KINDS, prune
from headgate.retention.rules import Days, Rules
from headgate.steps.maintain import maintain
from headgate.steps.services import Ledger
from headgate.store import ObjectStore
from tests.conftest import Database, Environment
from tests.integration.road import Road, consumer, make_road, many, plant, plants
from tests.integration.staged import DATASET, listed
from tests.integration.staged import Road as Staged
from tests.integration.test_arrival_order import waiting
from tests.polling import eventually

NEVER = Days(receipts=0, staging=0, errors=0, alerts=0, events=0)
MONTH = Days(receipts=30, staging=0, errors=30, alerts=30, events=30)


@pytest.fixture
def way(environment: Environment) -> Iterator[Road]:
    made = make_road(environment, chunkBytes=4096)
    with consumer(environment):
        yield made


@pytest.fixture
def staged(database: Database) -> Iterator[Staged]:
    with closing(connect(database.pipeline_url)) as pipeline, closing(connect(database.loader_url)) as loader:
        yield Staged(pipeline, loader)


def sql(database: Database, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement as the superuser; its rows."""
    with closing(psycopg2.connect(database.admin_url)) as conn, conn, conn.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def age(database: Database) -> None:
    """All objects were loaded a hundred days ago."""
    sql(database, "UPDATE headgate.object SET loaded_at = loaded_at - interval '100 days'")


def books(database: Database) -> list[list[tuple[Any, ...]]]:
    """All of the three views."""
    views = ("books_chunk", "books_object", "books_run")
    return [sql(database, f"SELECT * FROM headgate.{view} ORDER BY {view}::text") for view in views]


def test_the_books_do_not_notice_and_messages_that_come_again_change_nothing(way: Road) -> None:
    # given an object with a bad row that was decided on, and one with a bad row that waits for a person
    database = way.environment.database
    bind_a_copy(way)
    done = way.put("plnt23.csv", plants(*many(150), plant(151, capacity="x")))
    way.run()
    sql(database, "UPDATE headgate.quarantine SET state = 'dismissed', resolved_at = now()")
    sent = copies(way)
    way.put("plnt22.csv", plants(*many(60, year=2022), plant(61, year=2022, capacity="x")))
    way.run()
    age(database)
    before, table = books(database), way.table()
    (open_receipts,) = sql(database, "SELECT count(*) FROM headgate.receipt WHERE object_id = 2")[0]
    # when it is pruned
    would_go = maintain(way.services, dry_run=True)
    assert books(database) == before
    removed = maintain(way.services)
    # then the first has no receipts and neither has any staged bytes
    assert removed == would_go
    assert removed["receipts"] == len(sent) > 1
    assert sql(database, "SELECT object_id, count(*) FROM headgate.receipt GROUP BY 1") == [
        (2, open_receipts)
    ]
    assert removed["staging_objects"] > 2 * len(sent)
    assert list(way.services.store.listing(way.services.staging)) == []
    assert way.events()[-1] == "retention.finished"
    # and nobody can tell by the books, nor does a message of it count again
    assert books(database) == before
    handler = DatabaseHandler(database.loader_url, "again", max_bytes=64 << 20)
    assert list(handler.handle(sent)) == [Done()] * len(sent)
    handler.close()
    assert (books(database), way.table()) == (before, table)
    assert way.rows("SELECT outcome FROM headgate.row_history('egrid_plants', %s, 7)", done) == [("applied",)]
    # and a second time there is nothing left to remove
    assert not any(maintain(way.services).values())


def bind_a_copy(way: Road) -> None:
    """Every message of rows goes to a queue of the test's, too."""
    with closing(pika.BlockingConnection(pika.URLParameters(way.environment.broker.url))) as connection:
        channel = connection.channel()
        topology.declare(channel, [way.contract.dataset])
        channel.queue_declare("copy")
        channel.queue_bind("copy", topology.ROWS_EXCHANGE, way.contract.dataset)


def copies(way: Road) -> list[Delivery]:
    """What went to that queue, as a consumer would get it."""
    queue, found = topology.rows_queue(way.contract.dataset), []
    with closing(pika.BlockingConnection(pika.URLParameters(way.environment.broker.url))) as connection:
        channel = connection.channel()
        while (taken := channel.basic_get("copy", auto_ack=True))[0] is not None:
            _, properties, body = taken
            assert decode(properties, body).dataset == way.contract.dataset
            found.append(Delivery(queue, 1, len(found) + 1, properties, body))
    return found


def pruned(database: Database, usual: Days, of_dataset: Days | None = None) -> dict[str, int]:
    """Prune what is in the database; what went, without the zeros."""
    rules = Rules(usual, {DATASET: of_dataset or usual})
    calls = Ledger(database.pipeline_url, patience=5.0)
    with closing(calls):
        found = prune(calls, ObjectStore("http://127.0.0.1:1", "", "", "", patience=0), "none", rules)
    assert list(found) == list(KINDS)
    return {kind: count for kind, count in found.items() if count}


PARKED = """
INSERT INTO headgate.error (error_key, source, class, cause, reason, dataset, object_id, state,
    first_failed_at, last_failed_at)
SELECT gen_random_uuid(), 'consumer', 'data', 'checksum', 'x', 'plants', object_id, 'parked', now(), now()
FROM headgate.object
"""


@pytest.mark.parametrize(
    "needed",
    [
        PARKED,
        "DELETE FROM headgate.receipt",
        "UPDATE headgate.object SET loaded_at = now()",
        "UPDATE headgate.object SET state = 'published'",
        "UPDATE headgate.quarantine SET state = 'open'",
    ],
    ids=["parked", "unbalanced", "young", "published", "undecided"],
)
def test_what_is_needed_stays(staged: Staged, database: Database, needed: str) -> None:
    staged.loaded(listed("a.csv"), rejected=1)
    sql(database, "UPDATE headgate.quarantine SET state = 'dismissed'")
    age(database)
    sql(database, needed)
    assert pruned(database, MONTH) == {}


def test_days_are_those_of_the_contract_and_zero_is_for_ever(staged: Staged, database: Database) -> None:
    staged.loaded(listed("a.csv"))
    age(database)
    assert pruned(database, MONTH, NEVER) == {}
    assert pruned(database, NEVER, MONTH) == {"receipts": 1}


def test_many_objects_go_in_many_transactions(staged: Staged, database: Database) -> None:
    staged.loaded(*(listed(f"{number}.csv") for number in range(60)))
    age(database)
    before = books(database)
    assert pruned(database, MONTH) == {"receipts": 60}
    assert books(database) == before


def test_objects_that_stay_are_passed_over(staged: Staged, database: Database) -> None:
    staged.loaded(*(listed(f"{number:02}.csv") for number in range(60)), rejected=1)
    sql(database, "UPDATE headgate.quarantine SET state = 'dismissed' WHERE object_id % 12 > 0")
    age(database)
    assert pruned(database, MONTH) == {"receipts": 55}


def test_a_message_that_comes_again_while_its_receipt_is_pruned_waits_and_is_known(
    staged: Staged, database: Database
) -> None:
    # given a loaded object, and pruning that has not been committed
    run, _ = staged.loaded(listed("a.csv"))
    ((message_id, object_id, chunk_id),) = sql(
        database, "SELECT message_id, object_id, chunk_id FROM headgate.receipt"
    )
    age(database)
    claims: list[bool] = []

    def claim() -> None:
        with transaction(staged.loader) as cursor:
            receipts.lock_datasets(cursor, [DATASET])
            claims.append(
                receipts.claim(
                    cursor, message_id=message_id, object_id=object_id, chunk_id=chunk_id, consumer="x"
                )
            )

    claiming = threading.Thread(target=claim)
    with transaction(staged.pipeline) as cursor:
        cursor.execute(
            "SELECT objects, receipts FROM headgate.prune_receipts('plants', now(), NULL, NULL, NULL, false)"
        )
        assert cursor.fetchall() == [(1, 1)]
        # when its message comes again
        claiming.start()
        eventually(lambda: waiting(database))
    # then it is known once pruning is over
    claiming.join(60)
    assert claims == [False]
    assert ledger.settle_status(staged.pipeline, run.run_id).done


OLD = """
INSERT INTO headgate.error (error_key, source, class, cause, reason, dataset, message_id, state,
    first_failed_at, last_failed_at, next_at)
SELECT gen_random_uuid(), 'consumer', 'data', 'checksum', 'x', 'plants', state, state, ago, ago,
    CASE state WHEN 'retrying' THEN now() END
FROM unnest(ARRAY['retrying', 'parked', 'replayed', 'resolved', 'recorded', 'dismissed']) state,
    (VALUES (now() - interval '31 days'), (now())) AS at (ago);
INSERT INTO headgate.message_replay (message_id, replays, dataset, source, action, filter,
    replayed_by, replayed_at)
SELECT message_id, 1, 'plants', 'parking', 'replayed', '', 'me', now() - interval '31 days'
FROM unnest(ARRAY['parked', 'resolved']) message_id;
INSERT INTO headgate.alert (kind, severity, dataset, fingerprint, summary, state, resolved_at)
SELECT 'run.failed', 'critical', 'plants', state || ago, 'x', state, CASE state WHEN 'resolved' THEN ago END
FROM unnest(ARRAY['open', 'acknowledged', 'resolved']) state,
    (VALUES (now() - interval '31 days'), (now())) AS at (ago);
INSERT INTO headgate.notification (receiver, reason, severity, title, body, alert_ids, created_at)
SELECT 'team', 'new', 'info', title, '', '{}', now() - interval '31 days'
FROM unnest(ARRAY['sent', 'pending']) title;
INSERT INTO headgate.delivery (notification_id, channel, state)
SELECT notification_id, 'log', title FROM headgate.notification;
INSERT INTO headgate.silence (matchers, ends_at, created_by)
SELECT '[{}]', at, 'me' FROM (VALUES (now() - interval '31 days'), (now() + interval '1 day')) AS ends (at);
INSERT INTO headgate.event (event_id, kind, dataset, subject, severity, status, fingerprint, body,
    recorded_at, published_at, folded_at)
SELECT id, 'run.failed', 'plants', '', 'info', status, fingerprint, '{}',
    now() - interval '31 days', published, folded
FROM (VALUES
    ('1 goes', 'firing', 'ended', now(), now()),
    ('2 goes', 'resolved', 'ended', now(), now()),
    ('3 goes', 'firing', 'lasts', now(), now()),
    ('4 stays: newest of what lasts', 'firing', 'lasts', now(), now()),
    ('5 stays: not published', 'info', 'a', NULL, now()),
    ('6 stays: not folded', 'firing', 'b', now(), NULL),
    ('7 stays: its beginning does', 'resolved', 'b', now(), now())
) AS given (id, status, fingerprint, published, folded);
"""


def test_records_go_when_they_are_old_and_settled(database: Database) -> None:
    sql(database, OLD)
    of_the_dataset = {"errors": 3, "replays": 1, "alerts": 1, "events": 3}
    assert pruned(database, NEVER, MONTH) == of_the_dataset
    assert pruned(database, MONTH) == {"notifications": 1, "silences": 1}
    left = "SELECT count(*) FROM headgate.error WHERE state IN ('retrying', 'parked', 'replayed')"
    assert sql(database, left) == [(6,)]
    assert sql(database, "SELECT message_id FROM headgate.message_replay") == [("parked",)]
    assert sql(database, "SELECT title FROM headgate.notification") == [("pending",)]
    assert sql(database, "SELECT count(*) FROM headgate.delivery") == [(1,)]
    events = [name for (name,) in sql(database, "SELECT event_id FROM headgate.event ORDER BY 1")]
    assert [name[0] for name in events] == ["4", "5", "6", "7"]


def test_records_that_are_kept_longer_are_passed_over(database: Database) -> None:
    sql(database, TWO_DATASETS)
    assert pruned(database, NEVER, MONTH) == {"errors": 1300, "events": 1300}
    assert sql(database, "SELECT DISTINCT dataset FROM headgate.error") == [("kept",)]
    assert pruned(database, MONTH) == {"errors": 1300, "events": 1300}


TWO_DATASETS = """
INSERT INTO headgate.error (error_key, source, class, cause, reason, dataset, state,
    first_failed_at, last_failed_at)
SELECT gen_random_uuid(), 'task', 'data', 'task', 'x', name, 'resolved',
    now() - interval '31 days', now() - interval '31 days'
FROM generate_series(1, 1300) n, unnest(ARRAY['plants', 'kept']) name;
INSERT INTO headgate.event (event_id, kind, dataset, subject, severity, status, fingerprint, body,
    recorded_at, published_at, folded_at)
SELECT md5(name || n), 'run.finished', name, '', 'info', 'info', md5(name || n), '{}',
    now() - interval '31 days', now(), now()
FROM generate_series(1, 1300) n, unnest(ARRAY['plants', 'kept']) name
"""


def test_the_end_of_a_condition_does_not_go_before_its_beginning(database: Database) -> None:
    """Else it would seem to last: a batch holds 1,000 events, and the beginning is in the second."""
    sql(database, MANY_EVENTS)
    assert pruned(database, MONTH) == {"events": 3000}


MANY_EVENTS = """
INSERT INTO headgate.event (event_id, kind, dataset, subject, severity, status, fingerprint, body,
    recorded_at, published_at, folded_at)
SELECT md5(n::text), 'run.failed', 'plants', '', 'info', CASE WHEN n > 1500 THEN 'resolved' ELSE 'firing' END,
    (n % 1500)::text, '{}', now() - interval '31 days', now(), now()
FROM generate_series(1, 3000) n ORDER BY n
"""


COMMAND = [sys.executable, "-m", "headgate.cli.app", "retention"]


def test_the_command_says_what_would_go(environment: Environment) -> None:
    done = subprocess.run([*COMMAND, "--dry-run"], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("nothing is older than its rules say\n", "")
    printed = subprocess.run(
        [*COMMAND, "--dry-run", "--json"], check=True, capture_output=True, text=True
    ).stdout
    assert json.loads(printed) == {"dry_run": True, "removed": dict.fromkeys(KINDS, 0)}


def test_the_command_fails_at_once_where_postgres_is_away(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_DATABASE_URL", "postgresql://nobody:nothing@127.0.0.1:9/none")
    done = subprocess.run(COMMAND, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "is away" in done.stderr
    assert "does not answer" not in done.stderr, "a log line"
