"""Migrations, roles and what each role may do."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from headgate import db
from headgate.db import connect, migrate, transaction
from headgate.errors import AccessRefused, DataError, Fatal, Retriable
from headgate.paths import sql_dir

if TYPE_CHECKING:
    from tests.conftest import Database, Servers

SNAPSHOT = sql_dir() / "schema.sql"


@pytest.fixture
def empty(database: Database) -> Database:
    """The test's database without the control schema."""
    with closing(connect(database.admin_url)) as conn, transaction(conn) as cursor:
        cursor.execute("DROP SCHEMA headgate CASCADE")
    return database


@pytest.fixture
def changed_sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ that the runner reads instead."""
    for path in sql_dir().rglob("*.sql"):
        copy = tmp_path / path.relative_to(sql_dir())
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(db, "sql_dir", lambda: tmp_path)
    return tmp_path


def execute(url: str, statement: str) -> None:
    with closing(connect(url)) as conn, transaction(conn) as cursor:
        cursor.execute(statement)


def dumped(database: Database) -> str:
    """The control schema as pg_dump writes it, without what changes from call to call."""
    from headgate.stack.postgres import binary

    url = urlsplit(database.admin_url)
    plain = urlunsplit(url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}"))
    command = [str(binary("pg_dump")), "--schema-only", "--schema=headgate", plain]
    environment = {**os.environ, "PGPASSWORD": url.password or ""}
    text = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    kept = [
        line
        for line in text.splitlines()
        if line and not line.startswith(("--", "\\", "SET ", "SELECT pg_catalog"))
    ]
    return "\n".join(kept) + "\n"


def test_the_schema_is_the_one_that_was_reviewed(database: Database) -> None:
    """sql/schema.sql shows what all migrations together make; HEADGATE_WRITE_SCHEMA=1 writes it again."""
    found = dumped(database)
    if os.environ.get("HEADGATE_WRITE_SCHEMA"):
        SNAPSHOT.write_text(found, encoding="utf-8")
    assert found == SNAPSHOT.read_text(encoding="utf-8")


def test_a_second_migration_changes_nothing(empty: Database) -> None:
    first = migrate(empty.owner_url)
    assert first[0] == "migrations/0001_control_schema.sql"
    before = dumped(empty)
    assert migrate(empty.owner_url) == []
    assert dumped(empty) == before


def test_migrations_side_by_side_happen_once(empty: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: migrate(empty.owner_url), range(4)))
    assert sorted(map(bool, applied)) == [False, False, False, True]


def test_an_applied_migration_must_not_change(database: Database, changed_sql: Path) -> None:
    path = changed_sql / "migrations" / "0001_control_schema.sql"
    path.write_text(path.read_text(encoding="utf-8") + "\nSELECT 1;", encoding="utf-8")
    with pytest.raises(Fatal, match=r"0001_control_schema\.sql was changed after"):
        migrate(database.owner_url)


def test_a_changed_view_is_applied_again(database: Database, changed_sql: Path) -> None:
    path = changed_sql / "views" / "books_run.sql"
    path.write_text(
        path.read_text(encoding="utf-8").replace("Rows of each run", "All rows"), encoding="utf-8"
    )
    assert migrate(database.owner_url) == ["views/books_run.sql"]
    assert "All rows" in dumped(database)


def test_a_failing_migration_leaves_nothing(database: Database, changed_sql: Path) -> None:
    (changed_sql / "migrations" / "9999_broken.sql").write_text(
        "CREATE TABLE headgate.half (); SELECT nonsense;"
    )
    with pytest.raises(Fatal, match=r"9999_broken\.sql.*nonsense"):
        migrate(database.owner_url)
    with pytest.raises(Fatal, match=r"headgate\.half"):
        execute(database.owner_url, "SELECT FROM headgate.half")


def test_messages_that_the_first_release_has_parked_are_open_errors(
    empty: Database, changed_sql: Path
) -> None:
    files = [
        path for folder in ("migrations", "functions", "views") for path in (changed_sql / folder).iterdir()
    ]
    later = {path: path.read_text() for path in files if not path.name.startswith(("0001_", "0002_"))}
    for path in later:
        path.unlink()
    migrate(empty.owner_url)
    execute(
        empty.owner_url,
        "INSERT INTO headgate.receipt (message_id, object_id, chunk_id, rows, consumer)"
        " VALUES ('00000000-0000-0000-0000-000000000002', 1, 1, 0, 'c');"
        "INSERT INTO headgate.alert (kind, severity, dataset, chunk_id, message_id, summary) SELECT"
        " 'message.parked', 'critical', 'things', 7, ('00000000-0000-0000-0000-00000000000' || n)::uuid,"
        " 'why'"
        " FROM unnest(ARRAY[1, 1, 2]) n",
    )
    for path, text in later.items():
        path.write_text(text)
    migrate(empty.owner_url)
    with closing(connect(empty.admin_url)) as conn, transaction(conn) as cursor:
        cursor.execute("SELECT message_id, state, reason, dataset, chunk_id FROM headgate.error")
        assert cursor.fetchall() == [("00000000-0000-0000-0000-000000000001", "parked", "why", "things", 7)]
        cursor.execute("SELECT DISTINCT state FROM headgate.alerts")
        assert cursor.fetchall() == [("resolved",)]


def test_a_superuser_migrates_for_the_owner_and_sets_passwords(servers: Servers, empty: Database) -> None:
    """The passwords stay as they are in the test servers, which all tests share."""
    migrate(empty.admin_url, servers.secrets.roles)
    execute(empty.reader_url, "SELECT FROM headgate.run")
    with closing(connect(empty.admin_url)) as conn, transaction(conn) as cursor:
        cursor.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'headgate'")
        assert cursor.fetchall() == [("headgate_owner",)]
        cursor.execute(
            "SELECT rolname FROM pg_authid WHERE rolname ~ '^headgate_' AND rolpassword !~ '^SCRAM-SHA-256'"
        )
        assert cursor.fetchall() == []


def test_a_role_may_no_more_than_it_needs(database: Database) -> None:
    forbidden = [
        (database.reader_url, "DELETE FROM headgate.run"),
        (database.reader_url, "UPDATE headgate.event SET folded_at = now()"),
        (database.reader_url, "CREATE TABLE headgate.mine ()"),
        (database.pipeline_url, "UPDATE headgate.receipt SET rows = 0"),
        (database.pipeline_url, "DELETE FROM headgate.quarantine"),
        (database.pipeline_url, "UPDATE headgate.dataset SET version = 2"),
        (database.pipeline_url, "CREATE SCHEMA mine"),
        (database.loader_url, "UPDATE headgate.object SET state = 'loaded'"),
        (database.loader_url, "DELETE FROM headgate.receipt"),
        (database.loader_url, "SELECT FROM headgate.run"),
        (database.loader_url, "SELECT headgate.evolve('d', '{}', '{}')"),
        (database.loader_url, "CREATE SCHEMA mine"),
    ]
    for url, statement in forbidden:
        with pytest.raises(Fatal, match="permission denied"):
            execute(url, statement)


def test_loader_and_pipeline_may_use_temporary_tables(database: Database) -> None:
    for url in (database.loader_url, database.pipeline_url):
        execute(url, "CREATE TEMP TABLE stage (a int)")


def test_an_error_quotes_no_row_and_no_statement(database: Database) -> None:
    twice = "CREATE TEMP TABLE t (name text CONSTRAINT once UNIQUE); INSERT INTO t VALUES ('Zoe'), ('Zoe')"
    with pytest.raises(DataError) as caught:
        execute(database.loader_url, twice)
    said = str(caught.value)
    assert said == 'Postgres: duplicate key value violates unique constraint "once" (SQLSTATE 23505)'


def test_errors_are_classed_by_what_to_do(database: Database) -> None:
    with pytest.raises(DataError, match="22012"):
        execute(database.reader_url, "SELECT 1 / 0")
    with pytest.raises(Fatal, match="42601"):
        execute(database.reader_url, "SELEC")
    with pytest.raises(Retriable, match="57014"):
        execute(database.reader_url, "SET statement_timeout = 1; SELECT pg_sleep(5)")
    with pytest.raises(Retriable, match="away"):
        connect("postgresql://headgate_reader@127.0.0.1:1/headgate")


def test_a_wrong_password_may_be_in_rotation_and_is_never_told(database: Database) -> None:
    url = urlsplit(database.reader_url)
    wrong = urlunsplit(url._replace(netloc=f"{url.username}:s3cr3t@{url.hostname}:{url.port}"))
    with pytest.raises(AccessRefused, match="authentication failed") as refused:
        connect(wrong)
    assert "s3cr3t" not in str(refused.value)
    with pytest.raises(Fatal) as unreadable:
        connect("postgresql:/user:s3cr3t@host")
    assert "s3cr3t" not in str(unreadable.value)


def test_a_lost_connection_is_retriable(database: Database) -> None:
    with closing(connect(database.pipeline_url)) as conn:
        backend = conn.info.backend_pid
        execute(database.admin_url, f"SELECT pg_terminate_backend({backend})")
        with pytest.raises(Retriable), transaction(conn) as cursor:
            cursor.execute("SELECT 1")
        assert isinstance(db.classify(psycopg2.InterfaceError("connection already closed")), Retriable)
