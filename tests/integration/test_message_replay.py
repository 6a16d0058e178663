"""Failed messages and a person: parking is emptied, lost batches are sent again, nothing doubles."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pika
import psycopg2
import pytest

from consumers.notification.folding import fold
from headgate import message, topology
from headgate.alerts.routing import load_routing
from headgate.cli.where import where_of
from headgate.db import connect, transaction
from headgate.errors import DataError, Retriable
from headgate.failures import HEADER, Cause, failed
from headgate.ledger import finish_run
from headgate.paths import CHECKOUT
from headgate.replay import Desk, Order, Tally, Where, opened_desk
from headgate.replay.staging import replay_lost
from headgate.steps.report import report
from headgate.steps.services import Services
from headgate.steps.settle import settled
from headgate.steps.stream import message_of, stream
from tests.integration.lab import DATASET, Lab, many
from tests.integration.road import CONSUMER, counts, make_road, plants
from tests.integration.road import many as plants_lines
from tests.integration.shell import HEADGATE, headgate
from tests.polling import eventually

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel
    from psycopg2.extensions import connection as Connection

    from headgate.message import RowBatch
    from tests.conftest import Environment

TABLE_GONE = "ALTER TABLE lab.things RENAME TO gone"
TABLE_BACK = "ALTER TABLE lab.gone RENAME TO things"


@pytest.fixture
def lab(environment: Environment) -> Lab:
    """A dataset of three columns, its contract applied, and the settings for it."""
    made = Lab(environment.database, environment.broker)
    made.apply_contract()
    return made


@contextmanager
def consumers(environment: Environment, *kinds: str, **variables: str) -> Iterator[None]:
    """These kinds of consumers as processes."""
    with ExitStack() as stack:
        for kind in kinds:
            process = subprocess.Popen(
                [CONSUMER, kind], env={**os.environ, **environment.variables, **variables}
            )
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        yield


def park(lab: Lab, number: int = 1) -> list[Any]:
    """So many messages, each of its own object, that failed for a missing table until they were parked."""
    batches = [
        lab.batch(lab.thing(f"{name}.csv", version), many(2, start=10 * version))
        for version, name in enumerate("abcdefghijkl"[:number], 1)
    ]
    lab.sql(TABLE_GONE)
    lab.send(*batches)
    lab.consume()
    lab.judge()
    lab.sql(TABLE_BACK)
    assert lab.ready(topology.PARKING_QUEUE) == number
    return batches


def replay(environment: Environment, where: Where = Where(), **options: Any) -> Tally:  # noqa: B008
    """As the command does it, without asking."""
    with opened_desk(environment.settings) as desk:
        return desk.replay(desk.waiting("parking"), Order(where, "tester", **options), lambda _: None)


def in_parking(environment: Environment) -> int:
    return Lab(environment.database, environment.broker).ready(topology.PARKING_QUEUE)


def errors(lab: Lab) -> list[tuple[str, str, int]]:
    """Cause, state and replays of each error."""
    return lab.sql("SELECT cause, state, replays FROM headgate.error ORDER BY error_id")


def test_replaying_parking_after_the_cause_is_mended_empties_it_and_the_books_show_it(
    environment: Environment,
) -> None:
    """The whole of it, with consumers as processes and the command line as a person calls it."""
    road = make_road(environment)
    road.put("plnt23.csv", plants(*plants_lines(40)))
    run = road.open()
    shares = road.audit(run)
    with (
        closing(psycopg2.connect(environment.database.admin_url)) as conn,
        consumers(environment, "database", "error", HEADGATE_RETRY_DELAYS="0.1 0.2"),
    ):
        conn.autocommit = True
        # given a table that somebody renamed, and the run's messages parked after their retries
        conn.cursor().execute("ALTER TABLE egrid.plants RENAME TO gone")
        for share in shares:
            stream(road.services, share)
        eventually(lambda: in_parking(environment) == 1)
        with pytest.raises(DataError, match=r"(?s)parked.*headgate errors show 1"):
            settled(road.services, run.run_id)
        [error] = json.loads(
            headgate(environment, "errors", "list", "--json", "--where", "cause=table_missing")
        )
        assert (error["state"], error["attempts"], error["object"]) == (
            "parked",
            3,
            "egrid_plants/plnt23.csv",
        )
        assert report(road.services, run, ["settle"]).run.state == "failed"
        # when the table is back and a person replays what was parked for it
        conn.cursor().execute("ALTER TABLE egrid.gone RENAME TO plants")
        asked = ("--where", "dataset=egrid_plants", "--where", "cause=table_missing")
        told = json.loads(headgate(environment, "replay", *asked, "--yes", "--json"))
        assert (told["replayed"], told["left"]) == (1, 0)
        # then its rows are in the table, parking is empty, and the books say so
        eventually(lambda: settled(road.services, run.run_id))
        eventually(lambda: road.rows("SELECT state FROM headgate.error") == [("resolved",)])
    books = report(road.services, run)
    assert books.balanced
    counts(books, read=40, inserted=40)
    assert in_parking(environment) == 0
    assert json.loads(headgate(environment, "errors", "list", "--json")) == []
    shown = headgate(environment, "errors", "show", error["id"])
    assert "resolved" in shown
    assert "dataset=egrid_plants cause=table_missing" in shown


def test_only_what_is_meant_leaves_parking(environment: Environment, lab: Lab) -> None:
    park(lab, 3)
    lab.send(damaged(lab.batch(lab.thing("d.csv", 4), many(2))))
    lab.consume()
    lab.judge()

    def would_be(*conditions: str) -> int:
        eventually(lambda: in_parking(environment) == 4)  # those of the look before are back
        return replay(environment, where_of(conditions), dry_run=True).count("replayed")

    # when different conditions are asked for, without doing anything
    assert would_be("cause=table_missing") == 3
    assert would_be("cause=table_missing", "cause=checksum", f"dataset={DATASET}", "since=1h") == 4
    assert would_be("object=a.csv", "object=d.csv") == 2
    assert would_be("object=a.csv", "class=data") == 0
    assert would_be("error=2") == 1
    assert would_be("reason~does not exist") == 3
    assert would_be("dataset=plants") == 0
    assert lab.sql("SELECT count(*) FROM headgate.message_replay") == [(0,)]
    # on the command line too
    assert "1 of 1 open errors" in headgate(environment, "errors", "list", "--where", "object=a.csv")
    assert "no open errors like that" in headgate(environment, "errors", "list", "--where", "object=x.csv")
    headgate(environment, "replay", "--where", "object=a.csv", "--dry-run")
    eventually(lambda: in_parking(environment) == 4)
    # and then one of them is replayed
    assert replay(environment, where_of(["object=b.csv"])).count("replayed") == 1
    # then that one is on its queue, and the others are where they were
    assert lab.ready(topology.rows_queue(DATASET)) == 1
    eventually(lambda: in_parking(environment) == 3)
    states = [state for _, state, _ in errors(lab)]
    assert sorted(states) == ["parked", "parked", "parked", "replayed"]


def test_a_replayed_message_is_as_it_was_sent(environment: Environment, lab: Lab) -> None:
    """Its failures and its deaths are forgotten, but that it was replayed: a new life with all its tries."""
    [batch] = park(lab)
    before = message.encode(batch).headers
    assert replay(environment).count("replayed") == 1
    [(properties, body)] = taken(lab, topology.rows_queue(DATASET))
    assert body == batch.body
    assert properties.headers.pop("x-delivery-count", 0) == 0
    assert properties.headers == before | {f"{HEADER}replays": 1}
    assert (properties.message_id, properties.delivery_mode) == (str(batch.message_id), 2)


def test_a_message_that_fails_again_is_parked_again_and_replayed_three_times_at_most(
    environment: Environment, lab: Lab
) -> None:
    park(lab)
    lab.sql(TABLE_GONE)
    for replays in (1, 2, 3):
        assert replay(environment).count("replayed") == 1
        lab.consume()
        lab.judge()
        assert errors(lab)[-2:] == [
            ("table_missing", "resolved", replays - 1),  # one open error for one message
            ("table_missing", "parked", replays),
        ]
    # when somebody tries a fourth time, then it takes the word of a person
    refused = headgate(environment, "replay", "--all", "--yes", code=1)
    assert "it was replayed 3 times already" in refused
    eventually(lambda: in_parking(environment) == 1)
    lab.sql(TABLE_BACK)
    assert replay(environment, force=True).count("replayed") == 1
    lab.consume()
    assert len(lab.rows()) == 2
    assert lab.sql("SELECT action, force FROM headgate.message_replay ORDER BY replay_id") == [
        ("replayed", forced) for forced in (False, False, False, True)
    ]


@pytest.mark.parametrize(("committed", "applied"), [(False, False), (False, True), (True, True)])
def test_a_crash_in_a_replay_loses_and_doubles_nothing(
    environment: Environment, lab: Lab, monkeypatch: pytest.MonkeyPatch, committed: bool, applied: bool
) -> None:
    """Before or after its audit; what was sent is applied before it is sent again, or not yet."""
    park(lab, 3)
    record = Desk.record

    def dies(desk: Desk, order: Order, done: Any) -> None:
        if committed:
            record(desk, order, done)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "record", dies)
        with pytest.raises(Died):
            replay(environment)
    eventually(lambda: lab.ready(topology.PARKING_QUEUE) == 3)
    if applied:
        lab.consume()
    # when it is done once more
    again = replay(environment)
    assert (again.count("applied"), again.count("replayed")) == ((3, 0) if applied else (0, 3))
    lab.consume()
    # then every row is there once, and nothing is left
    assert lab.counts() == dict.fromkeys(lab.counts(), 0) | {"rows": 6, "inserted": 6}
    assert len(lab.rows()) == 6
    assert (lab.ready(topology.PARKING_QUEUE), lab.ready(topology.rows_queue(DATASET))) == (0, 0)


@pytest.mark.parametrize(("answer", "left"), [("n", 3), ("y", 0)])
def test_a_person_is_shown_what_would_be_done_and_asked(
    environment: Environment, lab: Lab, answer: str, left: int
) -> None:
    park(lab, 3)
    person, terminal = os.openpty()
    os.write(person, f"{answer}\n".encode())
    done = subprocess.run(
        [HEADGATE, "replay", "--where", f"dataset={DATASET}"],
        env={**os.environ, **environment.variables},
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    os.close(person)
    os.close(terminal)
    assert "what would be done" in done.stdout
    assert "Go on? [y/N]" in done.stdout
    assert done.returncode == (1 if left else 0)
    eventually(lambda: lab.ready(topology.PARKING_QUEUE) == left)
    assert lab.ready(topology.rows_queue(DATASET)) == 3 - left


def test_many_messages_leave_parking_at_once(environment: Environment, lab: Lab) -> None:
    """A broker that is behind with acknowledgements forgets some when their channel ends."""
    park_without_failing(lab, 150)
    assert replay(environment).count("replayed") == 150
    eventually(lambda: lab.ready(topology.rows_queue(DATASET)) == 150)
    assert lab.ready(topology.PARKING_QUEUE) == 0
    assert lab.sql("SELECT count(*) FROM headgate.message_replay") == [(150,)]


def test_a_killed_replay_loses_and_doubles_nothing(environment: Environment, lab: Lab) -> None:
    """The process itself, with messages that are sent, and neither noted nor taken out of parking."""
    park_without_failing(lab, 100)
    with closing(psycopg2.connect(lab.database.admin_url)) as conn, conn.cursor() as cursor:
        cursor.execute("LOCK TABLE headgate.message_replay IN SHARE ROW EXCLUSIVE MODE")
        process = subprocess.Popen(
            [HEADGATE, "replay", "--all", "--yes"], env={**os.environ, **environment.variables}
        )
        eventually(lambda: lab.ready(topology.rows_queue(DATASET)) > 0)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    desks = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND application_name = 'headgate-replay'"
    eventually(lambda: not lab.sql(desks, lab.database.name))

    def emptied() -> bool:
        replay(environment)
        lab.consume(messages=20)
        return lab.counts()["rows"] == 500 and lab.ready(topology.PARKING_QUEUE) == 0

    eventually(emptied)
    assert lab.counts() == dict.fromkeys(lab.counts(), 0) | {"rows": 500, "inserted": 500}
    assert lab.ready(topology.rows_queue(DATASET)) == 0


def test_what_was_done_before_an_interruption_is_in_the_audit(
    environment: Environment, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    park(lab, 3)
    resend, sent = Desk.resend, iter(range(3))

    def interrupted_at_the_last(*arguments: Any) -> None:
        if next(sent) == 2:
            raise KeyboardInterrupt
        resend(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "resend", interrupted_at_the_last)
        with pytest.raises(KeyboardInterrupt):
            replay(environment)
    eventually(lambda: lab.ready(topology.PARKING_QUEUE) == 1)
    assert lab.sql("SELECT count(*) FROM headgate.message_replay") == [(2,)]
    assert lab.ready(topology.rows_queue(DATASET)) == 2


def test_two_people_do_not_replay_at_the_same_time(environment: Environment, lab: Lab) -> None:
    park(lab)
    with opened_desk(environment.settings), pytest.raises(Retriable, match="somebody else"):
        replay(environment)
    assert replay(environment).count("replayed") == 1


def test_who_leaves_lets_the_next_one_in_at_once(
    environment: Environment, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy server notices late that a connection was closed."""
    with ExitStack() as server:

        def closing_late(conn: Connection) -> nullcontext[Connection]:
            server.callback(conn.close)
            return nullcontext(conn)

        monkeypatch.setattr("headgate.replay.desk.closing", closing_late)
        for _ in range(2):
            assert replay(environment).looked_at == 0


