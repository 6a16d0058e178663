"""Publishing to the real broker: confirmed or not sent."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from structlog.testing import capture_logs

from headgate import topology
from headgate.cli import queues
from headgate.errors import Fatal, Retriable
from headgate.events import Event
from headgate.message import RowBatch, decode
from headgate.publisher import Publisher
from tests.conftest import Broker, Database, Environment, Servers
from tests.faults.proxy import Proxy
from tests.integration.lab import DATASET, Lab, many
from tests.polling import eventually

QUEUE = topology.rows_queue(DATASET)


@pytest.fixture
def lab(database: Database, broker: Broker) -> Lab:
    return Lab(database, broker, contract_version=1)


@pytest.fixture
def publisher(broker: Broker) -> Iterator[Publisher]:
    with Publisher(broker.url, deadline=60) as made:
        yield made


def test_a_batch_arrives_whole(lab: Lab, publisher: Publisher) -> None:
    batch = lab.batch(lab.thing("a.csv", 1), many(100))
    publisher.publish(batch)
    with closing(pika.BlockingConnection(pika.URLParameters(lab.broker.url))) as connection:
        _, properties, body = connection.channel().basic_get(QUEUE)
    assert decode(properties, body) == batch


def test_a_cut_connection_is_opened_again_and_the_batch_sent(lab: Lab, publisher: Publisher) -> None:
    thing = lab.thing("a.csv", 1)
    publisher.publish(lab.batch(thing, many(1)))
    eventually(lambda: lab.drop_broker_connections() > 0)
    publisher.publish(lab.batch(thing, many(1, start=1), batch=1))
    assert lab.ready(QUEUE) == 2


def test_a_deleted_queue_is_declared_again(lab: Lab, publisher: Publisher) -> None:
    thing = lab.thing("a.csv", 1)
    publisher.publish(lab.batch(thing, many(1)))
    with closing(pika.BlockingConnection(pika.URLParameters(lab.broker.url))) as connection:
        connection.channel().queue_delete(QUEUE)
    publisher.publish(lab.batch(thing, many(1, start=1), batch=1))
    assert lab.ready(QUEUE) == 1


def test_a_full_queue_makes_the_publisher_wait(lab: Lab, publisher: Publisher) -> None:
    fill(lab, publisher)
    taken = lab.ready(QUEUE)
    with until_it_may_go_on(lab):
        for batch in several(lab, 8):
            publisher.publish(batch)
    assert lab.ready(QUEUE) == taken + 8


@contextmanager
def until_it_may_go_on(lab: Lab) -> Iterator[None]:
    """Whoever publishes meanwhile finds the full queue, and room only after that."""

    def make_room() -> None:
        eventually(lambda: "queue is full" in str(logs))
        limit_length(lab.broker, 1000)

    with capture_logs() as logs:
        operator = threading.Thread(target=make_room)
        operator.start()
        yield
        operator.join()


def test_under_a_memory_alarm_nothing_counts_as_sent(lab: Lab, servers: Servers) -> None:
    """Nor does what was on its way when the connection broke: it is sent once the broker takes it."""
    thing = lab.thing("a.csv", 1)
    before, held_back = (lab.batch(thing, many(1), batch=number) for number in range(2))
    with Publisher(lab.broker.url, deadline=240) as publisher, capture_logs() as logs:
        publisher.publish(before)
        sending = threading.Thread(target=publisher.publish, args=(held_back,))
        with memory_alarm(servers):
            sending.start()
            eventually(lambda: lab.drop_broker_connections() > 0)
            eventually(lambda: "alarm is on" in str(logs))
            assert sending.is_alive()
        sending.join(120)
        assert not sending.is_alive()
    assert set(ids_on_queue(lab)) == {str(before.message_id), str(held_back.message_id)}


def test_a_confirm_that_is_lost_on_its_way_has_the_batch_sent_again(lab: Lab) -> None:
    thing = lab.thing("a.csv", 1)
    batches = [lab.batch(thing, many(1), batch=number) for number in range(10)]
    with Proxy.to(lab.broker.url) as proxy, Publisher(proxy.url(lab.broker.url)) as publisher:
        for batch in batches:
            publisher.publish(batch)
            proxy.cut_after(10)  # bytes from the broker: half of the next confirm
    found = ids_on_queue(lab)
    assert set(found) == {str(batch.message_id) for batch in batches}
    assert len(found) == 2 * len(batches) - 1


def test_batches_sent_together_all_arrive(lab: Lab, publisher: Publisher) -> None:
    batches = several(lab, 20)
    publisher.publish(*batches)
    assert ids_on_queue(lab) == [str(batch.message_id) for batch in batches]


def several(lab: Lab, count: int) -> list[RowBatch]:
    thing = lab.thing("several.csv", 1)
    return [lab.batch(thing, many(1), batch=number) for number in range(count)]


@pytest.mark.parametrize("heard", [0, 10, 40, 200])
def test_a_connection_cut_with_confirms_outstanding_loses_nothing(lab: Lab, heard: int) -> None:
    """However much of the broker's answers was heard, counted in bytes."""
    batches = several(lab, 20)
    with Proxy.to(lab.broker.url) as proxy, Publisher(proxy.url(lab.broker.url)) as publisher:
        publisher.publish(lab.batch(lab.thing("first.csv", 1), many(1)))
        proxy.cut_after(heard)
        publisher.publish(*batches)
    assert {str(batch.message_id) for batch in batches} <= set(ids_on_queue(lab))


