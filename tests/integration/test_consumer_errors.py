"""Messages that cannot be handled, and tasks that failed: what becomes of them, and what is told of it."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pika
import pytest
import zstandard

from consumers.delivery import Done
from headgate import message, topology
from headgate.failures import Cause, Class, class_of, failure_of
from headgate.message import RowBatch
from tests.integration.lab import DATASET, Lab, body_of, many
from tests.polling import eventually

SOON = 0.3  # seconds of a delay in tests
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
