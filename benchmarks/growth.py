"""What does not load rows, and how it grows with what is behind: ledger, commands, bucket, DAG files.

A cost that grows with the history is a defect; here the curve shows it. ``pages`` are what Postgres looks at
(8 KiB each, in memory or not): they do not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks import bucket, dag_files, history
from benchmarks.bench import Bench
from benchmarks.control_plane import CASES, Case, Ledger
from benchmarks.harness import Figures
from benchmarks.rehearsal import Rehearsal, rehearsal
from headgate.db import migrate
from headgate.stack import connections, postgres

MESSAGES = (10_000, 100_000, 1_000_000)  # with as many receipts and half as many events
OBJECTS = (1_000, 10_000, 100_000)
DATASETS = (1, 50, 500)
TIMES = 3  # that a case is measured
DATABASE = "headgate_growth"
COMMANDS = {
    "headgate books DATASET": ("books", history.BUSY),
    "headgate row": ("row", history.BUSY, "10.csv", "17"),
    "headgate errors list": ("errors", "list"),
    "headgate alerts list": ("alerts", "list"),
    "headgate events list": ("events", "list"),
}


@dataclass(frozen=True)
class Cost:
    """The median of some times, and the pages of one."""

    milliseconds: float
    pages: int


def measure(bench: Bench, options: argparse.Namespace) -> list[Figures]:
    """The figures of ``python -m benchmarks --parts growth``; a tenth of everything with ``--quick``."""
    divisor = 10 if options.quick else 1
    messages, objects, datasets = (
        [size // divisor or 1 for size in sizes[: 2 if options.quick else 3]]
        for sizes in (MESSAGES, OBJECTS, DATASETS)
    )
    return [*ledger_figures(bench, messages), bucket.figures(bench, objects), dag_files.figures(datasets)]


def ledger_figures(bench: Bench, sizes: Sequence[int]) -> Iterator[Figures]:
    """What the steps, the consumers and the commands ask for, in ledgers of these sizes."""
    costs: list[dict[str, Cost]] = []
    commands: list[dict[str, float]] = []
    for size in sizes:
        with written(bench, size) as urls, rehearsal(postgres_url(bench)) as conn:
            world = Ledger(conn, size // history.MESSAGES_A_RUN)
            costs.append({name: cost(conn, world, case) for name, case in CASES.items()})
            commands.append({name: seconds(words, urls) for name, words in COMMANDS.items()})
    heads = [f"{size:,}" for size in sizes]
    yield Figures(
        "The ledger with so many messages and receipts",
        ("asked for", *(f"ms {head}" for head in heads), *(f"pages {head}" for head in heads)),
        [
            (name, *(each[name].milliseconds for each in costs), *(each[name].pages for each in costs))
            for name in CASES
        ],
        "Median of three, as the step, consumer or command asks for it; of all data structures see "
        "benchmarks/history.sql. What is open (a run, errors, alerts) is the same in each.",
    )
    yield Figures(
        "Commands with so many messages and receipts",
        ("command", *(f"s {head}" for head in heads)),
        [(name, *(each[name] for each in commands)) for name in COMMANDS],
        "A whole process, from its start to its end.",
    )


@contextmanager
def written(bench: Bench, messages: int) -> Iterator[dict[str, str]]:
    """A database of its own with such a history; its URLs by setting."""
    bench.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    bench.sql(f"CREATE DATABASE {DATABASE} OWNER headgate_owner")
    urls = connections.database_urls(bench.stack.ports, bench.stack.secrets, DATABASE)
    migrate(urls["HEADGATE_OWNER_URL"], bench.stack.secrets.roles)
    history.write(postgres_url(bench), messages)
    try:
        yield urls
    finally:
        bench.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def postgres_url(bench: Bench) -> str:
    return postgres.admin_url(bench.stack.ports, bench.stack.secrets, DATABASE)


def cost(conn: Rehearsal, world: Ledger, case: Case) -> Cost:
    """Of one case, after a first time that warms up."""
    times = [timed(world, case) for _ in range(TIMES + 1)][1:]
    return Cost(round(statistics.median(times), 1), conn.pages_of(lambda: case(world)))


def timed(world: Ledger, case: Case) -> float:
    begin = time.perf_counter()
    case(world)
    return (time.perf_counter() - begin) * 1000


def seconds(words: Sequence[str], urls: dict[str, str]) -> float:
    """Of one command, from the shell."""
    command = [sys.executable, "-m", "headgate.cli.app", *words]
    settings: dict[str, Any] = os.environ | urls
    begin = time.perf_counter()
    subprocess.run(command, env=settings, stdout=subprocess.DEVNULL, check=True)
    return round(time.perf_counter() - begin, 2)
