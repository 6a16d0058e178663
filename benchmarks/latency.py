"""From a small file's arrival to its rows in SQL, with Airflow running, and whose seconds they are.

The dataset's contract says ``startOnArrival``. A file is put, and nothing else is done: the watcher in the
triggerer sees it, Airflow starts the run, and a reader asks the table until the rows are there.

- *noticed*: from the end of the upload to the event in Airflow's database: half of the pause between two
  looks, the look itself, and the triggerer's own loop.
- *Headgate*: what the bodies of the tasks take up to that moment (from the line that Airflow logs before it
  calls one to the line after), and the consumer's part, from the start of ``stream`` on.
- *Airflow*: all the rest after the event: making the run, scheduling, starting processes, parsing the DAG
  file in each, and telling the api-server.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg2
import yaml

from benchmarks.bench import Bench
from benchmarks.harness import Figures, Workload, Wrong
from benchmarks.shapes import document, suite_of
from headgate.contract import Contract, contract_from_document
from headgate.stack import Part, postgres

DATASET = "latency"
ROWS = 100  # of a file, some 22 KB
ARRIVALS, WARM_UPS = 24, 3
POLL = 0.02  # seconds between two looks at the table
TIMEOUT = 120.0  # seconds for one file
# Airflow writes them into a task's log right before and after it calls the task's body.
BEFORE, AFTER = "::endgroup::", "::group::Post Execute"


@dataclass(frozen=True)
class Arrival:
    """One file. Seconds from the end of its upload."""

    visible: float
    noticed: float
    headgate: float
    done: float  # the run's end

    @property
    def airflow(self) -> float:
        return self.visible - self.noticed - self.headgate


def measure(bench: Bench, options: argparse.Namespace) -> list[Figures]:
    """The figures of ``python -m benchmarks --parts latency``."""
    contract = prepare(bench)
    bench.bring(Part.ALL)
    bench.airflow(DATASET)
    count = 3 if options.quick else ARRIVALS
    found = [arrive(bench, contract, number) for number in range(WARM_UPS + count)][WARM_UPS:]
    return [figures(found)]


def prepare(bench: Bench) -> Contract:
    """The dataset: its contract where the bench's Airflow reads, its suite, its table, nothing landed."""
    described = document("mid", DATASET)
    described["customProperties"].append({"property": "startOnArrival", "value": True})
    (bench.stack.dags / "datasets" / f"{DATASET}.yaml").write_text(yaml.safe_dump(described))
    shutil.copy(suite_of("mid"), bench.home / "expectations" / f"{DATASET}.json")
    contract = contract_from_document(described, DATASET)
    bench.sweep(contract.prefix)
    bench.sql(f"DROP TABLE IF EXISTS {contract.qualified_table}")
    bench.apply(contract)
    return contract


def arrive(bench: Bench, contract: Contract, number: int) -> Arrival:
    """Put one file and wait for its rows, then for the end of its run."""
    # At any moment of the watcher's pause and of Airflow's loops.
    time.sleep(random.uniform(0.0, 3.0))  # noqa: S311
    key = f"{contract.prefix}{datetime.now(UTC):%Y%m%dT%H%M%S}-{number}.csv"
    before = rows_in(bench, contract)
    bench.services.store.put_bytes(contract.bucket, key, rows_of(bench, number))
    begin = datetime.now(UTC)
    seen = wait_until_visible(bench, contract, before + ROWS)
    run = finished_run(bench, begin)
    bodies = dict(task_bodies(bench, run.dag_run_id))
    spans = [(start, min(end, seen)) for start, end in bodies.values() if start < seen]
    spans.append((bodies["stream"][0], seen))

    def since(moment: datetime) -> float:
        return (moment - begin).total_seconds()

    return Arrival(since(seen), since(run.noticed), covered(spans), since(run.end))


def rows_of(bench: Bench, number: int) -> bytes:
    """A file of rows that no file before had."""
    lines = bench.source(Workload("mid", 10_000)).read_bytes().splitlines(keepends=True)
    first = 1 + number * ROWS
    return b"".join([lines[0], *lines[first : first + ROWS]])