def test_what_is_returned_among_others_is_sent_again(lab: Lab, publisher: Publisher) -> None:
    """Its queue was deleted: the broker confirms a returned message too, and that counts for nothing."""
    before, *batches = several(lab, 4)
    other = replace(before, dataset="others")
    publisher.publish(before, other)
    with closing(pika.BlockingConnection(pika.URLParameters(lab.broker.url))) as connection:
        connection.channel().queue_delete(topology.rows_queue("others"))
    publisher.publish(batches[0], other, *batches[1:])
    assert {str(batch.message_id) for batch in (before, *batches)} == set(ids_on_queue(lab))
    assert lab.ready(topology.rows_queue("others")) == 1


def test_what_a_full_queue_refused_among_others_is_sent_again(lab: Lab, publisher: Publisher) -> None:
    batches = several(lab, 30)
    fill(lab, publisher)
    with until_it_may_go_on(lab):
        publisher.publish(*batches)
    assert {str(batch.message_id) for batch in batches} <= set(ids_on_queue(lab))


def fill(lab: Lab, publisher: Publisher) -> None:
    """Until the queue takes no more: the limit counts from some moment after it was set."""
    filler = lab.batch(lab.thing("filler.csv", 1), many(1))
    publisher.publish(filler)
    limit_length(lab.broker, 5)
    with Publisher(lab.broker.url, deadline=1) as hasty:
        eventually(lambda: "queue is full" in refusal(hasty, filler))


def refusal(publisher: Publisher, batch: RowBatch) -> str:
    """Why it was not sent, or nothing."""
    try:
        publisher.publish(batch)
    except Retriable as error:
        return str(error)
    return ""


def test_answers_that_do_not_come_are_not_waited_for_for_ever(lab: Lab) -> None:
    with (
        Proxy.to(lab.broker.url) as proxy,
        Publisher(proxy.url(lab.broker.url, "heartbeat=2"), deadline=1) as publisher,
    ):
        first = lab.batch(lab.thing("a.csv", 1), many(1))
        eventually(lambda: not refusal(publisher, first))
        proxy.hold_at(0)
        with pytest.raises(Retriable, match="did not say"):
            publisher.publish(*several(lab, 3))


