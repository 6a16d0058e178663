"""Postgres is killed, stopped, full, slow, or refuses what is asked of it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import psycopg2

from headgate.stack.postgres import give_to_server_user
from tests.conftest import Servers, admin
from tests.faults.drill import CannotRunError, Round, drill
from tests.faults.field import Field, open_field
from tests.faults.load import Load, Shape
from tests.faults.outages import minute_without, server_frozen, server_killed
from tests.faults.patience import until

OF_CONSUMERS = "datname = current_database() AND application_name LIKE 'headgate-consumer %%'"
END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE " + OF_CONSUMERS
HIT_SESSIONS = END_SESSIONS + " AND state <> 'idle'"
CANCEL_STATEMENTS = (
    f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {OF_CONSUMERS} AND state = 'active'"
)
WAITERS = f"SELECT pid FROM pg_stat_activity WHERE {OF_CONSUMERS} AND wait_event_type = 'Lock'"


@drill("postgres-killed", times=4, short=1)
def killed(field: Field, rng: Random) -> Round:
    """Postgres is killed (SIGKILL of its first process) under load; its supervisor starts it again."""
    return server_killed(field, rng, "postgres")


@drill("postgres-away-a-minute", times=1)
def away(field: Field, rng: Random) -> Round:
    """Postgres is stopped for a minute under a steady flow. Recover: until the flow has its pace again."""
    return minute_without(field, rng, "postgres", batches=850)


@drill("postgres-frozen", times=2)
def frozen(field: Field, rng: Random) -> Round:
    """All of Postgres stands still for 3 to 6 seconds (SIGSTOP), its connections stay open."""
    return server_frozen(field, rng, "postgres")


@drill("postgres-slow", times=3)
def slow(field: Field, rng: Random) -> Round:
    """Postgres gets a tenth of its time: its processes stand still for 9 tenths of each half second, for 5
    seconds."""
    field.database_crew()
    load = field.load(rng, Shape(batches=30))
    sender = field.send(load.batches)
    server, until_then = field.server("postgres"), time.monotonic() + 5
    while time.monotonic() < until_then:
        with server.frozen():
            time.sleep(0.45)
        time.sleep(0.05)
    return field.settle(load, sender)


@drill("postgres-sessions-ended", times=8, short=1)
def sessions_ended(field: Field, rng: Random) -> Round:
    """An administrator ends the consumers' sessions in the middle of their transactions."""
    return strike(field, rng, HIT_SESSIONS)


@drill("postgres-statements-cancelled", times=5)
def statements_cancelled(field: Field, rng: Random) -> Round:
    """An administrator cancels the statements that the consumers run."""
    return strike(field, rng, CANCEL_STATEMENTS)


def strike(field: Field, rng: Random, statement: str) -> Round:
    """Run the statement when a consumer is at work, until it has hit one, after a random share of a load."""
    field.database_crew()
    shape = Shape()
    wanted = rng.random() * 0.5 * shape.objects * shape.batches

    def fault(load: Load) -> bool:
        return field.receipts(load) >= wanted and any(hit for (hit,) in field.sql(statement))

    return field.hit(rng, fault, shape, pause=0.05)  # all at once may be applied between two looks


@drill("postgres-is-a-standby", times=3, short=1)
def standby(field: Field, rng: Random) -> Round:
    """Postgres comes back as a standby that may only be read, as in a failover, and is promoted 2 seconds
    later."""
    field.database_crew()
    load = field.load(rng)
    sender = field.send_part(load, rng)
    server, data = field.server("postgres"), field.servers.stack.layout.postgres / "data"
    server.stop()
    (data / "standby.signal").touch()
    give_to_server_user(data / "standby.signal")
    server.start()
    try:
        with field.met("read-only transaction"):
            sender.go()
            time.sleep(2)
    finally:
        field.sql("SELECT pg_promote(wait_seconds => 300)")
    return field.settle(load, sender)


@drill("postgres-connections-exhausted", times=2)
def connections_exhausted(field: Field, rng: Random) -> Round:
    """Others take every connection of the server, the consumers lose theirs and get none for 2 seconds."""
    field.database_crew()
    load = field.load(rng)
    sender = field.send_part(load, rng)
    with crowd(field.database.reader_url) as take_all, field.met("connection slots"):
        sender.go()
        end = time.monotonic() + 2
        while time.monotonic() < end:
            field.sql(END_SESSIONS)  # again: a consumer may have come first
            take_all()
    return field.settle(load, sender)


