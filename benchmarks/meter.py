"""Processor time and memory of process trees, from /proc."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

INTERVAL = 0.1  # seconds between two looks at the memory of known processes
SEARCH_EVERY = 5  # looks; a search reads all processes of the machine, which costs more
TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


class Meter:
    """What the descendants of ``roots`` and of this process take while the block runs; itself left out.

    Processor time is exact: a process that ended is counted in its parent, which has waited for it. Memory
    is looked at every 0.1 s, new processes are found within half a second: shorter peaks may be missed.
    """

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = (*roots, os.getpid())
        self.cpu_s = 0.0
        self.rss: dict[str, int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._begin = self._cpu()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self.cpu_s = self._cpu() - self._begin

    def _cpu(self) -> float:
        """Seconds so far. Who is reaped while the processes are read is missed once, and not twice."""
        first = self._read_cpu()
        time.sleep(INTERVAL)
        return max(first, self._read_cpu())

    def _read_cpu(self) -> float:
        processes = read_processes()
        ticks = sum(processes[pid].ticks for pid in tree(processes, self._roots))
        own = os.times()
        return ticks / TICKS - own.user - own.system

    def _watch(self) -> None:
        looks = 0
        names: dict[int, str] = {}
        while not self._end.is_set():
            if looks % SEARCH_EVERY == 0:
                names = self._search()
            looks += 1
            for pid, name in names.items():
                self.rss[name] = max(self.rss.get(name, 0), resident(pid))
            self._end.wait(INTERVAL)

    def _search(self) -> dict[int, str]:
        """All processes that are metered, with their names."""
        processes = read_processes()
        found = tree(processes, self._roots) - {os.getpid()}
        return {pid: title(pid, processes[pid].command) for pid in found}


class Process:
    """What /proc/PID/stat says."""

    def __init__(self, stat: str) -> None:
        command, _, rest = stat.partition("(")[2].rpartition(")")
        fields = rest.split()
        self.command = command
        self.parent = int(fields[1])
        self.ticks = sum(map(int, fields[11:15]))  # user, system, and those of children that ended


def read_processes() -> dict[int, Process]:
    return dict(_processes())


def _processes() -> Iterator[tuple[int, Process]]:
    for entry in os.scandir(PROC):
        if entry.name.isdigit():
            try:
                yield int(entry.name), Process(Path(entry, "stat").read_text(errors="replace"))
            except OSError:  # it has ended
                continue


def tree(processes: dict[int, Process], roots: Iterable[int]) -> set[int]:
    """The roots and all that descends from them."""
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in processes]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def resident(pid: int) -> int:
    """Resident bytes without shared memory segments, which all backends of Postgres have in common."""
    try:
        return sum(sizes(str(pid), "RssAnon", "RssFile"))
    except OSError:
        return 0


def peak() -> int:
    """Most resident bytes that this process ever had; ``getrusage`` may tell those of its parent."""
    return sum(sizes("self", "VmHWM"))


def sizes(process: str, *wanted: str) -> Iterator[int]:
    """These lines of /proc/PID/status, in bytes; a process that ends has none of them."""
    for line in (PROC / process / "status").read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name in wanted:
            yield int(value.split()[0]) * 1024


def title(pid: int, command: str) -> str:
    """What a process is, in a word or two, from its command line."""
    try:
        arguments = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return command
    return name_of(arguments, command)


def name_of(arguments: list[str], command: str) -> str:
    """The name under which a process stands in the results; several of a kind share one."""
    line = " ".join(arguments).strip()
    if line.startswith("postgres: "):
        word = line.removeprefix("postgres: ").partition(" ")[0]
        backend = "headgate" in line or "bench" in line or line.startswith("postgres: postgres ")
        return "postgres backend" if backend else f"postgres {word}"
    for part, name in NAMES.items():
        if part in line:
            return name
    return command


# By a part of the command line; the first that fits.
NAMES = {
    "headgate-consumer": "consumer",
    "multiprocessing.spawn": "headgate task",
    "multiprocessing.resource_tracker": "python",
    "benchmarks.whole_dag": "headgate put + run",
    "bin/postgres": "postgres",
    "beam.smp": "rabbitmq",
    "rclone": "rclone",
    "supervisord": "supervisord",
    "dag-processor": "airflow dag-processor",
    "api-server": "airflow api-server",
    "api_server": "airflow api-server",
    "triggerer": "airflow triggerer",
    "airflow worker -- LocalExecutor": "airflow worker",
    "airflow worker": "airflow task",
    "scheduler": "airflow scheduler",
    "psql": "psql",
    "pgloader": "pgloader",
    "dlt": "dlt",
}