def ids_on_queue(lab: Lab) -> list[str]:
    """Take all messages of the queue; their ids."""
    with closing(pika.BlockingConnection(pika.URLParameters(lab.broker.url))) as connection:
        return [properties.message_id for properties, _ in all_of(connection.channel(), QUEUE)]


def all_of(channel: BlockingChannel, queue: str) -> Iterator[tuple[pika.BasicProperties, bytes]]:
    """Take all messages that the broker has confirmed, until it says that there are none."""
    while (found := channel.basic_get(queue, auto_ack=True))[0] is not None:
        yield found[1], found[2]


@contextmanager
def memory_alarm(servers: Servers) -> Iterator[None]:
    """The broker believes that it has no memory left."""
    servers.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        yield
    finally:
        servers.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "384MiB")


def limit_length(broker: Broker, messages: int) -> None:
    """A policy of the operator."""
    policy = {"pattern": "^headgate", "definition": {"max-length": messages}, "apply-to": "queues"}
    with broker.api() as api:
        api.put(f"/api/policies/{broker.vhost}/limit", json=policy).raise_for_status()


def test_no_broker_is_retriable_after_the_deadline(lab: Lab) -> None:
    batch = lab.batch(lab.thing("a.csv", 1), many(1))
    nowhere = Publisher("amqp://guest:guest@127.0.0.1:1/", deadline=0.3)
    with pytest.raises(Retriable, match=r"127\.0\.0\.1:1 is away"):
        nowhere.publish(batch)


def test_an_event_reaches_a_queue_of_ones_own(broker: Broker, publisher: Publisher) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(broker.url))) as connection:
        channel = connection.channel()
        topology.declare(channel)
        channel.queue_declare("mine", exclusive=True)
        channel.queue_bind("mine", topology.EVENTS_EXCHANGE, "headgate.*.object.#")
        held = {"key": "plants/2021.csv", "reason": "no header"}
        publisher.emit(Event("object.held", "plants", "plants/2021.csv", held).cloudevent("lab"))
        publisher.emit(Event("run.finished", "plants", "7", {"state": "success"}).cloudevent("lab"))
        [(properties, body)] = all_of(channel, "mine")
    event = json.loads(body)
    assert properties.content_type == "application/cloudevents+json"
    assert event["specversion"] == "1.0"
    assert (event["type"], event["subject"]) == ("headgate.object.held", "plants/2021.csv")
    assert event["data"]["reason"] == "no header"
    assert {"id", "source", "time", "datacontenttype", "severity", "fingerprint"} <= event.keys()


def test_queues_shows_what_waits_and_that_nobody_reads(environment: Environment) -> None:
    lab = Lab(environment.database, environment.broker, contract_version=1)
    lab.send(lab.batch(lab.thing("a.csv", 1), many(1)))

    def found() -> dict[str, queues.QueueState]:
        states = queues.read(environment.broker.api_url, queues.vhost(environment.broker.url))
        return {state.queue: state for state in states}

    eventually(lambda: QUEUE in found() and found()[QUEUE].ready == 1)
    assert "headgate-consumer database" in str(found()[QUEUE].hint)
    assert {item["queue"] for item in json.loads(headgate("queues", "--json"))} == {
        QUEUE,
        topology.ERRORS_QUEUE,
        topology.PARKING_QUEUE,
    }
    assert "nobody reads it" in headgate("queues")


def headgate(*arguments: str) -> str:
    """What the command prints."""
    command = [sys.executable, "-m", "headgate.cli.app", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_queues_names_what_is_wrong_with_the_api() -> None:
    with pytest.raises(Retriable, match=r"127\.0\.0\.1:1 is away"):
        queues.read("http://guest:guest@127.0.0.1:1", "/")


def test_queues_refuses_wrong_credentials(broker: Broker) -> None:
    with pytest.raises(Fatal, match="refuses user or password"):
        queues.read(broker.api_url.replace("://", "://x"), broker.vhost)
