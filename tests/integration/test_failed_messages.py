"""Messages that cannot be handled, and tasks that failed: what becomes of them, and what is told of it."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import struct
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pika
import pika.data
import pytest
import zstandard

from consumers.delivery import Delivery, Done, Forward
from consumers.errors.handler import ErrorHandler
from headgate import message, topology
from headgate.failures import DELAYS, TASK_ERROR, Cause, Class, Delay, TaskError, class_of, failed, failure_of
from headgate.message import RowBatch
from headgate.publisher import Publisher
from tests.integration.lab import DATASET, Lab, body_of, many
from tests.polling import eventually

Letter = tuple[pika.BasicProperties, bytes]


def send_raw(
    lab: Lab, letters: Sequence[Letter], *, exchange: str = topology.ROWS_EXCHANGE, key: str = DATASET
) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(lab.broker.url))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        topology.declare(channel, [DATASET])
        for properties, body in letters:
            channel.basic_publish(exchange, key, body, properties, mandatory=True)


def errors(lab: Lab, *columns: str) -> list[tuple[Any, ...]]:
    return lab.sql(f"SELECT {', '.join(columns)} FROM headgate.error ORDER BY error_id")


def waiting(lab: Lab, queue: str) -> int:
    with closing(pika.BlockingConnection(pika.URLParameters(lab.broker.url))) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)


def with_body(batch: RowBatch, body: bytes) -> Letter:
    changed = dataclasses.replace(batch, body=body, sha256=hashlib.sha256(body).hexdigest())
    return message.encode(changed), body


def poison(lab: Lab) -> dict[str, tuple[Letter, Cause]]:
    """Messages that are not what they say, by the reason, and the cause that it belongs to."""
    thing = lab.thing("a.csv", 1)
    numbers = itertools.count()

    def good() -> RowBatch:
        return lab.batch(thing, many(3), batch=next(numbers))

    def changed(**fields: object) -> Letter:
        batch: RowBatch = dataclasses.replace(good(), **fields)
        return message.encode(batch), batch.body

    def csv(body: bytes, rows: int) -> Letter:
        batch = lab.raw_batch(thing, body, rows, batch=next(numbers))
        return message.encode(batch), batch.body

    def labelled(batch: RowBatch, **names: str) -> Letter:
        properties = message.encode(batch)
        vars(properties).update(names)
        return properties, batch.body

    bomb = zstandard.ZstdCompressor().compress(b"0" * (80 << 20))
    flipped = good()
    return {
        "type is 'something.else'": (labelled(good(), type="something.else"), Cause.WRONG_TYPE),
        "content type is 'text/html'": (labelled(good(), content_type="text/html"), Cause.WRONG_TYPE),
        "type is None": ((pika.BasicProperties(), b"{}"), Cause.WRONG_TYPE),
        "sha256 of the body": ((message.encode(flipped), flipped.body + b"0"), Cause.CHECKSUM),
        "not readable as zstd": (with_body(good(), b"junk"), Cause.UNDECODABLE),
        "bytes when decompressed": (with_body(good(), bomb), Cause.TOO_LARGE),
        "says 4 rows and its body has 3": (changed(rows=4), Cause.ROW_COUNT),
        "no version 99 of dataset 'things'": (changed(contract_version=99), Cause.UNKNOWN_CONTRACT),
        "no dataset 'nowhere'": (changed(dataset="nowhere"), Cause.UNKNOWN_DATASET),
        "unknown colour": (changed(columns=("_row_number", "id", "colour", "note")), Cause.WRONG_COLUMNS),
        "missing of the key id": (changed(columns=("_row_number", "amount", "note")), Cause.WRONG_COLUMNS),
        "the ledger has no object 999999": (changed(object_id=999_999), Cause.UNKNOWN_OBJECT),
        "does not begin with its row number": (csv(b'one,"p",1,"x"\n', 1), Cause.UNDECODABLE),
        "header rows is": (changed(rows="three"), Cause.UNDECODABLE),
        "a row number stands in the body twice": (
            csv(body_of([("p", 1, None)]) + b'1,"q",1,\n', 2),
            Cause.ROW_COUNT,
        ),
        "cannot contain NUL": (changed(lineage="a\0b"), Cause.UNEXPECTED),
    }


def test_every_kind_of_poison_is_parked_with_its_cause_and_the_rest_goes_on(lab: Lab) -> None:
    kinds = poison(lab)
    lab.send(lab.batch(lab.thing("c.csv", 3), [("first", 1, "n")]))
    send_raw(lab, [letter for letter, _ in kinds.values()])
    lab.send(lab.batch(lab.thing("b.csv", 2), [("last", 1, "n")]))
    assert lab.consume() == 0
    assert sorted(lab.rows()) == ["first", "last"]
    assert lab.parked() == []
    assert lab.judge() == 0
    parked = lab.parked()
    told = {
        failure.reason: failure.cause
        for properties, _ in parked
        if (failure := failure_of(properties.headers))
    }
    assert len(parked) == len(kinds)
    for reason, (_, cause) in kinds.items():
        assert [found for text, found in told.items() if reason in text] == [cause], reason
    assert {body for _, body in parked} == {body for (_, body), _ in kinds.values()}
    assert lab.ready(topology.rows_queue(DATASET)) == 0
    causes = [(str(cause), str(class_of(cause)), "parked", "things") for _, cause in kinds.values()]
    assert sorted(errors(lab, "cause", "class", "state", "dataset")) == sorted(causes)
    assert lab.sql("SELECT count(*) FROM headgate.error WHERE trace LIKE 'Traceback%%'") == [(len(kinds),)]
    heard = lab.sql(
        "SELECT kind, count(*) FROM headgate.event WHERE dataset = 'things' GROUP BY 1 ORDER BY 1"
    )
    lasting = sum(class_of(cause) is not Class.RETRIABLE for _, cause in kinds.values())
    assert heard == [("message.exhausted", len(kinds) - lasting), ("message.parked", lasting)]
    assert lab.sql("SELECT count(*) FROM headgate.receipt") == [(2,)]


BREAK_AND_MEND = {
    Cause.TABLE_MISSING: (
        "ALTER TABLE lab.things RENAME TO elsewhere",
        "ALTER TABLE lab.elsewhere RENAME TO things",
    ),
    Cause.COLUMN_MISSING: (
        "ALTER TABLE lab.things RENAME note TO remark",
        "ALTER TABLE lab.things RENAME remark TO note",
    ),
    Cause.PERMISSION: (
        "REVOKE INSERT ON lab.things FROM headgate_loader",
        "GRANT INSERT ON lab.things TO headgate_loader",
    ),
    Cause.REFUSED_STATEMENT: (
        "CREATE FUNCTION lab.broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN nothing(); END';"
        "CREATE TRIGGER broken BEFORE INSERT ON lab.things FOR EACH ROW EXECUTE FUNCTION lab.broken()",
        "DROP TRIGGER broken ON lab.things",
    ),
}


@pytest.mark.parametrize("cause", BREAK_AND_MEND, ids=str)
def test_what_a_person_mends_in_the_database_is_tried_again_by_itself(lab: Lab, cause: Cause) -> None:
    broken, mended = BREAK_AND_MEND[cause]
    handler = lab.handler()  # has met the table before, and keeps its session
    thing = lab.thing("a.csv", 1)
    assert lab.handle(handler, lab.batch(thing, [("before", 1, "n")])) == [Done()]
    lab.sql(broken)
    lab.send(lab.batch(thing, [("x", 1, "n")], first=2, batch=1))

    assert lab.run(handler, "lab", idle=0.4) == 0
    assert lab.judge(delays=[60]) == 0
    [(found, state, attempts, due)] = errors(lab, "cause", "state", "attempts", "next_at - last_failed_at")
    assert (found, state, attempts, due.total_seconds()) == (str(cause), "retrying", 1, 60)
    assert waiting(lab, "headgate.retry.1m") == 1

    lab.sql(mended)
    lab.hasten("headgate.retry.1m")
    assert lab.consume() == 0
    assert sorted(lab.rows()) == ["before", "x"]
    lab.judge()
    assert errors(lab, "state", "next_at") == [("resolved", None)]
    assert lab.parked() == []


def test_a_message_is_retried_with_each_delay_and_then_parked(lab: Lab) -> None:
    batch = dataclasses.replace(lab.batch(lab.thing("a.csv", 1), many(3)), contract_version=99)
    lab.send(batch)
    failures = []
    for _ in range(3):
        eventually(lambda: lab.ready(topology.rows_queue(DATASET)) == 1)
        lab.consume(idle=0.2)
        lab.judge(delays=[0.2, 0.3], idle=0.2)
        failures += errors(lab, "attempts", "state", "first_failed_at")
    [(properties, body)] = lab.parked()

    assert [(attempts, state) for attempts, state, _ in failures] == [
        (1, "retrying"),
        (2, "retrying"),
        (3, "parked"),
    ]
    assert len({first for _, _, first in failures}) == 1
    ours = {name: value for name, value in properties.headers.items() if name.startswith("x-headgate-")}
    theirs = properties.headers.keys() - ours.keys() - {"x-delivery-count"}  # parking itself counts, too
    assert body == batch.body
    assert {name: properties.headers[name] for name in theirs} == message.encode(batch).headers
    [(error_id,)] = errors(lab, "error_id")
    assert (ours["x-headgate-attempts"], ours["x-headgate-error-id"], ours["x-headgate-class"]) == (
        3,
        error_id,
        "retriable",
    )
    heard = lab.sql("SELECT kind, severity, body #>> '{data,error_id}' FROM headgate.event ORDER BY number")
    retried = ("message.retried", "info", str(error_id))
    assert heard == [retried, retried, ("message.exhausted", "critical", str(error_id))]
    assert lab.sql("SELECT count(*) FROM headgate.event WHERE published_at IS NULL") == [(0,)]


def test_a_crash_between_the_row_and_the_delay_repeats_without_a_second_row_or_event(lab: Lab) -> None:
    """The same delivery again, as after a kill before its ack."""
    failure = failed({}, Cause.TABLE_MISSING, "it is gone", queue=topology.rows_queue(DATASET), consumer="c")
    properties = with_headers(message.encode(lab.batch(lab.thing("a.csv", 1), many(1))), failure.headers())
    delivery = Delivery(topology.ERRORS_QUEUE, 1, 1, properties, b"body")
    outcomes = []
    for _ in range(2):
        with closing(error_handler(lab)) as handler:
            outcomes += handler.handle([delivery, delivery])
    [(error_id,)] = errors(lab, "error_id")
    assert outcomes == [Forward(failure_of(properties.headers).known_as(error_id), Delay(5))] * 4
    assert lab.sql("SELECT kind FROM headgate.event") == [("message.retried",)]


def test_an_error_consumer_that_is_killed_again_and_again_loses_nothing(lab: Lab) -> None:
    thing = lab.thing("a.csv", 1)
    batches = [dataclasses.replace(lab.batch(thing, many(1), batch=number), rows=2) for number in range(60)]
    lab.send(*batches)
    lab.consume(idle=0.2, messages=20)
    for share in (1, 15, 30):
        process = lab.start_consumer("--name", "doomed", kind="error", HEADGATE_PREFETCH="2")
        eventually(lambda share=share: len(errors(lab, "error_id")) >= share)
        process.kill()
        process.communicate()
    sent, parked = {str(batch.message_id) for batch in batches}, set[str]()

    def are_all_parked() -> bool:
        """What the killed ones had in hand comes back in the broker's own time."""
        assert lab.judge() == 0
        parked.update(str(properties.message_id) for properties, _ in lab.parked())
        return parked == sent

    eventually(are_all_parked)
    assert sorted(errors(lab, "message_id", "state")) == sorted((key, "parked") for key in sent)
    events = lab.sql("SELECT kind, count(*), count(published_at) FROM headgate.event GROUP BY kind")
    assert events == [("message.parked", 60, 60)]


