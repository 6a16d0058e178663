"""What is wrong with a stack, and the command that mends it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate.contract import load_contracts
from headgate.errors import HeadgateError
from headgate.paths import datasets_dir
from headgate.settings import settings
from headgate.sources import catalogue
from headgate.sources.credentials import access, missing, or_connection
from headgate.stack import leftovers, postgres, rabbitmq
from headgate.stack import ports as port_choice
from headgate.stack.layout import Layout
from headgate.stack.runner import Stack

LEAST_FREE_BYTES = 2 * 1024**3
LEAST_MEMORY_BYTES = 3 * 1024**3


@dataclass(frozen=True)
class Check:
    """One thing looked at. ``problem`` and ``mend`` are empty when it is well, or tell what it lacks."""

    name: str
    ok: bool
    problem: str = ""
    mend: str = ""


def examine(stack: Stack) -> list[Check]:
    """Every check, in the order in which a person would mend them."""
    layout = stack.layout
    checks = [
        well("python", python_is_supported, "install Python 3.11, 3.12 or 3.13, then `make install`"),
        well("postgresql", lambda: has_postgres(layout), "make install"),
        well("rabbitmq", has_rabbitmq, "make install (as root), or apt-get install rabbitmq-server"),
        well("home", lambda: home_is_ours(layout), f"chown -R {os.getuid()} {layout.home}"),
        well("disk", lambda: disk_has_room(layout), "free some space, or set HEADGATE_HOME to another disk"),
        well("memory", memory_has_room, "close other programs; the whole stack takes about 1.5 GB"),
        well("leftovers", lambda: no_leftovers(stack), "headgate up (ends them), or headgate down"),
        well("ports", lambda: ports_are_free(stack), "headgate up (chooses others)"),
    ]
    return [*checks, *programs(stack), *sources()]


def well(name: str, look: Callable[[], str | None], mend: str) -> Check:
    """Run one look; it returns what is wrong, or nothing."""
    try:
        problem = look()
    except (HeadgateError, OSError) as error:
        problem = str(error)
    return Check(name, problem is None, problem or "", mend if problem else "")


def python_is_supported() -> str | None:
    found = sys.version_info[:2]
    return None if (3, 11) <= found < (3, 14) else f"Python {found[0]}.{found[1]} is not supported"


def has_postgres(layout: Layout) -> str | None:
    postgres.binary("postgres")
    postgres.as_server_user(existing(layout.home))
    return None


def has_rabbitmq() -> str | None:
    rabbitmq.require_server_script()
    return None if rabbitmq.epmd_binary() else "Erlang's epmd is missing"


def existing(place: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return place if place.exists() else existing(place.parent)


def home_is_ours(layout: Layout) -> str | None:
    """The home can be written, or made."""
    place = existing(layout.home)
    return None if os.access(place, os.W_OK) else f"{place} cannot be written by this user"


def disk_has_room(layout: Layout) -> str | None:
    place = existing(layout.home)
    free = shutil.disk_usage(place).free
    return None if free >= LEAST_FREE_BYTES else f"only {free / 1024**3:.1f} GiB are free at {place}"


def memory_has_room() -> str | None:
    import psutil

    total = psutil.virtual_memory().total
    return None if total >= LEAST_MEMORY_BYTES else f"this machine has only {total / 1024**3:.1f} GiB"


def no_leftovers(stack: Stack) -> str | None:
    if stack.client.pid():
        return None
    found = leftovers.find(stack.layout)
    return f"{len(found)} processes run without their supervisor: {[p.pid for p in found]}" if found else None


def ports_are_free(stack: Stack) -> str | None:
    """Only while nothing of ours runs: are the kept ports still free?"""
    kept = port_choice.load(stack.layout)
    if not kept or stack.client.pid():
        return None
    taken = [f"{name} {port}" for name, port in vars(kept).items() if not port_choice.is_free(port)]
    return f"taken by other programs: {', '.join(taken)}" if taken else None


def programs(stack: Stack) -> Iterator[Check]:
    """One check for each program of a stack that was ever started."""
    lines = stack.status()
    if not lines:
        yield Check("stack", False, "it was never started here", "headgate up")
    for line in lines:
        if line.state == "running":
            yield Check(line.program, True)
            continue
        log = stack.layout.logs / f"{line.program}.log"
        mend = "headgate up" if line.state == "stopped" else f"read {log}, then headgate down && headgate up"
        yield Check(line.program, False, f"{line.state}: {line.detail}".rstrip(": "), mend)


def sources() -> Iterator[Check]:
    """One for each provider that a contract names. Airflow may have its credentials, unseen from here."""
    contracts = load_contracts(datasets_dir()).values()
    for name in sorted({contract.source.provider for contract in contracts if contract.source}):
        try:
            provider = catalogue.provider(name)
            lacking = missing(provider, access(provider, settings()))
        except HeadgateError as error:
            yield Check(f"source {name}", False, str(error), "correct the variable, or unset it")
            continue
        problem = f"its datasets cannot be fetched without {' and '.join(lacking)}" if lacking else ""
        mend = f"set them, {or_connection(provider)}" if lacking else ""
        yield Check(f"source {name}", True, problem, mend)
