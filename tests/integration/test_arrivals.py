"""Arrivals seen in a real bucket, and announcements heard from a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pika
import pytest

from headgate import topology
from headgate.announcements import Listener
from headgate.steps.arrivals import Lookout
from headgate.steps.services import Ledger
from headgate.store import ObjectStore
from tests.conftest import Broker, Environment, Servers
from tests.integration.road import Road, make_road, many, plants
from tests.notifications import notification
from tests.polling import eventually


@pytest.fixture
def road(environment: Environment) -> Road:
    return make_road(environment)


@pytest.fixture
def lookout(road: Road) -> Iterator[Lookout]:
    made = Lookout(
        ObjectStore.from_settings(road.services.settings),
        lambda: Ledger(road.environment.database.pipeline_url),
        road.contract.dataset,
        road.contract.bucket,
        road.contract.prefix,
    )
    yield made
    made.leave()


def keys(lookout: Lookout) -> list[str]:
    return sorted(item.key.rpartition("/")[2] for item in lookout.unknown)


def test_what_the_next_run_would_take_is_unknown_until_it_has(road: Road, lookout: Lookout) -> None:
    lookout.look()
    assert keys(lookout) == []

    road.put("a.csv", plants(*many(3)))
    lookout.look()
    assert keys(lookout) == ["a.csv"]

    road.open()
    lookout.look()
    assert keys(lookout) == []

    road.put("a.csv", plants(*many(4)))
    lookout.look()
    assert keys(lookout) == ["a.csv"]


def test_a_fresh_lookout_knows_what_was_taken_before_it_looked(road: Road, lookout: Lookout) -> None:
    road.put("a.csv", plants(*many(3)))
    road.open()
    road.put("b.csv", plants(*many(3)))
    lookout.look()
    assert keys(lookout) == ["b.csv"]


@pytest.fixture
def tiny_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a prefix of three objects were a great one, and its sweeps dear."""
    monkeypatch.setattr("headgate.store.PAGE", 2)
    monkeypatch.setattr("headgate.steps.arrivals.PAGE", 2)
    monkeypatch.setattr("headgate.steps.arrivals.SWEEPS.pause", lambda *_: 3600.0)


@pytest.mark.usefixtures("tiny_pages")
def test_in_a_great_prefix_names_behind_the_last_are_seen_at_once_and_others_by_a_sweep(
    road: Road, lookout: Lookout
) -> None:
    for name in ("b", "c", "d"):
        road.put(f"{name}.csv", plants(*many(3)))
    road.open()
    lookout.look()

    road.put("a.csv", plants(*many(3)))
    road.put("e.csv", plants(*many(3)))
    lookout.look()
    assert keys(lookout) == ["e.csv"]

    lookout.sweep_next()
    lookout.look()
    assert keys(lookout) == ["a.csv", "e.csv"]
    road.open()
    lookout.look()
    assert keys(lookout) == []


@pytest.mark.usefixtures("tiny_pages")
def test_in_a_great_prefix_what_was_announced_is_seen_at_once(road: Road, lookout: Lookout) -> None:
    for name in ("b", "c", "d"):
        road.put(f"{name}.csv", plants(*many(3)))
    road.open()
    lookout.look()
    road.put("a.csv", plants(*many(3)))

    lookout.look({f"{road.contract.prefix}a.csv", "elsewhere/x.csv", f"{road.contract.prefix}none.csv"})
    assert keys(lookout) == ["a.csv"]

    road.put("a.csv", plants(*many(4)))  # again, before a run has taken it
    road.open()
    lookout.look()
    assert keys(lookout) == []


@pytest.mark.usefixtures("tiny_pages")
def test_of_a_flood_of_announcements_none_is_forgotten_for_those_that_a_run_has_taken(
    road: Road, lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.steps.arrivals.KEYS_AT_ONCE", 1)
    for name in ("b", "c", "d"):
        road.put(f"{name}.csv", plants(*many(3)))
    road.open()
    lookout.look()
    road.put("bb.csv", plants(*many(3)))

    lookout.look({f"{road.contract.prefix}{name}.csv" for name in ("b", "bb")})
    lookout.look()
    assert keys(lookout) == ["bb.csv"]


@contextmanager
def listening(
    broker: Broker, heard: list[tuple[str, str]], connected: list[int], url: str = ""
) -> Iterator[None]:
    listener = Listener(url or broker.url, lambda *found: heard.append(found), lambda: connected.append(1))
    listener.start()
    try:
        eventually(lambda: connected)
        yield
    finally:
        listener.stop()
        listener.join(60)
        assert not listener.is_alive()


def announce(broker: Broker, *bodies: bytes) -> None:
    """As MinIO does: it declares the exchange, publishes persistently or not, and gets its confirm."""
    with closing(pika.BlockingConnection(pika.URLParameters(broker.url))) as connection:
        channel = connection.channel()
        channel.exchange_declare(topology.ARRIVALS_EXCHANGE, "fanout", durable=True)
        channel.confirm_delivery()
        for body in bodies:
            properties = pika.BasicProperties(content_type="application/json", headers={"minio-bucket": "b"})
            channel.basic_publish(topology.ARRIVALS_EXCHANGE, "", body, properties)


def test_announcements_are_heard_and_nobody_need_listen(broker: Broker) -> None:
    heard: list[tuple[str, str]] = []
    announce(broker, notification("landing", "too early"))
    with listening(broker, heard, []):
        announce(
            broker,
            b"not JSON",
            notification("landing", "d/old", name="s3:ObjectRemoved:Delete"),
            notification("landing", "d/a b+ü.csv"),
            notification("other", "x"),
        )
        eventually(lambda: len(heard) == 2)
    assert heard == [("landing", "d/a b+ü.csv"), ("other", "x")]
    announce(broker, notification("landing", "too late"))


def test_two_listeners_hear_the_same(broker: Broker) -> None:
    first: list[tuple[str, str]] = []
    second: list[tuple[str, str]] = []
    with listening(broker, first, []), listening(broker, second, []):
        announce(broker, notification("landing", "d/a"))
        eventually(lambda: first and second)
    assert first == second == [("landing", "d/a")]


def test_a_user_of_headgates_names_only_may_listen(broker: Broker) -> None:
    heard: list[tuple[str, str]] = []
    confined = ("^headgate", "^headgate", "^headgate")
    with broker.user("confined", "secret", confined) as url, listening(broker, heard, [], url):
        announce(broker, notification("landing", "d/a"))
        eventually(lambda: heard)


def test_after_a_lost_connection_it_listens_again_and_says_that_it_may_have_missed_some(
    broker: Broker, servers: Servers
) -> None:
    heard: list[tuple[str, str]] = []
    connected: list[int] = []
    with listening(broker, heard, connected):
        servers.rabbitmqctl("close_all_connections", "--vhost", broker.vhost, "test")
        eventually(lambda: len(connected) >= 2)
        announce(broker, notification("landing", "d/a"))
        eventually(lambda: heard)
    assert heard == [("landing", "d/a")]
