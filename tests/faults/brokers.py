"""RabbitMQ is killed, stopped, full, cut off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.drill import Round, drill
from tests.faults.field import Field
from tests.faults.outages import SENDING_PAUSE, minute_without, server_frozen, server_killed
from tests.faults.patience import until

LIMIT = 3  # messages
# RabbitMQ 3.10 that is killed in the first second of a quorum queue may not give it a leader again. On a busy
# machine that second is long.
QUEUE_AGE = 10.0


@drill("broker-killed", times=4)
def killed(field: Field, rng: Random) -> Round:
    """RabbitMQ is killed (SIGKILL) while batches are sent and applied; its supervisor starts it again."""
    field.database_crew()
    field.warm_up(rng, QUEUE_AGE)
    return server_killed(field, rng, "rabbitmq")


@drill("broker-away-a-minute", times=1)
def away(field: Field, rng: Random) -> Round:
    """RabbitMQ is stopped for a minute under a steady flow. Recover: until the flow has its pace again."""
    return minute_without(field, rng, "rabbitmq", batches=250)


@drill("broker-frozen", times=2)
def frozen(field: Field, rng: Random) -> Round:
    """All of RabbitMQ stands still for 3 to 6 seconds (SIGSTOP), its connections stay open."""
    return server_frozen(field, rng, "rabbitmq")


@drill("broker-connections-cut", times=7, short=1)
def cut(field: Field, rng: Random) -> Round:
    """RabbitMQ closes every connection: of senders that wait for a confirm, of consumers with messages in
    hand."""
    field.database_crew()
    load = field.load(rng)
    sender = field.send(load.batches, pause=SENDING_PAUSE)
    field.reaches(load, rng.random() * 0.6)
    with field.met("waiting for the broker"):
        until(lambda: field.lab.drop_broker_connections() > 1, "not only the sender's connection is cut")
    return field.settle(load, sender)


@drill("broker-memory-alarm", times=2)
def memory_alarm(field: Field, rng: Random) -> Round:
    """RabbitMQ's memory alarm goes off and blocks those that publish, for 2 seconds: nothing counts as sent
    meanwhile."""
    return alarm(field, rng, ("set_vm_memory_high_watermark", "absolute", "1MB"), MEMORY_AS_CONFIGURED)


@drill("broker-disk-alarm", times=2)
def disk_alarm(field: Field, rng: Random) -> Round:
    """RabbitMQ's disk alarm goes off and blocks those that publish, for 2 seconds."""
    return alarm(field, rng, ("set_disk_free_limit", "900000GB"), ("set_disk_free_limit", "512MB"))


MEMORY_AS_CONFIGURED = ("set_vm_memory_high_watermark", "absolute", "384MiB")


def alarm(field: Field, rng: Random, on: tuple[str, ...], off: tuple[str, ...]) -> Round:
    field.database_crew()
    load = field.load(rng)
    sender = field.send_part(load, rng)
    until(lambda: sender.confirmed == sender.hold_at, "the first part sent")
    field.servers.rabbitmqctl(*on)
    try:
        sender.go()
        time.sleep(2)
        counted = sender.confirmed
    finally:
        field.servers.rabbitmqctl(*off)
    round_ = field.settle(load, sender)
    return round_.unless("messages counted as sent under the alarm", counted == sender.hold_at)


@drill("broker-queue-limit", times=4, short=1)
def queue_limit(field: Field, rng: Random) -> Round:
    """The queue may hold 3 messages and its consumers stand still: the broker refuses what is more (nack),
    and the sender sends it again until it is taken."""
    crew = field.database_crew()
    load = field.load(rng)
    with limited(field):
        with crew[0].frozen(), crew[1].frozen():
            sender = field.send(load.batches)
            time.sleep(rng.uniform(1, 3))
            counted = sender.confirmed
        until(lambda: sender.confirmed == len(load.batches), "everything sent below the limit")
    round_ = field.settle(load, sender)
    return round_.unless("the queue took more than its limit", counted < len(load.batches))


@contextmanager
def limited(field: Field) -> Iterator[None]:
    """A policy of the operator holds the queues down."""
    path = f"/api/policies/{field.broker.vhost}/limit"
    policy = {"pattern": r"^headgate\.rows\.", "definition": {"max-length": LIMIT}, "apply-to": "queues"}
    with field.api() as api:
        api.put(path, json=policy).raise_for_status()
        yield
        api.delete(path).raise_for_status()
