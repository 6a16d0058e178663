"""A process that asks a provider by several threads: ``… -m tests.integration.asker URL HOME THREADS CALLS``.

Prints a line for each call: ``ok``, or the kind of its error.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from headgate.errors import HeadgateError
from headgate.logs import configure
from headgate.sources.model import Limit
from tests.integration.plain import CALL, Opened, Plain

A_SECOND, A_DAY = 5, 10_000


class Limited(Plain):
    """As NOAA has it."""

    limits: ClassVar[tuple[Limit, ...]] = (Limit(A_SECOND, 1.0), Limit(A_DAY, 86_400.0))


def ask(url: str, home: Path, calls: int) -> list[str]:
    """One task: a client with a connection of its own."""
    opened, told = Opened(url, home, patience=60), []
    with opened(Limited()) as client:
        for _ in range(calls):
            try:
                client.ask(CALL)
                told.append("ok")
            except HeadgateError as error:
                told.append(type(error).__name__)
    opened.close()
    return told


def main() -> None:
    configure("json", "ERROR")
    url, home, threads, calls = sys.argv[1:]
    with ThreadPoolExecutor(int(threads)) as tasks:
        done = [tasks.submit(ask, url, Path(home), int(calls)) for _ in range(int(threads))]
        for task in done:
            print("\n".join(task.result()))


if __name__ == "__main__":
    main()