@contextmanager
def crowd(url: str) -> Iterator[Callable[[], None]]:
    """A function that takes every connection that is free; they are given back with the block's end."""
    with ExitStack() as taken:

        def take_all() -> None:
            with suppress(psycopg2.OperationalError):
                while True:
                    taken.callback(psycopg2.connect(url).close)

        take_all()
        yield take_all


@drill("postgres-deadlock", times=4)
def deadlock(field: Field, rng: Random) -> Round:
    """Another session locks two rows against the order of keys; Postgres ends the consumer's transaction."""
    hot, low, high = hot_load(field, rng)
    with field.met("deadlock detected"), rival(field, high) as cursor:
        sender = field.send(hot.batches)
        until(lambda: field.sql(WAITERS), "a consumer waits for the row")
        cursor.execute(LOCK_ROW, (low,))
    return field.settle(hot, sender)


@drill("postgres-lock-timeout", times=1)
def lock_timeout(field: Field, rng: Random) -> Round:
    """Another session keeps a row locked for longer than a consumer waits for a lock (30 seconds)."""
    hot, _, high = hot_load(field, rng)
    with rival(field, high), field.met("lock timeout"):
        sender = field.send(hot.batches)
    return field.settle(hot, sender)


LOCK_ROW = "SELECT FROM lab.things WHERE id = %s FOR UPDATE"
KNOWN_KEYS = "SELECT id FROM drill.expected JOIN lab.things USING (id) WHERE version = %s ORDER BY id"


def hot_load(field: Field, rng: Random) -> tuple[Load, str, str]:
    """A load of one message, and the first and the last of the rows in the table that it updates."""
    field.sql(f"ALTER DATABASE {field.database.name} SET deadlock_timeout = '5s'")  # see rival
    field.database_crew()
    field.warm_up(rng)
    hot = field.load(rng, Shape(objects=1, batches=1, rows=1_000, clean=True))
    keys = [key for (key,) in field.sql(KNOWN_KEYS, hot.things[0].version)]
    return hot, keys[0], keys[-1]


@contextmanager
def rival(field: Field, key: str) -> Iterator[Any]:
    """A transaction of somebody else that has locked this row until the end of the block."""
    with field.admin() as cursor:
        # A session looks for a deadlock once, so long after it began to wait: the consumer is to wait in one
        # by then, and to find it first.
        cursor.execute("SET deadlock_timeout = '30s'")
        cursor.execute(LOCK_ROW, (key,))
        yield cursor


@contextmanager
def open_field_on_small_disk(servers: Servers, name: str) -> Iterator[Field]:
    """A field whose table lies on a disk of 24 MB."""
    with small_disk(servers.home, "24m") as folder:
        space = f"small_{folder.name[-8:].lower()}"
        admin(servers, f"CREATE TABLESPACE {space} LOCATION '{folder}'")
        try:
            with open_field(servers, name) as field:
                field.sql(f"ALTER TABLE lab.things SET TABLESPACE {space}")
                field.disk = folder
                yield field
        finally:
            admin(servers, f"DROP TABLESPACE {space}")


@contextmanager
def small_disk(home: Path, size: str) -> Iterator[Path]:
    """A file system of this size in memory, which Postgres may write to."""
    if os.geteuid() != 0:
        raise CannotRunError("only root may mount a file system of limited size")
    folder = Path(tempfile.mkdtemp(prefix="small-disk-", dir=home))
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True
    )
    if mount.returncode:
        folder.rmdir()
        raise CannotRunError(f"a file system of limited size cannot be mounted: {mount.stderr.strip()}")
    try:
        give_to_server_user(folder)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


@drill("postgres-disk-full", times=3, ground=open_field_on_small_disk)
def disk_full(field: Field, rng: Random) -> Round:
    """The disk of the table is filled up by somebody else in the middle of a load, for 2 seconds."""
    field.database_crew()
    load = field.load(rng, Shape(note="x" * 200))
    sender = field.send_part(load, rng)
    filler = field.disk / "filler"
    fill(filler)
    with field.met("No space left on device"):
        sender.go()
        time.sleep(2)
    filler.unlink()
    return field.settle(load, sender)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(bytes(8192)):
            pass