def test_what_the_broker_itself_parked_is_replayed(environment: Environment, lab: Lab) -> None:
    lab.send(lab.batch(lab.thing("a.csv", 1), many(2)))
    with channel(lab) as at_broker:
        method, _, _ = at_broker.basic_get(topology.rows_queue(DATASET))
        at_broker.basic_reject(method.delivery_tag, requeue=False)
        eventually(lambda: lab.ready(topology.PARKING_QUEUE) == 1)
    assert replay(environment, Where(cause=("dead_lettered",), dataset=(DATASET,))).count("replayed") == 1
    lab.consume()
    assert len(lab.rows()) == 2
    assert lab.sql("SELECT dataset, action, error_id FROM headgate.message_replay") == [
        (DATASET, "replayed", None)
    ]


def test_a_delayed_message_is_sent_at_once(environment: Environment, lab: Lab) -> None:
    lab.sql(TABLE_GONE)
    lab.send(lab.batch(lab.thing("a.csv", 1), many(2)))
    lab.consume()
    lab.judge(delays=(1801.0,))  # not what the command line knows: the setting has been changed since
    lab.sql(TABLE_BACK)
    assert lab.ready(topology.retry_queue(1801.0)) == 1
    hint = headgate(environment, "replay", "--where", "cause=table_missing", "--dry-run")
    assert "1 more wait for their next try: --from errors" in hint
    told = json.loads(headgate(environment, "replay", "--from", "errors", "--all", "--yes", "--json"))
    assert told["replayed"] == 1
    lab.consume()
    assert len(lab.rows()) == 2
    assert lab.ready(topology.retry_queue(1801.0)) == 0
    assert errors(lab) == [("table_missing", "replayed", 0)]


