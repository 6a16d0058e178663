"""Every program of the stack."""

from __future__ import annotations

from headgate.stack import airflow_services, consumers, objectstore, postgres, rabbitmq, stubs
from headgate.stack.layout import Layout
from headgate.stack.ports import Ports
from headgate.stack.programs import Program
from headgate.stack.secrets import Secrets

# What Headgate, Airflow and the consumers work on.
SERVERS = frozenset({"postgres", "epmd", "rabbitmq", "s3", "stubs"})


def catalogue(layout: Layout, ports: Ports, secrets: Secrets) -> list[Program]:
    """Every program, in the order of their start."""
    plain = {"HEADGATE_HOME": str(layout.home)}
    return [
        postgres.program(layout, ports, secrets, plain),
        rabbitmq.epmd_program(layout, ports, plain),
        rabbitmq.program(layout, ports, secrets, plain),
        objectstore.program(layout, ports, secrets, plain),
        *([stubs.program(layout, ports)] if stubs.wanted(layout) else []),
        *airflow_services.programs(layout, ports, secrets),
        *consumers.programs(layout),
    ]
