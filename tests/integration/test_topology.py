"""Exchanges and queues on the real broker."""

from __future__ import annotations

from collections.abc import Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from headgate import amqp, topology
from headgate.errors import Fatal, Retriable
from tests.conftest import Broker


@pytest.fixture
def channel(broker: Broker) -> Iterator[BlockingChannel]:
    connection = amqp.connect(broker.url, "test")
    yield connection.channel()
    if connection.is_open:
        connection.close()


def test_declaring_twice_changes_nothing(channel: BlockingChannel, broker: Broker) -> None:
    topology.declare(channel, ["plants", "generators"])
    topology.declare(channel, ["plants"])
    with broker.api() as api:
        queues = {item["name"]: item for item in api.get(f"/api/queues/{broker.vhost}").json()}
    shared = {"headgate.errors", "headgate.parking"}
    assert set(queues) == {"headgate.rows.plants", "headgate.rows.generators"} | shared
    assert {item["type"] for item in queues.values()} == {"quorum"}
    arguments = queues["headgate.rows.plants"]["arguments"]
    assert arguments["x-dead-letter-routing-key"] == "parking.plants"
    assert arguments["x-delivery-limit"] == topology.DELIVERY_LIMIT


def test_what_the_broker_dead_letters_is_parked(channel: BlockingChannel) -> None:
    topology.declare(channel, ["plants"])
    channel.confirm_delivery()
    channel.basic_publish(topology.ROWS_EXCHANGE, "plants", b"body", mandatory=True)
    method, _, _ = next(channel.consume(topology.rows_queue("plants"), inactivity_timeout=60))
    channel.basic_reject(method.delivery_tag, requeue=False)
    channel.cancel()
    method, _, body = next(channel.consume(topology.PARKING_QUEUE, inactivity_timeout=60))
    assert (method.routing_key, body) == ("parking.plants", b"body")


def test_a_message_may_come_back_more_often_than_the_brokers_default_limit(channel: BlockingChannel) -> None:
    """RabbitMQ 4 dead-letters after 20 deliveries where nothing is said."""
    topology.declare(channel, ["plants"])
    channel.confirm_delivery()
    channel.basic_publish(topology.ROWS_EXCHANGE, "plants", b"body", mandatory=True)
    deliveries = channel.consume(topology.rows_queue("plants"), inactivity_timeout=60)
    for _ in range(30):
        method, _, body = next(deliveries)
        assert body == b"body"
        channel.basic_nack(method.delivery_tag, requeue=True)


def test_a_queue_of_the_same_name_with_other_settings_is_a_set_up_error(channel: BlockingChannel) -> None:
    channel.queue_declare("headgate.rows.plants", durable=True)
    with pytest.raises(Fatal, match="other settings"), amqp.translated("here"):
        topology.declare(channel, ["plants"])


def test_a_wrong_password_is_named_without_being_shown(broker: Broker) -> None:
    wrong = broker.url.replace(str(pika.URLParameters(broker.url).credentials.password), "wrong")
    with pytest.raises(Retriable, match="refused user or password") as caught:
        amqp.connect(wrong, "test")
    assert "wrong" not in str(caught.value)


def test_a_missing_virtual_host_is_named(broker: Broker) -> None:
    with pytest.raises(Retriable, match=r"vhost|NOT_ALLOWED"):
        amqp.connect(broker.url.rpartition("/")[0] + "/nowhere", "test")


def test_no_server_is_retriable_and_no_url_is_fatal() -> None:
    with pytest.raises(Retriable, match=r"127\.0\.0\.1:1 is away"):
        amqp.connect("amqp://guest:secret@127.0.0.1:1/", "test")
    with pytest.raises(Fatal, match="HEADGATE_AMQP_URL"):
        amqp.connect("http://nothing", "test")