def test_junk_is_dismissed_with_a_word_why(environment: Environment, lab: Lab) -> None:
    """What is none of ours cannot be replayed, and stands in no table."""
    with channel(lab) as at_broker:
        junk = pika.BasicProperties(message_id="junk", headers={"x": 1})
        at_broker.basic_publish("", topology.PARKING_QUEUE, b"?", junk)
    assert "it came from no queue of rows" in headgate(environment, "replay", "--all", "--yes", code=1)
    assert "nobody is there to be asked" in headgate(
        environment, "errors", "dismiss", "--all", "--note", "n", code=2
    )
    asked = ("errors", "dismiss", "--where", "message=junk", "--note", "a test of somebody", "--json")
    for doing in ("--dry-run", "--yes"):
        eventually(lambda: in_parking(environment) == 1)
        assert json.loads(headgate(environment, *asked, doing))["dismissed"] == 1
    assert lab.ready(topology.PARKING_QUEUE) == 0
    [line] = lab.sql("SELECT message_id, dataset, action, note, replayed_as FROM headgate.message_replay")
    assert line == ("junk", "system", "dismissed", "a test of somebody", "headgate_pipeline")


@pytest.mark.parametrize("way_out", ["replayed", "dismissed"])
def test_the_alert_of_parked_messages_ends_with_the_last_of_them(
    environment: Environment, lab: Lab, way_out: str
) -> None:
    def alerts() -> list[tuple[str, str]]:
        with closing(connect(environment.database.loader_url)) as conn, transaction(conn) as cursor:
            fold(cursor, load_routing(CHECKOUT / "alerts.yaml"))
        return lab.sql("SELECT kind, state FROM headgate.alerts ORDER BY alert_id")

    def out_of_parking(key: str, waiting: int) -> None:
        eventually(lambda: in_parking(environment) == waiting)
        if way_out == "replayed":
            assert replay(environment, where_of([f"object={key}"])).count("replayed") == 1
            lab.judge()  # sent again, but not applied
            assert alerts() == [("message.exhausted", "open")]
            lab.consume()
        else:
            asked = ("errors", "dismiss", "--where", f"object={key}", "--note", "n", "--yes", "--force")
            headgate(environment, *asked)
        lab.judge()

    # given an alert of two messages
    park(lab, 2)
    lab.judge()
    assert alerts() == [("message.exhausted", "open")]
    # when one of them is dealt with, then the alert stays
    out_of_parking("a.csv", 2)
    assert alerts() == [("message.exhausted", "open")]
    # when the other one is, too, then it ends, once
    out_of_parking("b.csv", 1)
    lab.judge()
    assert alerts() == [("message.exhausted", "resolved")]
    ends = lab.sql("SELECT kind, body #>> '{data,summary}' FROM headgate.event WHERE status = 'resolved'")
    told = "every message of things that failed for table_missing is applied or dismissed"
    assert ends == [("message.recovered", told)]
    # and a message that is parked after that opens it again, as nobody was told of its end
    lab.sql(TABLE_GONE)
    lab.send(lab.batch(lab.thing("c.csv", 9), many(2)))
    lab.consume()
    lab.judge()
    assert alerts() == [("message.exhausted", "open")]


