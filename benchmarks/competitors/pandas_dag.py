"""The DAG that people write by hand, run by the scheduler that runs Headgate's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.harness import Line, Workload, Wrong
from benchmarks.shapes import shape_of
from benchmarks.whole_dag import ready
from headgate.stack import Part

if TYPE_CHECKING:
    from benchmarks.bench import Bench

DAG_ID = "handwritten"
POLL = 0.5  # seconds, as `headgate run --wait`
ROWS = 1_000_000


class PandasDag(Line):
    """read_csv and to_sql in one task."""

    name = "pandas DAG by hand"
    group = "whole run"
    part = Part.ALL
    config = (
        "benchmarks/competitors/handwritten_dag.py: one task with pandas read_csv of the file on disk and "
        "to_sql(if_exists='append') with its defaults, in the Airflow that runs Headgate's DAG"
    )

    def refuses(self, workload: Workload) -> str | None:
        if workload.change != "fresh":
            return "it only appends"
        return "it would take hours" if workload.rows > ROWS else None

    def repeats(self, workload: Workload, repeat: int) -> int:
        return 1 if workload.rows >= ROWS else repeat

    def prepare(self, bench: Bench, workload: Workload) -> None:
        self.table = bench.plain_table(workload)
        self.api = ready(bench, DAG_ID)

    def run(self, bench: Bench, workload: Workload) -> None:
        schema, table = self.table.split(".")
        texts = [name for name, kind in shape_of(workload.shape).columns.items() if kind == "text"]
        file = str(bench.source(workload))
        run_id = self.api.trigger(DAG_ID, {"file": file, "schema": schema, "table": table, "texts": texts})
        while not (run := self.api.dag_run(DAG_ID, run_id)).finished:
            time.sleep(POLL)
        if run.state != "success":
            raise Wrong(f"the hand-written DAG failed: {self.api.failure(DAG_ID, run_id)}")

    def check(self, bench: Bench, workload: Workload) -> None:
        bench.expect(self.table, workload)