def rows_in(bench: Bench, contract: Contract) -> int:
    [(count,)] = bench.sql(f"SELECT count(*) FROM {contract.qualified_table}")
    return int(count)


def wait_until_visible(bench: Bench, contract: Contract, rows: int) -> datetime:
    """When a reader first saw so many rows."""
    deadline = time.monotonic() + TIMEOUT
    with closing(psycopg2.connect(bench.url)) as conn, conn.cursor() as cursor:
        conn.autocommit = True
        while time.monotonic() < deadline:
            cursor.execute(f"SELECT count(*) FROM {contract.qualified_table}")
            if cursor.fetchall()[0][0] >= rows:
                return datetime.now(UTC)
            time.sleep(POLL)
    raise Wrong(f"a file's rows were not in {contract.qualified_table} after {TIMEOUT:.0f} s")


@dataclass(frozen=True)
class FinishedRun:
    """A run as Airflow's database has it."""

    dag_run_id: str
    noticed: datetime
    end: datetime


# The runs of the dataset that an event after the moment started, the event with them.
RUNS = """
SELECT r.run_id, e.timestamp, r.end_date
FROM dag_run r
JOIN dagrun_asset_event l ON l.dag_run_id = r.id
JOIN asset_event e ON e.id = l.event_id
WHERE r.dag_id = %s AND e.timestamp >= %s AND r.state = 'success'
"""


def finished_run(bench: Bench, begin: datetime) -> FinishedRun:
    """The run that the file's arrival started, once it is over; ``Wrong`` when there is not exactly one."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        runs = airflow_sql(bench, RUNS, (DATASET, begin))
        if len(runs) > 1:
            raise Wrong(f"an arrival started {len(runs)} runs")
        if runs:
            return FinishedRun(*runs[0])
        time.sleep(0.2)
    raise Wrong(f"the run of an arrival was no success after {TIMEOUT:.0f} s")


def airflow_sql(bench: Bench, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """A query of Airflow's own database."""
    url = postgres.admin_url(bench.stack.ports, bench.stack.secrets, postgres.AIRFLOW_DATABASE)
    with closing(psycopg2.connect(url)) as conn, conn.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def task_bodies(bench: Bench, dag_run_id: str) -> Iterator[tuple[str, tuple[datetime, datetime]]]:
    """Begin and end of each task's body, by its log."""
    folder = bench.stack.layout.airflow / "logs" / f"dag_id={DATASET}" / f"run_id={dag_run_id}"
    for log in folder.rglob("attempt=1.log"):
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        at = {line["event"]: datetime.fromisoformat(line["timestamp"]) for line in reversed(lines)}
        task = next(part for part in log.parts if part.startswith("task_id="))
        yield task.removeprefix("task_id="), (at[BEFORE], at[AFTER])


def covered(spans: Sequence[tuple[datetime, datetime]]) -> float:
    """Seconds that lie in at least one span."""
    total, reached = 0.0, datetime.min.replace(tzinfo=UTC)
    for start, end in sorted(spans):
        total += max(0.0, (end - max(start, reached)).total_seconds())
        reached = max(reached, end)
    return total


def figures(found: Sequence[Arrival]) -> Figures:
    """Median and 95th percentile."""
    parts = {
        "arrival to rows in SQL": [each.visible for each in found],
        "of it: noticed": [each.noticed for each in found],
        "of it: Airflow": [each.airflow for each in found],
        "of it: Headgate": [each.headgate for each in found],
        "arrival to the end of the run": [each.done for each in found],
    }
    rows = [
        (name, *(f"{value:.2f}" for value in (statistics.median(s), percentile95(s), max(s))))
        for name, s in parts.items()
    ]
    notes = f"{len(found)} files of {ROWS} rows, one after the other, looked for every second. Seconds."
    return Figures("latency", ("", "p50", "p95", "max"), rows, notes)


def percentile95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