def test_what_the_books_wait_for_is_dismissed_by_force_only(environment: Environment, lab: Lab) -> None:
    [batch] = park(lab)
    lab.sql(
        "INSERT INTO headgate.batch (message_id, chunk_id, ordinal, byte_offset, byte_length, rows,"
        " first_row, last_row, sha256) VALUES (%s, %s, 0, 0, 1, 2, 1, 2, 'digest')",
        str(batch.message_id),
        batch.chunk_id,
    )
    asked = ("errors", "dismiss", "--all", "--note", "n", "--yes")
    assert "the books wait for its rows" in headgate(environment, *asked)
    assert errors(lab) == [("table_missing", "parked", 0)]
    headgate(environment, *asked, "--force")
    assert errors(lab) == [("table_missing", "dismissed", 0)]
    assert lab.ready(topology.PARKING_QUEUE) == 0


def task_failed(lab: Lab) -> None:
    """A task of the dataset."""
    lab.sql(
        "INSERT INTO headgate.error (error_key, source, class, cause, reason, dataset, state, task_id,"
        " map_index, first_failed_at, last_failed_at) VALUES (gen_random_uuid(), 'task', 'fatal', 'task',"
        " 'no bucket', %s, 'recorded', 'scan', -1, now(), now())",
        DATASET,
    )


