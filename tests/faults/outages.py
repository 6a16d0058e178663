"""A server that is killed, stands still, or is away for a minute while rows flow."""

from __future__ import annotations

import time
from dataclasses import replace
from random import Random

from tests.faults.drill import Round
from tests.faults.field import Field
from tests.faults.load import Load, Shape
from tests.faults.patience import TooLongError, until

MINUTE = 60.0
BACK_WITHIN = 10.0  # seconds after the server's return
SENDING_PAUSE = 0.02  # between two messages, so that the fault falls into the sending, too
STEADY_PAUSE = 0.1  # between two messages of a steady flow
WINDOW = 2.0  # seconds over which a pace is taken


def server_killed(field: Field, rng: Random, name: str) -> Round:
    """SIGKILL at a random moment of the load; its supervisor starts it again."""
    field.database_crew()
    load = field.load(rng)
    sender = field.send(load.batches, pause=SENDING_PAUSE)
    field.reaches(load, rng.random() * 0.7)
    server = field.server(name)
    server.kill()
    server.wait()
    return field.settle(load, sender)


def server_frozen(field: Field, rng: Random, name: str) -> Round:
    """SIGSTOP for 3 to 6 seconds at a random moment of the load."""
    field.database_crew()
    load = field.load(rng)
    sender = field.send(load.batches, pause=SENDING_PAUSE)
    field.reaches(load, rng.random() * 0.6)
    with field.server(name).frozen():
        time.sleep(rng.uniform(3, 6))
    return field.settle(load, sender)


def minute_without(field: Field, rng: Random, name: str, *, batches: int) -> Round:
    """A minute without a server, under a steady flow; ``recover`` is the time until the flow has its pace.

    ``batches``: for the time before and after, and for the minute where batches can be sent in it.
    """
    field.database_crew()
    server, load = field.server(name), field.load(rng, Shape(objects=1, batches=batches, rows=20))
    sender = field.send(load.batches, pause=STEADY_PAUSE)
    time.sleep(2 * WINDOW + rng.random() * 2)
    pace = pace_of(field, load)
    server.stop()
    time.sleep(MINUTE)
    server.start()
    back = time.monotonic()
    recover = time_to_pace(field, load, pace, back)
    sender.hurry()
    round_ = replace(field.settle(load, sender), recover=recover)
    late = f"the flow had its pace again after {recover:.1f} s, {BACK_WITHIN:.0f} s are allowed"
    return round_.unless(late, recover <= BACK_WITHIN)


def pace_of(field: Field, load: Load) -> int:
    """Messages applied in the window that begins now."""
    before = field.receipts(load)
    time.sleep(WINDOW)
    return field.receipts(load) - before


def time_to_pace(field: Field, load: Load, pace: int, since: float) -> float:
    """Seconds from ``since`` to the end of a window in which so many messages were applied, or the last."""
    seen: list[tuple[float, int]] = []

    def is_back() -> bool:
        now, count = time.monotonic(), field.receipts(load)
        seen.append((now, count))
        while len(seen) > 1 and now - seen[1][0] >= WINDOW:
            seen.pop(0)
        return count - seen[0][1] >= 0.8 * pace or count == len(load.batches)

    try:
        until(is_back, "the flow is back", 60)
    except TooLongError:
        return 60.0
    return seen[-1][0] - since
