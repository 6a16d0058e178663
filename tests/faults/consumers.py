"""Consumers die, stop, stand still, and get everything twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.crew import Member
from tests.faults.drill import Round, drill
from tests.faults.field import Field
from tests.faults.patience import until

BEFORE_COMMIT, IN_COMMIT = 1, 2  # the places of field.sql


@contextmanager
def held_up(field: Field, place: int) -> Iterator[Member]:
    """The first consumer whose transaction comes to this place; it waits there until the end of the block."""
    with field.admin() as cursor:
        cursor.execute("SELECT pg_advisory_lock(4711, %s)", (place,))
        caught: list[str] = []

        def is_caught() -> bool:
            caught[:] = [name for (name,) in field.sql(WAITING, "%pg_advisory%")]
            return bool(caught)

        until(is_caught, "a consumer comes to the place")
        yield field.crew.named(caught[0])


WAITING = (
    "SELECT split_part(application_name, ' ', 2) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name LIKE 'headgate-consumer %%' AND wait_event = 'advisory' AND query NOT LIKE %s"
)


@drill("consumer-killed", times=10, short=2)
def killed(field: Field, rng: Random) -> Round:
    """A database consumer is killed (SIGKILL) at a random moment of a load; another takes its place."""
    crew = field.database_crew()
    load = field.load(rng)
    sender = field.send(load)
    field.reaches(load, rng.random() * 0.8)
    time.sleep(rng.random() * 0.05)
    rng.choice(crew).kill()
    field.crew.start()
    return field.settle(load, sender)