def test_errors_of_tasks_are_resolved_by_a_run_that_succeeds(lab: Lab) -> None:
    lab.thing("a.csv", 1)
    task_failed(lab)
    with closing(connect(lab.database.pipeline_url)) as conn:
        finish_run(conn, 1, "failed", "no bucket")
        assert [state for _, state, _ in errors(lab)] == ["recorded"]
        finish_run(conn, 1, "success")
    assert [state for _, state, _ in errors(lab)] == ["resolved"]


def test_errors_without_a_message_are_closed(environment: Environment, lab: Lab) -> None:
    """Of tasks, and of messages that somebody purged."""
    park(lab)
    lab.parked()
    task_failed(lab)
    assert "scan: no bucket" in headgate(environment, "errors", "list", "--where", "cause=task")
    assert "do not lie in parking any more" in headgate(environment, "replay", "--all", "--dry-run")
    done = json.loads(headgate(environment, "errors", "dismiss", "--all", "--note", "n", "--yes", "--json"))
    assert (done["dismissed"], done["errors_closed"]) == (0, 2)
    assert [state for _, state, _ in errors(lab)] == ["dismissed", "dismissed"]
    assert "note" in headgate(environment, "errors", "show", 1)
    assert "there is no error 7" in headgate(environment, "errors", "show", 7, code=1)


