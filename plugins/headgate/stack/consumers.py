"""The consumers of the embedded stack: two of the database consumer, side by side."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from headgate.stack import connections
from headgate.stack.layout import Layout
from headgate.stack.ports import Ports
from headgate.stack.programs import Program
from headgate.stack.secrets import Secrets

DATABASE = ("headgate-consumer", "database")
INSTANCES = 2
# The least a consumer needs: the queue and the loader's login.
SETTINGS = ("HEADGATE_LOADER_URL", "HEADGATE_AMQP_URL")


def programs(layout: Layout, ports: Ports, secrets: Secrets) -> list[Program]:
    """The database consumers; the supervisor is enough to tell that they run."""
    known = connections.settings(ports, secrets)
    program, *arguments = DATABASE
    return [
        Program(
            name="consumer-database",
            command=(str(Path(sysconfig.get_path("scripts")) / program), *arguments),
            environment={
                "HEADGATE_HOME": str(layout.home),
                "HEADGATE_LOG_FORMAT": "json",
                "MALLOC_ARENA_MAX": "2",
                **{name: known[name] for name in SETTINGS},
            },
            directory=layout.home,
            healthy=lambda: None,
            priority=20,
            instances=INSTANCES,
            stop_wait=60,
        )
    ]