def test_a_copy_of_the_message_with_another_body_is_another_error(lab: Lab) -> None:
    batch = lab.batch(lab.thing("a.csv", 1), many(1))
    send_raw(lab, [(message.encode(batch), b"one"), (message.encode(batch), b"two")])
    lab.consume(idle=0.2)
    lab.judge()
    assert errors(lab, "cause", "message_id") == [("checksum", str(batch.message_id))] * 2


def said(reason: str, *, cause: str = "checksum", **others: Any) -> dict[str, Any]:
    """Properties that tell of a failure, as far as one may call it that."""
    ours = {"cause": cause, "reason": reason} | {
        name: value for name, value in others.items() if name in OURS
    }
    theirs = {name: value for name, value in others.items() if name not in OURS}
    return {"headers": {f"x-headgate-{name}": value for name, value in ours.items()} | theirs}


OURS = ("attempts", "queue", "trace")
JUNK: dict[str, tuple[dict[str, Any], bytes]] = {
    "of type None": ({}, b"anything"),
    "not a task's error": ({"type": TASK_ERROR}, b'{"dataset": 1}'),
    "of type 'headgate.rows.v1'": ({"type": message.TYPE, "message_id": "a\0b"}, b"\0"),
    "of type 'a": ({"type": "a\0b", "content_type": "\0"}, b"NUL in its type"),
    "of type b'": ({"type": b"\xff\xfe", "headers": {b"\xff": b"\xfe"}}, b"not UTF-8"),
    "cannot be stored": (said("absurd", attempts=2**40), b"absurd numbers"),
    "␀": (said("a\0b"), b"NUL"),
    "two words": (said("two words", cause="permission", queue="headgate.rows.two.words"), b"no such queue"),
    "too long": (said("too long", cause="permission", queue="headgate.rows." + "q" * 300), b"no such name"),
    "wishes": (
        said("wishes", CC=["parking.cc"], **{"x-death": "yesterday"}) | {"expiration": "60000"},
        b"wishes",
    ),
    "roomy": (said("roomy", trace="t" * 8000, room="r" * 119_000), b"hardly any room"),
}


