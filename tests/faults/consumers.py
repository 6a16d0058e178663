"""Database consumers die, stop, stand still, and get everything twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from random import Random

from tests.conftest import admin
from tests.faults.crew import Member
from tests.faults.drill import Round, drill
from tests.faults.field import Field
from tests.faults.load import Load, Shape
from tests.faults.patience import until

WIDE = Shape(objects=1, batches=3, rows=8_000, note="x" * 400)  # a COPY of some tens of milliseconds
CONSUMERS_IN_COPY = (
    "SELECT split_part(application_name, ' ', 2) FROM pg_stat_progress_copy JOIN pg_stat_activity USING (pid)"
    " WHERE pg_stat_activity.datname = current_database() AND bytes_processed >= %s"
)
CONSUMERS_HELD_UP = (
    "SELECT split_part(application_name, ' ', 2) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event = %s AND application_name LIKE 'headgate-consumer %%'"
)


@drill("consumer-killed", times=7)
def killed(field: Field, rng: Random) -> Round:
    """A consumer is killed (SIGKILL) at a random moment of the load; another takes its place."""
    crew = field.database_crew()
    load = field.load(rng)
    sender = field.send(load.batches)
    field.reaches(load, rng.random() * 0.8)
    time.sleep(rng.random() * 0.05)
    rng.choice(crew).kill()
    field.crew.start()
    return field.settle(load, sender)


@drill("consumer-killed-before-commit", times=8, short=2)
def killed_before_commit(field: Field, rng: Random) -> Round:
    """A consumer is killed when rows and receipt are written and COMMIT is not said yet: nothing of its
    transaction stays, its messages go to another."""
    committed, round_ = kill_held_up(field, rng, before_commit(field), "advisory")
    return round_.unless("its transaction had been committed", committed == 0)


@drill("consumer-killed-before-ack", times=8, short=2)
def killed_before_ack(field: Field, rng: Random) -> Round:
    """A consumer is killed after it has said COMMIT, which succeeds, and before it acknowledges: the messages
    come again and change nothing."""
    committed, round_ = kill_held_up(field, rng, in_commit(field), "SyncRep")
    return round_.unless("its transaction had not been committed", committed > 0)


def kill_held_up(
    field: Field, rng: Random, place: AbstractContextManager[None], waits_for: str
) -> tuple[int, Round]:
    """Kill the first consumer that comes to this place of its transaction after a random share of the load.

    With the messages that were committed by it afterwards.
    """
    field.database_crew()
    load = field.load(rng)
    sender = field.send_part(load, rng)
    with place:
        sender.go()
        member = held_up(field, waits_for)
        before = field.receipts_of(member)
        member.kill()
    field.crew.start()
    round_ = field.settle(load, sender)
    return field.receipts_of(member) - before, round_


@contextmanager
def before_commit(field: Field) -> Iterator[None]:
    """Rows and receipt are written, COMMIT is not said: field.sql has the place."""
    with field.admin() as cursor:
        cursor.execute("SELECT pg_advisory_lock(4711, 1)")
        yield


@contextmanager
def in_commit(field: Field) -> Iterator[None]:
    """COMMIT is on the server's disk and not answered: the server waits for a standby that there is not."""
    try:
        field.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        field.sql("SELECT pg_reload_conf()")
        until(lambda: standbys(field) == "nobody", "new sessions know it")
        field.sql("CHECKPOINT")  # whoever makes it tells the sessions that there are, before
        yield
    finally:
        field.sql("ALTER SYSTEM RESET synchronous_standby_names")
        field.sql("SELECT pg_reload_conf()")


def standbys(field: Field) -> str:
    """What a new session is told of the standbys to wait for."""
    [(names,)] = admin(field.servers, "SHOW synchronous_standby_names")
    return str(names)


def held_up(field: Field, waits_for: str) -> Member:
    """A consumer that waits at the closed place."""
    found: list[str] = []

    def look() -> bool:
        found[:] = [name for (name,) in field.sql(CONSUMERS_HELD_UP, waits_for)]
        return bool(found)

    until(look, "a consumer comes to the place")
    return field.crew.named(found[0])


@drill("consumer-killed-in-copy", times=4, short=1)
def killed_in_copy(field: Field, rng: Random) -> Round:
    """A consumer is killed while COPY reads its rows, at a random byte of its first half."""
    field.database_crew()
    begun = rng.randrange(2_000_000)
    struck: list[tuple[Member, int]] = []

    def fault(_: Load) -> bool:
        """It stands still first: nothing more is sent for a COPY that lasts then."""
        for (name,) in field.sql(CONSUMERS_IN_COPY, begun):
            member = field.crew.named(name)
            with member.frozen():
                if (name,) in field.sql(CONSUMERS_IN_COPY, begun):
                    struck.append((member, field.receipts_of(member)))
                    member.kill()
                    field.crew.start()
                    return True
        return False

    round_ = field.hit(rng, fault, WIDE)
    kept = all(field.receipts_of(member) == before for member, before in struck)
    return round_.unless("its transaction had been committed", kept)


@drill("consumer-stopped", times=5, short=1)
def stopped(field: Field, rng: Random) -> Round:
    """A consumer is told to stop (SIGTERM) at a random moment of the load: it ends with code 0, and what it
    had not begun goes back to the queue."""
    crew = field.database_crew()
    load = field.load(rng)
    sender = field.send(load.batches)
    field.reaches(load, rng.random() * 0.8)
    member = rng.choice(crew)
    code = member.terminate()
    field.crew.start()
    return field.settle(load, sender).unless(f"{member.name} ended with code {code}", code == 0)


@drill("consumer-frozen", times=3)
def frozen(field: Field, rng: Random) -> Round:
    """A consumer stands still for 1 to 3 seconds (SIGSTOP) with messages and a transaction in hand, then goes
    on."""
    crew = field.database_crew()
    load = field.load(rng)
    sender = field.send(load.batches)
    field.reaches(load, rng.random() * 0.6)
    with rng.choice(crew).frozen():
        time.sleep(rng.uniform(1, 3))
    return field.settle(load, sender)


@drill("everything-twice-out-of-order", times=4, short=1)
def twice(field: Field, rng: Random) -> Round:
    """Four consumers get every message twice, in any order."""
    field.database_crew(4)
    load = field.load(rng)
    doubled = [*load.batches, *load.batches]
    rng.shuffle(doubled)
    return field.settle(load, field.send(doubled))