def test_lost_and_damaged_batches_are_sent_from_staging(environment: Environment) -> None:
    road = make_road(environment)
    lab = Lab(environment.database, environment.broker)
    queue = topology.rows_queue("egrid_plants")
    for number in (1, 2, 3):
        road.put(f"plnt{number}.csv", plants(*plants_lines(10, first=100 * number)))
    run = road.open()
    for share in road.audit(run):
        stream(road.services, share)
    # given messages that wait: those are not lost
    assert from_staging(environment).count(None) == 3
    # but then the broker loses one and damages one
    _, (properties, body), whole = taken(lab, queue)
    with channel(lab) as at_broker:
        at_broker.basic_publish(topology.ROWS_EXCHANGE, "egrid_plants", body[:-1] + b"!", properties)
        at_broker.basic_publish(topology.ROWS_EXCHANGE, "egrid_plants", whole[1], whole[0])
    lab.consume()
    lab.judge()
    assert errors(lab) == [("checksum", "parked", 0)]
    # when the damaged one and then all that have no receipt are sent from staging
    assert from_staging(environment, Where(cause=("checksum",))).count("replayed") == 1
    assert errors(lab) == [("checksum", "replayed", 0)]
    lab.consume()
    assert from_staging(environment).count("replayed") == 1
    lab.consume()
    # then the books balance, and the damaged copy is cleared away
    assert settled(road.services, run.run_id)
    books = report(road.services, run)
    assert books.balanced
    counts(books, read=30, inserted=30)
    assert replay(environment).count("applied") == 1
    assert lab.ready(topology.PARKING_QUEUE) == 0
    assert not from_staging(environment).decisions


def test_staged_bytes_that_are_gone_are_told_and_stop_nobody_else(environment: Environment) -> None:
    road = make_road(environment)
    lab = Lab(environment.database, environment.broker)
    for number in (1, 2):
        road.put(f"plnt{number}.csv", plants(*plants_lines(10, first=100 * number)))
    run = road.open()
    for share in road.audit(run):
        stream(road.services, share)
    taken(lab, topology.rows_queue("egrid_plants"))
    (staged, *_) = road.services.store.listing(road.services.staging, "egrid_plants/1/")
    road.services.store.delete(road.services.staging, staged.key)
    tally = from_staging(environment)
    assert (tally.count("replayed"), tally.count(None)) == (1, 1)
    [left] = [told.left for _, _, told in tally.decisions if told.left]
    assert "--reload" in left


class Died(BaseException):
    """The process is gone: nobody catches this."""


@contextmanager
def channel(lab: Lab) -> Iterator[BlockingChannel]:
    """A channel with confirms and the topology declared; what is in hand goes back at its end."""
    with closing(pika.BlockingConnection(pika.URLParameters(lab.broker.url))) as connection:
        made = connection.channel()
        made.confirm_delivery()
        topology.declare(made, [DATASET])
        yield made


def taken(lab: Lab, queue: str) -> list[tuple[pika.BasicProperties, bytes]]:
    """All messages of a queue, taken away."""
    with channel(lab) as found:
        got = iter(lambda: found.basic_get(queue, auto_ack=True), (None, None, None))
        return [(properties, body) for _, properties, body in got]


def damaged(batch: RowBatch) -> RowBatch:
    """Its body is not what was sent."""
    return replace(batch, body=batch.body[:-1] + b"!")


def park_without_failing(lab: Lab, number: int) -> None:
    """So many messages of one object with 5 rows each, put straight into parking."""
    thing = lab.thing("a.csv", 1)
    with channel(lab) as at_broker:
        for place in range(number):
            batch = lab.batch(thing, many(5, start=5 * place), first=5 * place + 1, batch=place)
            at_broker.basic_publish("", topology.PARKING_QUEUE, batch.body, parked(batch))


def parked(batch: RowBatch) -> pika.BasicProperties:
    """Its properties as the error consumer leaves them."""
    properties = message.encode(batch)
    queue = topology.rows_queue(batch.dataset)
    failure = failed(properties.headers, Cause.TABLE_MISSING, "gone", queue=queue, consumer="test")
    properties.headers = {**(properties.headers or {}), **failure.headers()}
    return properties


def from_staging(environment: Environment, where: Where = Where()) -> Tally:  # noqa: B008
    make = partial(message_of, Services.of(environment.settings, patience=5.0))
    with opened_desk(environment.settings) as desk:
        return replay_lost(desk, make, Order(where, "tester", source="staging"), lambda _: None)
