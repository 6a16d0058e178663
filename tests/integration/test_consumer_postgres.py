"""A consumer's connection to Postgres: given up after an error, interrupted, and what it says at the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

from consumers.postgres import Postgres
from headgate import db
from headgate.errors import Fatal, Retriable
from tests.conftest import Database
from tests.polling import eventually


@pytest.fixture
def postgres(database: Database) -> Postgres:
    return Postgres(database.loader_url, "database", "one")


def test_a_connection_is_kept_until_an_error_and_made_anew_after_it(postgres: Postgres) -> None:
    with postgres.session() as first:
        pass
    with postgres.session() as same:
        assert same is first
    with pytest.raises(Fatal), postgres.session() as broken, db.transaction(broken) as cursor:
        cursor.execute("SELECT nothing")
    assert first.closed
    with postgres.session() as second, db.transaction(second) as cursor:
        cursor.execute("SELECT 1")
    postgres.close()


def test_what_is_under_way_is_cancelled(postgres: Postgres) -> None:
    def sleep() -> None:
        with postgres.session() as conn, db.transaction(conn) as cursor:
            cursor.execute("SELECT pg_sleep(600)")

    with ThreadPoolExecutor(1) as pool:
        sleeping = pool.submit(sleep)
        eventually(lambda: postgres.interrupt() or sleeping.done())
        with pytest.raises(Retriable, match="canceling statement"):
            sleeping.result()


def test_there_may_be_nothing_to_cancel(postgres: Postgres) -> None:
    postgres.interrupt()
    with postgres.session() as conn:
        conn.close()  # the server is away
    postgres.interrupt()


def test_why_it_stops_is_recorded_whatever_is_under_way(postgres: Postgres, database: Database) -> None:
    with postgres.session() as conn:
        conn.cursor().execute("SELECT pg_advisory_xact_lock(1)")  # never committed
        postgres.stopped(Fatal("the role may not write"))
        assert conn.info.transaction_status == TRANSACTION_STATUS_INTRANS
    postgres.close()
    with closing(psycopg2.connect(database.admin_url)) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT kind, subject, body #>> '{data,reason}' FROM headgate.event")
        assert cursor.fetchall() == [("consumer.stopped", "one", "the role may not write")]