def test_junk_among_the_failures_is_parked_each_once_and_stops_nobody(lab: Lab) -> None:
    letters = [(pika.BasicProperties(**properties), body) for properties, body in JUNK.values()]
    send_raw(lab, letters, exchange=topology.ERRORS_EXCHANGE, key="error.things")
    assert len(lab.parked()) == 1  # the copy that one of them has asked for itself
    assert lab.judge() == 0
    parked = {body: properties for properties, body in lab.parked()}
    assert sorted(parked) == sorted(body for _, body in JUNK.values())
    reasons = [reason for (reason,) in errors(lab, "reason")]
    for reason in JUNK:
        assert sum(reason in found for found in reasons) == 1, (reason, reasons)
    assert {state for (state,) in errors(lab, "state")} == {"parked"}
    wishes = parked[b"wishes"]
    assert wishes.expiration is None
    assert not {"CC", "x-death"} & wishes.headers.keys()
    assert len(parked[b"hardly any room"].headers["room"]) == 119_000


def test_messages_without_a_queue_to_go_back_to_hold_back_no_others(lab: Lab) -> None:
    """RabbitMQ has 32 messages of a delay on their way at once, and keeps those that find no queue."""
    nowhere = pika.BasicProperties(**said("gone", cause="permission", queue="headgate.rows.nowhere"))
    here = pika.BasicProperties(**said("good", cause="permission", queue="headgate.rows.things"))
    for letters in ([(nowhere, b"%d" % number) for number in range(40)], [(here, b"good")]):
        send_raw(lab, letters, exchange=topology.ERRORS_EXCHANGE, key="error.things")
        assert lab.judge(delays=[0.1], idle=0.2) == 0
    eventually(lambda: lab.ready(topology.rows_queue(DATASET)) == 1)
    eventually(lambda: waiting(lab, "headgate.rows.nowhere") == 40)


