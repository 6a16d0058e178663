"""Airflow's own processes die: those of tasks, their workers, the scheduler, the triggerer.

The whole private stack in a home of its own. Rounds may run side by side, each on a dataset of its own: the
first call starts them, each call takes the outcome of one.
"""

from __future__ import annotations

import atexit
import copy
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import psutil
import psycopg2
import yaml

from benchmarks.stack import OwnDags
from headgate import paths
from headgate.cli.airflow_api import Airflow
from headgate.contract import load_contract
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.settings import Settings
from headgate.stack import connections, postgres
from headgate.stack.programs import MARK
from headgate.stack.supervisor import Process
from headgate.store import ObjectStore
from tests.conftest import CHECKOUT, Servers
from tests.faults.drill import Ground, Round, drill
from tests.faults.outages import MINUTE
from tests.faults.patience import TooLongError, until
from tests.integration.lab import DOCUMENT

STEPS = ("scan", "inspect", "validate", "gate", "stream", "settle", "report")
ROWS, BAD = 2_000, 20
# What Airflow waits for before it believes that one of its processes is dead: by default up to five minutes.
QUICK = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
}


class DrillStack(OwnDags):
    """The private stack, with the drills' DAGs and an Airflow that notices its dead sooner."""

    def airflow_settings(self) -> dict[str, str]:
        return super().airflow_settings() | QUICK | {"HEADGATE_BATCH_BYTES": "8192"}

    @cached_property
    def settings(self) -> Settings:
        return connections.as_settings(self.layout, self.ports, self.secrets)

    @cached_property
    def api(self) -> Airflow:
        api = Airflow.from_settings(self.settings)
        api.patience = 120.0
        return api

    @cached_property
    def store(self) -> ObjectStore:
        return ObjectStore.from_settings(self.settings)

    def process(self, program: str) -> Process:
        """The process of a program of which there is one."""
        return next(p for p in self.client.processes() if p.program == program)

    def sql(self, statement: str, *values: object, airflow: bool = False) -> list[tuple[Any, ...]]:
        """One statement as the superuser, in Headgate's database or in Airflow's."""
        name = postgres.AIRFLOW_DATABASE if airflow else postgres.DATABASE
        url = postgres.admin_url(self.ports, self.secrets, name)
        with closing(psycopg2.connect(url)) as conn, conn, conn.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []


@cache
def running_stack() -> DrillStack:
    """Started once for all drills of Airflow; ended with this process, unless HEADGATE_TEST_KEEP is set."""
    stack = DrillStack(CHECKOUT / ".headgate" / "faults-airflow")
    if not os.environ.get("HEADGATE_TEST_KEEP"):
        stack.down()  # what a killed run left
        shutil.rmtree(stack.layout.home, ignore_errors=True)
        atexit.register(stack.down)
    prepare_dags(stack.dags)
    stack.up(with_stubs=True)
    with closing(connect(stack.settings.require("owner_url"))) as conn:
        for path in sorted((stack.dags / "datasets").glob("*.yaml")):
            apply_contract(conn, load_contract(path))
    for dataset in DATASETS:
        stack.api.wait_for_dag(dataset)
        stack.api.unpause(dataset)
    return stack


DATASETS = tuple(f"drill_{number}" for number in range(len(STEPS)))


def prepare_dags(folder: Path) -> None:
    """A folder of DAGs as the project's, with a dataset of three columns for each round."""
    (folder / "datasets").mkdir(parents=True, exist_ok=True)
    (folder.parent / "expectations").mkdir(exist_ok=True)
    shutil.copy(paths.dags_dir() / "headgate_datasets.py", folder)
    for dataset in DATASETS:
        document = copy.deepcopy(DOCUMENT) | {"id": dataset, "name": dataset}
        document["servers"][0]["location"] = f"s3://headgate-landing/{dataset}/"
        document["schema"][0] |= {"name": dataset, "physicalName": f"lab.{dataset}"}
        document["customProperties"] = [{"property": "chunkBytes", "value": 20_000}]
        (folder / "datasets" / f"{dataset}.yaml").write_text(yaml.safe_dump(document))
        suite = {"name": dataset, "meta": {}, "expectations": []}
        (folder.parent / "expectations" / f"{dataset}.json").write_text(json.dumps(suite))


