"""The consumers of the embedded stack: two of the database consumer side by side, one of each other."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from headgate.stack.layout import Layout
from headgate.stack.programs import Program

PROGRAM = "headgate-consumer"
INSTANCES = {"database": 2, "error": 1, "notification": 1}
# The least a consumer needs: the queue and the loader's login. Here they are read from ``headgate.env``, so
# that a change of it is taken up at the next connection.
SETTINGS = ("HEADGATE_LOADER_URL", "HEADGATE_AMQP_URL")


def programs(layout: Layout) -> list[Program]:
    """All consumers; the supervisor is enough to tell that they run."""
    return [_program(layout, kind, instances) for kind, instances in INSTANCES.items()]


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
