"""The loopback ports of a stack: chosen free once, kept, and chosen again when somebody else took them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

from headgate.errors import Fatal
from headgate.stack.layout import Layout, write_private

HOST = "127.0.0.1"
# Below the ephemeral range of Linux (32768), so that no outgoing connection takes one between two starts.
FIRST, COUNT = 20_000, 12_000


@dataclass(frozen=True)
class Ports:
    """TCP ports on the loopback address."""

    postgres: int
    epmd: int
    rabbitmq: int
    rabbitmq_dist: int
    rabbitmq_api: int
    s3: int
    airflow: int
    stubs: int = 0  # chosen by the next start where an earlier release kept the others


def load(layout: Layout) -> Ports | None:
    """The ports kept from an earlier start."""
    try:
        return Ports(**json.loads(layout.ports_file.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def choose(layout: Layout, say: Callable[[str], None]) -> Ports:
    """The kept ports where still free, new ones where not; call it only while nothing of ours runs."""
    kept = load(layout)
    chosen: dict[str, int] = {}
    for field in fields(Ports):
        before = getattr(kept, field.name) if kept else None
        if before and is_free(before) and before not in chosen.values():
            chosen[field.name] = before
            continue
        chosen[field.name] = next_free(
            layout, set(chosen.values()) | (set(asdict(kept).values()) if kept else set())
        )
        if before:
            say(f"port {before} of {field.name} is taken by another program; using {chosen[field.name]}")
    ports = Ports(**chosen)
    write_private(layout.ports_file, json.dumps(asdict(ports), indent=2) + "\n")
    return ports


def next_free(layout: Layout, taken: set[int]) -> int:
    """The first free port after a place that differs from home to home."""
    start = int(layout.mark, 16)
    for step in range(COUNT):
        port = FIRST + (start + step) % COUNT
        if port not in taken and is_free(port):
            return port
    raise Fatal(f"no free port on {HOST} between {FIRST} and {FIRST + COUNT}")


def is_free(port: int) -> bool:
    """Whether a server could listen there now; one that listens on all addresses is in the way, too."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