@dataclass
class Trip:
    """One file on its way through a DAG run of its own dataset."""

    stack: DrillStack
    dataset: str
    rows: list[tuple[str, float, str]]
    run_id: str
    state: str = "running"  # of the DAG run
    recover: float = 0.0  # seconds from the fault to the end of the run
    trouble: list[str] = field(default_factory=list)

    def task(self, step: str, states: tuple[str, ...]) -> tuple[int, str] | None:
        """Process id and state of a task instance of this step in one of these states."""
        found = self.stack.sql(
            "SELECT pid, state FROM task_instance WHERE dag_id = %s AND run_id = %s AND task_id = %s"
            " AND state = ANY (%s) LIMIT 1",
            self.dataset,
            self.run_id,
            step,
            list(states),
            airflow=True,
        )
        return found[0] if found else None

    def wait_for(self, step: str, *states: str) -> None:
        """Until the step has come so far."""
        if self.see(step, *states) is None:
            self.trouble.append(f"{step} was over too soon")

    def see(self, step: str, *states: str) -> int | None:
        """The process id of the step's task when it has come so far, none when it was over before."""
        until(lambda: self.task(step, (*states, "success", "failed")), f"{self.dataset} comes to {step}", 300)
        found = self.task(step, states)
        return found[0] if found else None

    def wait_for_end(self) -> None:
        """Until Airflow has ended the run."""
        begun = time.monotonic()
        until(lambda: self.stack.api.dag_run(self.dataset, self.run_id).finished, "the run ends", 600)
        self.recover = time.monotonic() - begun
        self.state = self.stack.api.dag_run(self.dataset, self.run_id).state


Fault = Callable[[Trip, Random], None]


@dataclass
class Convoy:
    """The trips of a drill, ``together`` or one after the other; ``faults`` are those still to come."""

    stack: DrillStack
    faults: list[Fault]
    together: bool
    trips: list[tuple[Trip, Thread]] = field(default_factory=list)

    def close(self) -> list[str]:
        """Nothing is left in queues; the broker's statistics are some seconds old."""
        try:
            until(lambda: not waiting(self.stack), "queues empty")
        except TooLongError:
            return [f"{count} messages were left in {queue}" for queue, count in waiting(self.stack).items()]
        return []

    def next(self, rng: Random) -> Round:
        """The next trip's outcome."""
        if not self.trips:
            begun = self.faults if self.together else self.faults[:1]
            self.faults = self.faults[len(begun) :]
            self.trips = [self._start(number, fault, rng) for number, fault in enumerate(begun)]
        trip, thread = self.trips.pop(0)
        thread.join()
        return check(trip)

    def _start(self, number: int, fault: Fault, rng: Random) -> tuple[Trip, Thread]:
        dataset, own = DATASETS[number], Random(rng.random())
        mark = f"{own.randrange(1 << 32):x}"
        rows = [(f"{mark}-{n}", float(n), f"note {n}") for n in range(ROWS - BAD)]
        put(self.stack, dataset, mark, rows)
        trip = Trip(self.stack, dataset, rows, self.stack.api.trigger(dataset, {}))
        thread = Thread(target=self._strike, args=(fault, trip, own), daemon=True)
        thread.start()
        return trip, thread

    def _strike(self, fault: Fault, trip: Trip, rng: Random) -> None:
        try:
            fault(trip, rng)
            trip.wait_for_end()
        except Exception as error:  # noqa: BLE001  the round tells of it
            trip.trouble.append(f"{trip.dataset}: {type(error).__name__}: {error}")


def put(stack: DrillStack, dataset: str, mark: str, rows: list[tuple[str, float, str]]) -> None:
    """Drop a file with these rows and some that are bad."""
    lines = ["id,amount,note", *(f"{key},{amount},{note}" for key, amount, note in rows)]
    lines += [f"{mark}-bad{n},many,note" for n in range(BAD)]
    stack.store.put_bytes("headgate-landing", f"{dataset}/{mark}.csv", "\n".join([*lines, ""]).encode())


def check(trip: Trip) -> Round:
    """What the books, the table and the quarantine say of a trip."""
    stack = trip.stack
    [(accounted, aside, balanced)] = stack.sql(BOOKS, trip.dataset, trip.run_id) or [(0, 0, False)]
    mark = trip.rows[0][0].split("-")[0]
    table = stack.sql(f"SELECT id, amount, note FROM lab.{trip.dataset} WHERE id LIKE %s", f"{mark}-%")
    wrong = len(set(trip.rows) ^ set(table))
    problems = list(trip.trouble)
    problems += [f"{trip.dataset}: the run ended as {trip.state}"] if trip.state != "success" else []
    problems += [f"{trip.dataset}: the books do not balance"] if not balanced else []
    problems += [f"{trip.dataset}: {aside} rows in quarantine, {BAD} are bad"] if aside != BAD else []
    problems += [f"{trip.dataset}: {n} errors are {s}" for s, n in stack.sql(OPEN_ERRORS, trip.dataset)]
    return Round(
        rows_in=ROWS,
        accounted=accounted,
        lost=max(0, ROWS - accounted) + wrong,
        doubled=max(0, accounted - ROWS),
        recover=trip.recover,
        problems=tuple(problems),
    )


BOOKS = """
SELECT inserted + updated + unchanged + superseded + quarantined, quarantined, balanced
FROM headgate.books_run WHERE (dataset, dag_run_id) = (%s, %s)
"""
OPEN_ERRORS = """
SELECT state, count(*) FROM headgate.error e WHERE dataset = %s AND state IN ('retrying', 'parked')
AND NOT EXISTS (SELECT FROM headgate.receipt r WHERE r.message_id::text = e.message_id)
GROUP BY state
"""


