"""What is compared, how it is measured, and in which order.

A *line* is one way to bring a file into an indexed table; a *workload* is the file and what the table
holds before. Of each workload all lines run in turn, then all of them again: what disturbs the machine for
a while disturbs every line.
"""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.meter import Meter
from headgate.errors import HeadgateError
from headgate.stack import Part

if TYPE_CHECKING:
    from benchmarks.bench import Bench

SHAPES = ("narrow", "mid", "wide")
CHANGES = ("fresh", "all", "one_percent", "none")
PATIENCE = 3600.0  # seconds that a load may take
POLL = 0.02  # seconds
# What the rate of a line is divided by: of a fresh load the least that Postgres needs, else the SQL that
# people write by hand.
REFERENCES = {"fresh": r"psql \copy"} | dict.fromkeys(CHANGES[1:], "staging + upsert")


class Wrong(HeadgateError):
    """A line failed, or did not load what it should have: its time says nothing."""


@dataclass(frozen=True)
class Workload:
    """A file of so many rows, the share of them that differs from the table, its secondary indexes.

    ``fresh``: the table is empty. Else it holds a row for each of the file's keys: with other values in
    ``all`` of them, in ``one_percent`` or in ``none``.
    """

    shape: str
    rows: int
    change: str = "fresh"
    indexes: int = 3

    def __str__(self) -> str:
        return f"{self.rows:,} rows {self.shape}, {self.change}, {self.indexes} indexes"


class Line(ABC):
    """One way to load. ``prepare``, ``check`` and ``finish`` are not timed."""

    name: str
    group: str  # heading in the table
    config: str  # exactly what it does and with which settings, for a reader who wants to judge it
    part = Part.INFRA  # of the private stack that must run; nothing else of it does

    def refuses(self, workload: Workload) -> str | None:
        """Why this line has no figure for the workload; nothing when it has."""
        return None

    def repeats(self, workload: Workload, repeat: int) -> int:
        """How often it runs where the others run ``repeat`` times: a very slow one may do with less."""
        return repeat

    def prepare(self, bench: Bench, workload: Workload) -> None:  # noqa: B027  some have nothing to do
        """Bring table, queue, processes into the state that the load begins with."""

    @abstractmethod
    def run(self, bench: Bench, workload: Workload) -> None:
        """The load, until all rows are committed."""

    @abstractmethod
    def check(self, bench: Bench, workload: Workload) -> None:
        """Prove that every row of the file is in the table: ``bench.expect``, which raises ``Wrong``."""

    def finish(self, bench: Bench) -> None:  # noqa: B027
        """End what ``prepare`` started; called in any case."""


@dataclass(frozen=True)
class Measure:
    """One run. Processor time is of all processes together: client, backends, broker, store, Airflow.

    ``rss``: peak by process name, in bytes, without the shared memory of Postgres.
    """

    wall_s: float
    cpu_s: float
    wal_bytes: int
    rss: Mapping[str, int]


@dataclass(frozen=True)
class Result:
    """The runs of one line with one workload, or why there are none: it does not do that, or it failed."""

    line: str
    group: str
    workload: Workload
    runs: tuple[Measure, ...] = ()
    skipped: str = ""
    failed: str = ""

    def median(self, name: str) -> float:
        return float(statistics.median(getattr(run, name) for run in self.runs))

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.workload.rows / self.median("wall_s")

    @property
    def rss(self) -> dict[str, int]:
        """The highest peak of each process, greatest first."""
        names = {name for run in self.runs for name in run.rss}
        peaks = {name: max(run.rss.get(name, 0) for run in self.runs) for name in names}
        return dict(sorted(peaks.items(), key=lambda item: -item[1]))


@dataclass(frozen=True)
class Figures:
    """Figures that are no loads (latency, growth): a table of its own in all outputs."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    notes: str = ""


def compare(
    bench: Bench, lines: Sequence[Line], workload: Workload, repeat: int, say: Callable[[str], None]
) -> list[Result]:
    """Measure each line with the workload so many times, in turn; one that fails is not run again."""
    skipped = {line.name: line.refuses(workload) or "" for line in lines}
    failed: dict[str, str] = {}
    runs: dict[str, list[Measure]] = {line.name: [] for line in lines}
    for number in range(1, repeat + 1):
        turn = [line for line in lines if not skipped[line.name] and number <= line.repeats(workload, repeat)]
        for line in in_order(turn, bench.part):
            if line.name in failed:
                continue
            try:
                runs[line.name].append(measure(bench, line, workload))
                say(f"{workload}: {line.name} {number}/{repeat}: {runs[line.name][-1].wall_s:.1f} s")
            except Wrong as error:
                failed[line.name] = str(error)
                say(f"{workload}: {line.name} failed: {error}")
    return [
        Result(
            line.name,
            line.group,
            workload,
            () if line.name in failed else tuple(runs[line.name]),
            skipped[line.name],
            failed.get(line.name, ""),
        )
        for line in lines
    ]


def in_order(lines: Sequence[Line], running: Part) -> list[Line]:
    """Those first that need what runs already: Airflow's start takes a while."""
    return sorted(lines, key=lambda line: line.part is not running)


def measure(bench: Bench, line: Line, workload: Workload) -> Measure:
    """One run of a line."""
    bench.bring(line.part)
    try:
        line.prepare(bench, workload)
        bench.settle()
        wal = bench.wal_position()
        with Meter(bench.root_pids()) as meter:
            begin = time.perf_counter()
            line.run(bench, workload)
            wall = time.perf_counter() - begin
        written = bench.wal_position() - wal
        line.check(bench, workload)
    finally:
        line.finish(bench)
    return Measure(wall, meter.cpu_s, written, meter.rss)


def wait_until(condition: Callable[[], bool], problem: str, *, every: float = POLL) -> None:
    """``Wrong`` with the problem when it is not so in ``PATIENCE`` seconds; a look ``every`` so many."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Wrong(f"after {PATIENCE:.0f} s {problem}")
        time.sleep(every)


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Results with all their runs, medians and ratios."""
    return [
        {
            "line": result.line,
            "group": result.group,
            "workload": asdict(result.workload),
            **(figures_of(result, results) if result.runs else reason(result)),
        }
        for result in results
    ]


def reason(result: Result) -> dict[str, str]:
    return {"failed": result.failed} if result.failed else {"skipped": result.skipped}


def figures_of(result: Result, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "rows_per_s": round(result.rate),
        "ratio": ratio(result, results),
        "reference": REFERENCES[result.workload.change],
        "wall_s": round(result.median("wall_s"), 3),
        "cpu_s": round(result.median("cpu_s"), 2),
        "wal_bytes": round(result.median("wal_bytes")),
        "rss_bytes": result.rss,
        "runs": [asdict(run) for run in result.runs],
    }


def ratio(result: Result, results: Sequence[Result]) -> float | None:
    """The line's rate in units of the reference's with the same workload."""
    name = REFERENCES[result.workload.change]
    for other in results:
        if other.line == name and other.workload == result.workload and other.runs and result.runs:
            return round(result.rate / other.rate, 3)
    return None
