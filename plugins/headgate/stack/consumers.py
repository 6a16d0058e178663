"""The consumers of the embedded stack: two of the database consumer side by side, one of each other.

The one that follows the live stream of ships runs only where somebody wants it.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

from headgate.settings import read_settings
from headgate.sources.catalogue import provider
from headgate.sources.credentials import required
from headgate.stack import stubs
from headgate.stack.layout import Layout
from headgate.stack.programs import Program

PROGRAM = "headgate-consumer"
INSTANCES = {"database": 2, "error": 1, "notification": 1}
# The least a consumer needs: the queue and the loader's login. Here they are read from ``headgate.env``, so
# that a change of it is taken up at the next connection.
SETTINGS = ("HEADGATE_LOADER_URL", "HEADGATE_AMQP_URL")
STREAM = "ais-stream"
STREAM_SETTINGS = ("HEADGATE_DATABASE_URL", "HEADGATE_AMQP_URL")


def switch_stream(layout: Layout, *, on: bool) -> None:
    """Want the live stream followed from now on, or no longer. ``Fatal`` names credentials that it lacks."""
    if not on:
        layout.stream_file.unlink(missing_ok=True)
        return
    if not stubs.wanted(layout):
        required(provider("barentswatch_ais"), read_settings())
    layout.stream_file.touch()


def programs(layout: Layout) -> list[Program]:
    """All consumers; the supervisor is enough to tell that they run."""
    wanted = INSTANCES | ({STREAM: 1} if layout.stream_file.exists() else {})
    return [_program(layout, kind, instances) for kind, instances in wanted.items()]


def _program(layout: Layout, kind: str, instances: int) -> Program:
    return Program(
        name=f"consumer-{kind}",
        command=(str(Path(sysconfig.get_path("scripts")) / PROGRAM), kind),
        environment={
            "HEADGATE_HOME": str(layout.home),
            "HEADGATE_LOG_FORMAT": "json",
            "MALLOC_ARENA_MAX": "2",
        },
        directory=layout.home,
        healthy=lambda: None,
        priority=20,
        instances=instances,
        stop_wait=60,
    )