def waiting(stack: DrillStack) -> dict[str, int]:
    """Messages that wait in the stack's queues, by queue."""
    import httpx

    url = stack.settings.require("rabbitmq_api_url")
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as api:
        listed = api.get("/api/queues/headgate").raise_for_status().json()
    return {queue["name"]: queue["messages"] for queue in listed if queue.get("messages")}


def ground(faults: list[Fault], together: bool) -> Ground:
    """A convoy with these faults on the running stack."""

    @contextmanager
    def open_convoy(_: Servers, name: str) -> Iterator[Convoy]:
        yield Convoy(running_stack(), faults, together)

    return open_convoy


def drill_of(name: str, story: str, faults: list[Fault], *, together: bool) -> None:
    """Register a drill with a round for each fault."""

    def run(convoy: Convoy, rng: Random) -> Round:
        return convoy.next(rng)

    run.__doc__ = story
    drill(name, times=len(faults), ground=ground(faults, together), apart=True)(run)


# -- faults ------------------------------------------------------------------------------------


def kill_task(step: str, trip: Trip, rng: Random, *, supervisor: bool = False) -> None:
    """SIGKILL to the process of a task of this step; ``supervisor``: to the worker process above it, too.

    A task of a second may end under the drill's hands; then one of the next step is killed.
    """
    for candidate in STEPS[STEPS.index(step) :]:
        pid = trip.see(candidate, "running")
        time.sleep(0.1 * rng.random())
        if pid and kill_process(pid, trip, supervisor=supervisor):
            return
    trip.trouble.append(f"{step} and all steps after it were over too soon")


def kill_process(pid: int, trip: Trip, *, supervisor: bool) -> bool:
    """Whether it was still there."""
    try:
        process = psutil.Process(pid)
        victim = process.parent() if supervisor else process
        assert victim is not None
        assert victim.environ().get(MARK) == str(trip.stack.layout.home), f"{victim} is not ours"
        victim.kill()
    except psutil.NoSuchProcess:
        return False
    with suppress(psutil.NoSuchProcess):  # it ends with its worker
        process.kill()
    return True


def kill_program(name: str, trip: Trip) -> None:
    """SIGKILL to a program of Airflow; its supervisor starts it again."""
    before = trip.stack.process(name).pid
    psutil.Process(before).kill()
    until(lambda: trip.stack.process(name).pid not in (0, before), f"{name} is started again")


def restart_scheduler(trip: Trip, rng: Random) -> None:
    """At a random step of a run."""
    trip.see(rng.choice(STEPS[:5]), "running", "queued")
    time.sleep(rng.random())
    kill_program("airflow-scheduler", trip)


def restart_triggerer(trip: Trip, rng: Random) -> None:
    """While settle is deferred, because no consumer runs."""
    consumers = [p for p in trip.stack.client.processes() if p.program == "consumer-database"]
    for consumer in consumers:
        trip.stack.client.stop(consumer)
    try:
        trip.wait_for("settle", "deferred")
        time.sleep(rng.random())
        kill_program("airflow-triggerer", trip)
    finally:
        for consumer in consumers:
            trip.stack.client.start(consumer)


def stop_postgres(trip: Trip, rng: Random) -> None:
    """The server of rows, ledger and Airflow's own state is away for longer than requests are repeated."""
    stack = trip.stack
    trip.see(rng.choice(STEPS[1:5]), "running", "queued")
    stack.client.stop(stack.process("postgres"))
    time.sleep(MINUTE)
    stack.client.start(stack.process("postgres"))


drill_of(
    "airflow-task-killed",
    "The process of a task is killed (SIGKILL), as by a machine that runs out of memory: one round for each"
    " step, all side by side.",
    [partial(kill_task, step) for step in STEPS],
    together=True,
)
drill_of(
    "airflow-worker-killed",
    "A worker of Airflow and the task under it are killed (SIGKILL), as when a machine dies: nobody is left"
    " to say so, Airflow notices by missing heartbeats.",
    [partial(kill_task, step, supervisor=True) for step in ("inspect", "validate", "stream")],
    together=True,
)
drill_of(
    "airflow-scheduler-killed",
    "The scheduler is killed (SIGKILL) in the middle of runs and started again by its supervisor.",
    [restart_scheduler] * 2,
    together=False,
)
drill_of(
    "airflow-triggerer-killed",
    "The triggerer is killed (SIGKILL) while settle is deferred, and started again by its supervisor.",
    [restart_triggerer] * 2,
    together=False,
)
drill_of(
    "airflow-postgres-away-a-minute",
    "Postgres, which holds Airflow's own state too, is stopped for a minute in the middle of a run, which"
    " succeeds by Airflow's retries.",
    [stop_postgres],
    together=False,
)
