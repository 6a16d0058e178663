"""Messages that arrive damaged or cannot be applied yet, and the consumer that judges them."""

from __future__ import annotations

import dataclasses
import time
from random import Random

from headgate.message import RowBatch
from tests.faults.drill import Round, drill
from tests.faults.field import Field

PRIVILEGE = "INSERT ON lab.things"


@drill("flipped-bit", times=5, short=1)
def flipped_bit(field: Field, rng: Random) -> Round:
    """One to three messages come a second time with one bit of their body flipped: the damaged copy ends in
    parking with its cause, in whatever order they come, and the rows come from the true one."""
    field.database_crew()
    field.crew.keep(1, "error")
    load = field.load(rng)
    damaged = [damage(rng, batch) for batch in rng.sample(load.batches, rng.randint(1, 3))]
    return field.settle(load, field.send(mixed(rng, load.batches, damaged)), damaged=damaged)


@drill("error-consumer-killed", times=5, short=1)
def error_consumer_killed(field: Field, rng: Random) -> Round:
    """The loader may not write to the table for a while, so every message fails and comes again later, and
    some are damaged besides. The error consumer is killed (SIGKILL) among them and replaced."""
    field.database_crew()
    [error_consumer, *_] = field.crew.keep(1, "error")
    load = field.load(rng)
    damaged = [damage(rng, batch) for batch in rng.sample(load.batches, rng.randint(1, 3))]
    field.sql(f"REVOKE {PRIVILEGE} FROM headgate_loader")
    sender = field.send(mixed(rng, load.batches, damaged))
    time.sleep(rng.uniform(0.05, 2))
    error_consumer.kill()
    field.crew.start("error")
    time.sleep(rng.uniform(0, 1))
    field.sql(f"GRANT {PRIVILEGE} TO headgate_loader")
    return field.settle(load, sender, damaged=damaged)


def damage(rng: Random, batch: RowBatch) -> RowBatch:
    """The message with one bit of its body flipped; what it says of itself stays."""
    body = bytearray(batch.body)
    body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return dataclasses.replace(batch, body=bytes(body))


def mixed(rng: Random, batches: tuple[RowBatch, ...], damaged: list[RowBatch]) -> list[RowBatch]:
    """All of them in any order."""
    together = [*batches, *damaged]
    rng.shuffle(together)
    return together
