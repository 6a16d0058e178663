"""Headgate's whole road in the real scheduler: a file is put, the DAG runs, the books balance.

``python -m benchmarks.whole_dag DATASET FILE KEY`` is the client: what ``headgate put`` and
``headgate run --wait`` do, for the bench's datasets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import PATIENCE, Figures, Line, Result, Workload, Wrong
from benchmarks.road import succeeded
from headgate.settings import MIB
from headgate.stack import Part

if TYPE_CHECKING:
    from benchmarks.bench import Bench

SMALLEST = 1_000_000  # rows; a shorter run ends before its processes have reached their size
PREFIX = "whole_"  # of the datasets
ACCOUNTED = ("inserted", "updated", "unchanged")


class WholeDag(Line):
    """`headgate put` and `headgate run --wait`."""

    name = "headgate, whole run"
    group = "whole run"
    part = Part.ALL
    config = (
        "Upload to the landing bucket, then the DAG in Airflow with all settings and services of `headgate "
        "up`: scan, inspect, validate with the suite of benchmarks/expectations, gate, stream with confirms "
        "through a quorum queue, two consumers, settle, report. Ends when Airflow calls the run a success "
        "and its books balance"
    )

    def __init__(self) -> None:
        self.books: dict[str, Any] = {}
        self.warmed: int | None = None  # the process of the scheduler that has run the DAG before

    def prepare(self, bench: Bench, workload: Workload) -> None:
        """The table as it was, loaded by an object that the file succeeds; Airflow as it is all day long."""
        dataset = dataset_of(workload)
        self.warm_up(bench, workload)
        bench.sweep(PREFIX)
        bench.empty_ledger(dataset)
        before = succeeded(bench, workload, dataset) if workload.change != "fresh" else 0
        bench.headgate_table(workload, dataset, before)

    def warm_up(self, bench: Bench, workload: Workload) -> None:
        """One small run after each start of Airflow."""
        scheduler = next(p.pid for p in bench.stack.client.processes() if p.program == "airflow-scheduler")
        if scheduler == self.warmed:
            return
        bench.airflow(dataset_of(workload))
        bench.headgate_table(workload, dataset_of(workload))
        with bench.source(workload).open() as lines:
            few = bench.home / "few.csv"
            few.write_text("".join(islice(lines, 101)))
        self.load(bench, workload, few)
        self.warmed = scheduler

    def run(self, bench: Bench, workload: Workload) -> None:
        self.load(bench, workload, bench.source(workload))

    def load(self, bench: Bench, workload: Workload, file: Path) -> None:
        """The client, as a process of its own, so that it is measured, too."""
        command = [sys.executable, "-m", "benchmarks.whole_dag", dataset_of(workload), str(file)]
        command.append(f"{workload.rows}.csv")
        environment = {**os.environ, "HEADGATE_HOME": str(bench.home)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise Wrong(f"the DAG run failed: {(done.stderr or done.stdout)[-2000:]}")
        self.books = json.loads(done.stdout)

    def check(self, bench: Bench, workload: Workload) -> None:
        bench.expect(f"bench.{dataset_of(workload)}", workload)
        rows = self.books["rows"]
        placed = sum(rows[name] for name in ACCOUNTED)
        if not self.books["balanced"] or rows["read"] != workload.rows or placed != workload.rows:
            raise Wrong(f"the books of {workload} say {rows}")

    def finish(self, bench: Bench) -> None:
        """An empty ledger would take for new what is landed, and it is large."""
        bench.sweep(PREFIX)


def dataset_of(workload: Workload) -> str:
    return f"{PREFIX}{workload.shape}"


def memory(results: Sequence[Result]) -> list[Figures]:
    """Whether memory grows with the file: each process's peak at the smallest and the largest size."""
    measured = [
        result
        for result in results
        if result.line == WholeDag.name
        and result.runs
        and result.workload.rows >= SMALLEST
        and (result.workload.shape, result.workload.change) == ("mid", "fresh")
    ]
    if len({result.workload.rows for result in measured}) < 2:
        return []
    first, last = (choose(measured, key=lambda each: each.workload.rows) for choose in (min, max))
    columns = ("process", *(f"MiB at {each.workload.rows:,} rows" for each in (first, last)), "ratio")
    rows = [
        (name, before // MIB, last.rss[name] // MIB, round(last.rss[name] / before, 2))
        for name, before in first.rss.items()
        if name in last.rss
    ]
    notes = "Resident memory, peak of the greatest process of each kind, without Postgres' shared memory."
    return [Figures("Memory of the whole run", columns, rows, notes)]


def main() -> None:
    """The client."""
    from headgate.cli.airflow_api import Airflow
    from headgate.cli.data import put_file
    from headgate.cli.follow import follow
    from headgate.contract import load_contract
    from headgate.settings import settings
    from headgate.store import ObjectStore

    dataset, file, key = sys.argv[1:]
    contract = load_contract(settings().home / "dags" / "datasets" / f"{dataset}.yaml")
    put_file(ObjectStore.from_settings(settings()), contract, Path(file), key, quiet=True)
    api = Airflow.from_settings(settings())
    books = follow(api, dataset, api.trigger(dataset, {}), timeout=PATIENCE, quiet=True)
    print(json.dumps(books.as_json()))
    if books.state != "success":
        sys.exit(f"{dataset}: {books.run.reason}")


if __name__ == "__main__":
    main()
