"""Whether memory grows with the file: the whole run's processes at each of its sizes."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.harness import Figures, Result
from benchmarks.whole_dag import WholeDag

MIB = 1024 * 1024
SMALLEST = 1_000_000  # rows; a shorter run ends before its processes have reached their size


def growth(results: Sequence[Result]) -> list[Figures]:
    """A row for each process: its peak at each size, and how much that is of the first."""
    wanted = [
        result
        for result in results
        if result.line == WholeDag.name
        and result.runs
        and result.workload.rows >= SMALLEST
        and (result.workload.shape, result.workload.change) == ("mid", "fresh")
    ]
    if len({result.workload.rows for result in wanted}) < 2:
        return []
    first, last = (choose(wanted, key=lambda each: each.workload.rows) for choose in (min, max))
    columns = ("process", *(f"MiB at {each.workload.rows:,} rows" for each in (first, last)), "ratio")
    rows = [
        (name, before // MIB, last.rss[name] // MIB, round(last.rss[name] / before, 2))
        for name, before in first.rss.items()
        if name in last.rss
    ]
    notes = "Resident memory, peak of the greatest process of each kind, without Postgres' shared memory."
    return [Figures("Memory of the whole run", columns, rows, notes)]