def test_a_message_without_room_for_a_failure_is_parked_without_its_headers(lab: Lab) -> None:
    properties = pika.BasicProperties(headers={"room": "r" * 126_000})
    send_raw(lab, [(properties, b"no room")])
    lab.consume(idle=0.2)
    lab.judge()
    [(parked, body)] = lab.parked()
    assert body == b"no room"
    assert "type is None" in parked.headers["x-headgate-reason"]


def test_a_time_that_is_no_date_stops_nobody(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds where seconds belong: pika cannot read it, RabbitMQ passes it on."""

    class Raw(bytes):
        """A header's value as it travels, its type first."""

    def encode(pieces: list[bytes], value: Any) -> int:
        if not isinstance(value, Raw):
            return encode_value(pieces, value)
        pieces.append(value)
        return len(value)

    encode_value = pika.data.encode_value
    time = Raw(b"T" + struct.pack(">Q", 1_700_000_000_000))
    with monkeypatch.context() as patch:
        patch.setattr(pika.data, "encode_value", encode)
        headers = {"at": time, "nested": [time, 1], "last": Raw(b"T" + b"\xff" * 8)}
        send_raw(lab, [(pika.BasicProperties(headers=headers), b"from afar")])
    assert lab.consume(idle=0.2) == 0
    assert lab.judge() == 0
    [(parked, body)] = lab.parked()
    assert (body, parked.headers["at"]) == (b"from afar", 1_700_000_000_000)
    assert (parked.headers["nested"], parked.headers["last"]) == ([1_700_000_000_000, 1], -1)


def test_a_user_of_the_broker_in_the_message_is_not_in_the_way(lab: Lab) -> None:
    """RabbitMQ closes the channel of who publishes under another user's name."""
    user = f"{lab.broker.vhost}_user"
    with (
        lab.broker.user(user, "first") as url,
        closing(pika.BlockingConnection(pika.URLParameters(url))) as connection,
    ):
        channel = connection.channel()
        channel.confirm_delivery()
        topology.declare(channel, [DATASET])
        properties = pika.BasicProperties(user_id=user)
        channel.basic_publish(topology.ROWS_EXCHANGE, DATASET, b"mine", properties, mandatory=True)
    lab.consume(idle=0.2)
    lab.judge()
    [(parked, body)] = lab.parked()
    assert (body, parked.user_id) == (b"mine", None)


def test_failed_tasks_are_recorded_once_for_each_try(lab: Lab) -> None:
    first = TaskError(
        dataset=DATASET,
        dag_id="things",
        dag_run_id="manual__1",
        task_id="validate",
        map_index=1,
        try_number=1,
        will_retry=True,
        error_class="retriable",
        exception="Retriable",
        reason="the store is away \ud800",
        trace="Traceback …",
        failed_at=datetime(2026, 11, 20, tzinfo=UTC),
        run_id=7,
    )
    second = first.model_copy(update={"try_number": 2, "will_retry": False, "error_class": "fatal"})
    properties = pika.BasicProperties(type=TASK_ERROR, content_type="application/json")
    letters = [(properties, error.model_dump_json().encode()) for error in (first, first, second)]
    send_raw(lab, letters, exchange=topology.ERRORS_EXCHANGE, key="error.things")
    assert lab.judge() == 0
    assert lab.parked() == []
    names = (
        "source",
        "class",
        "cause",
        "reason",
        "trace",
        "state",
        "task_id",
        "map_index",
        "try_number",
        "run_id",
    )
    told = ("task", "the store is away \\ud800", "Traceback …", "recorded", "validate", 1, 7)
    assert errors(lab, *names) == [
        (told[0], grade, "task", *told[1:6], number, told[6])
        for grade, number in (("retriable", 1), ("fatal", 2))
    ]
    events = lab.sql("SELECT kind, dataset, body #>> '{data,will_retry}' FROM headgate.event ORDER BY number")
    assert events == [("task.failed", DATASET, "true"), ("task.failed", DATASET, "false")]


def error_handler(lab: Lab) -> ErrorHandler:
    relay = Publisher(lab.broker.url, deadline=10)
    return ErrorHandler(lab.database.loader_url, "judge", relay, delays=DELAYS)


def with_headers(properties: pika.BasicProperties, headers: dict[str, Any]) -> pika.BasicProperties:
    properties.headers = dict(properties.headers or {}) | headers
    return properties
