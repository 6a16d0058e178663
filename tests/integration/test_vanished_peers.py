"""A peer whose packets vanish, as when its machine loses power: both sides notice, and let go."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from headgate import amqp, db
from headgate.errors import Retriable
from headgate.store import ObjectStore
from tests.conftest import Broker, Buckets, Database
from tests.faults.proxy import Proxy
from tests.polling import eventually

# Seconds where the defaults are a minute, as an operator would shorten them.
QUICK = "tcp_user_timeout=1500&keepalives_idle=1&keepalives_interval=1"
QUICK_SERVER = (
    "&options=-c%20tcp_keepalives_idle%3D1%20-c%20tcp_keepalives_interval%3D1%20-c%20tcp_user_timeout%3D1500"
)


@pytest.fixture
def to_postgres(database: Database) -> Iterator[Proxy]:
    with Proxy.to(database.loader_url) as proxy:
        yield proxy


def test_the_server_lets_go_of_the_locks_of_a_client_that_vanished(
    database: Database, to_postgres: Proxy
) -> None:
    url = to_postgres.url(database.loader_url, QUICK + QUICK_SERVER)
    with closing(db.connect(url)) as vanishing, closing(db.connect(database.loader_url)) as other:
        vanishing.cursor().execute("SELECT pg_advisory_xact_lock(1)")

        to_postgres.forget()

        def is_free() -> bool:
            with db.transaction(other) as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(1)")
                return bool(db.one(cursor)[0])

        eventually(is_free)


@pytest.mark.parametrize(
    ("query", "idle", "unanswered"),
    [("", "30", "60000"), (f"?{QUICK}{QUICK_SERVER}", "1", "1500")],
    ids=["nothing", "less"],
)
def test_without_a_word_in_the_url_a_minute_is_enough_for_both_sides(
    database: Database, query: str, idle: str, unanswered: str
) -> None:
    with closing(db.connect(database.loader_url + query)) as conn, db.transaction(conn) as cursor:
        cursor.execute("SELECT current_setting('tcp_keepalives_idle'), current_setting('tcp_user_timeout')")
        assert db.one(cursor) == (idle, unanswered)
        assert conn.info.dsn_parameters["tcp_user_timeout"] == unanswered


def test_a_client_notices_that_its_server_vanished(database: Database, to_postgres: Proxy) -> None:
    with closing(db.connect(to_postgres.url(database.loader_url, QUICK))) as conn:
        to_postgres.forget()
        with pytest.raises(Retriable), db.transaction(conn) as cursor:
            cursor.execute("SELECT 1")


def test_a_client_notices_that_its_broker_vanished(broker: Broker) -> None:
    with Proxy.to(broker.url) as proxy:
        connection = amqp.connect(
            proxy.url(broker.url, "heartbeat=2&tcp_options={'TCP_USER_TIMEOUT':1500}"), "vanishing"
        )
        proxy.forget()
        with pytest.raises(Retriable), amqp.translated("broker"):
            connection.process_data_events(time_limit=55)  # less than by the defaults


def test_a_task_notices_that_its_store_vanished_in_mid_read(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.store.VANISHED_SECONDS", 2.0)
    body = bytes(range(256)) * 4096
    with Proxy.to(buckets.endpoint) as proxy:
        store = ObjectStore(
            proxy.url(buckets.endpoint), buckets.access_key, buckets.secret_key, buckets.region, patience=60
        )
        store.put_bytes(buckets.landing, "a", body)
        stored = store.stat(buckets.landing, "a")
        with store.open(buckets.landing, "a", etag=stored.etag, size=stored.size) as reader:
            first = reader.read(1000)
            proxy.forget()
            assert first + reader.read() == body


def test_a_broker_whose_port_is_open_and_that_answers_nothing_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(amqp, "HANDSHAKE_SECONDS", 1)
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as silent,
        pytest.raises(Retriable, match="is away: AMQPConnectorStackTimeout"),
    ):
        amqp.connect(f"amqp://127.0.0.1:{silent.getsockname()[1]}/?socket_timeout=5", "test")
