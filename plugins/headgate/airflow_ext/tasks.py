"""The bodies of the tasks: Airflow's context in, a step of ``headgate.steps`` called, its outcome out.

Imported while DAG files are parsed, so everything heavy is imported inside the functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from headgate.books import RunBooks
    from headgate.ledger import Run
    from headgate.steps.scan import Request
    from headgate.steps.services import Ledger, Services

STEPS = ("windows", "fetch", "scan", "inspect", "validate", "gate", "stream", "settle")
FIRST_LOOK, LONGEST_LOOK = 0.1, 1.0  # seconds between looks at the receipts
ALIVE = ["queued", "running"]  # states of an Airflow run that may still do something


def windows(dataset: str, contract_sha256: str) -> list[dict[str, int]]:
    """Write down what the run has to fetch; one entry a lane of fetching."""
    from airflow.sdk import get_current_context

    from headgate.steps.fetch import plan as step

    asked = request(get_current_context(), dataset, contract_sha256, has_source=True)
    return [share.as_xcom() for share in step(services(), asked, is_alive=alive(dataset))]


def fetch(share: dict[str, int], provider: str) -> None:
    """Fetch a lane's windows, with the credentials that a connection of the provider has."""
    from dataclasses import replace

    from headgate.airflow_ext.hooks import source_settings
    from headgate.steps.fetch import fetch as step
    from headgate.steps.lanes import Share

    name_lane(share)
    needed = services()
    step(replace(needed, settings=source_settings(needed.settings, provider)), Share(**share))


def scan(dataset: str, contract_sha256: str, *, has_source: bool) -> int:
    """Open the run and fill it; its number in the ledger."""
    from airflow.sdk import get_current_context

    from headgate.steps.scan import scan as step

    asked = request(get_current_context(), dataset, contract_sha256, has_source=has_source)
    return step(services(), asked, is_alive=alive(dataset)).run_id


def alive(dataset: str) -> Callable[[str], bool]:
    """Asks Airflow whether a run of the dataset, by its id, may still do something."""
    from airflow.sdk import get_current_context

    ti: Any = get_current_context()["ti"]
    return lambda dag_run_id: bool(ti.get_dr_count(dag_id=dataset, run_ids=[dag_run_id], states=ALIVE))


def request(context: Context, dataset: str, contract_sha256: str, *, has_source: bool) -> Request:
    """What this DAG run asks for.

    Of files only backfills select by interval, other runs take all that is new. A source is asked for the
    interval by scheduled runs, too.
    """
    from headgate.steps.scan import Params, Request

    dag_run: Any = context["dag_run"]
    kind = str(getattr(dag_run.run_type, "value", dag_run.run_type))
    start, end = dag_run.data_interval_start, dag_run.data_interval_end
    by_interval = kind == "backfill" or (has_source and kind == "scheduled")
    return Request(
        dataset=dataset,
        dag_run_id=dag_run.run_id,
        contract_sha256=contract_sha256,
        kind=kind,
        params=Params.of(dict(context["params"])),
        interval=(start, end) if by_interval and start is not None and end is not None else None,
        asked_at=dag_run.run_after,
    )


def inspect(run_id: int) -> list[dict[str, int]]:
    """Inspect the run's objects; one entry a lane of validation."""
    from headgate.steps.inspect import inspect as step

    return [share.as_xcom() for share in step(services(), run_id)]


def validate(share: dict[str, int], suite: Path) -> None:
    """Validate a lane's chunks with the dataset's suite."""
    from headgate.checks import Suite
    from headgate.steps.lanes import Share
    from headgate.steps.validate import validate as step

    name_lane(share)
    step(services(), Share(**share), make_suite=lambda contract: Suite(suite, contract))


def gate(run_id: int) -> list[dict[str, int]]:
    """Publish or hold; one entry a lane of streaming."""
    from headgate.steps.gate import gate as step

    return [share.as_xcom() for share in step(services(), run_id)]


def stream(share: dict[str, int]) -> None:
    """Send a lane's batches."""
    from headgate.steps.lanes import Share
    from headgate.steps.stream import stream as step

    name_lane(share)
    step(services(), Share(**share))


def report(dataset: str) -> dict[str, Any]:
    """Close the books; raises ``AirflowFailException`` with the reason when the run is not clean."""
    from airflow.sdk import get_current_context
    from airflow.sdk.exceptions import AirflowFailException

    from headgate.ledger import find_run
    from headgate.steps.report import report as step

    context = get_current_context()
    dag_run_id = context["dag_run"].run_id
    failed = failed_steps(context, dataset, dag_run_id)
    needed = services()
    run = needed.ledger(find_run, dataset, dag_run_id)
    if run is None:
        raise AirflowFailException(f"the run has no books: {', '.join(failed) or 'scan'} failed; see its log")
    books = step(needed, run, failed)
    show(books)
    if books.run.state == "failed":
        raise AirflowFailException(books.run.reason)
    announce_load(context, run, books)
    return {"run_id": run.run_id, **books.as_json()["rows"]}


def maintain() -> dict[str, int]:
    """Prune what is older than its rules say; what was removed."""
    from airflow.sdk import get_current_context

    from headgate.steps.maintain import maintain as step

    return step(services(), dry_run=bool(get_current_context()["params"]["dry_run"]))


def failed_steps(context: Context, dataset: str, dag_run_id: str) -> list[str]:
    """Tasks of this run that ended badly, in the order of the road."""
    ti: Any = context["ti"]
    states = ti.get_task_states(dag_id=dataset, run_ids=[dag_run_id]).get(dag_run_id, {})
    bad = [task for task, state in states.items() if state == "failed"]  # "gate", mapped ones "stream_0"
    return [step for step in STEPS if any(task == step or task.startswith(f"{step}_") for task in bad)]


def show(books: RunBooks) -> None:
    """The accounting table in the task's log."""
    from io import StringIO

    import structlog
    from rich.console import Console

    from headgate.books import render

    text = StringIO()
    Console(file=text, width=140, no_color=True).print(render(books))
    log = structlog.get_logger("headgate.books")
    for line in text.getvalue().splitlines():
        log.info(line)


def announce_load(context: Context, run: Run, books: RunBooks) -> None:
    """An event of the table's asset, when rows came or went: downstream DAGs wake for nothing else."""
    from headgate.airflow_ext.assets import loads_alias, table_asset

    counted = books.as_json()["rows"]
    if not (counted["read"] or counted["removed"]) or books.run.state != "success":
        return
    from headgate.contract.registry import registered

    contract, _ = services().ledger(registered, run.dataset, run.contract_version)
    outlet_events: Any = context["outlet_events"]
    extra = {"run_id": run.run_id, "dag_run_id": run.dag_run_id, "rows": counted}
    outlet_events[loads_alias(run.dataset)].add(table_asset(contract.schema, contract.table), extra=extra)


def settled(run_id: int, *, patience: float) -> bool:
    """Whether the run has nothing open any more, or will have within so many seconds."""
    from headgate.steps.settle import settled as step

    needed = services()
    end = time.monotonic() + patience
    pause = FIRST_LOOK
    while not step(needed, run_id):
        if time.monotonic() > end:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_LOOK)
    return True


def nothing_to_wait_for(ledger: Ledger, run_id: int) -> bool:
    """What the trigger asks: is it worth looking again?"""
    from headgate.steps.settle import nothing_to_wait_for as step

    return step(ledger, run_id)


def settle_timeout() -> float:
    """Longest wait for receipts, seconds."""
    from headgate.airflow_ext.hooks import task_settings

    return task_settings().settle_timeout


def services() -> Services:
    """The servers of this installation, as the environment and Airflow's connections name them."""
    from headgate.airflow_ext.hooks import task_settings
    from headgate.steps.services import Services

    return Services.of(task_settings(), reread=task_settings)


def ledger_only() -> Ledger:
    """The ledger for the trigger, which does its own waiting."""
    from headgate.airflow_ext.hooks import task_settings
    from headgate.settings import current
    from headgate.steps.services import Ledger

    return Ledger(current("database_url", task_settings), patience=0.0)


def name_lane(share: dict[str, int]) -> None:
    """The mapped task's name in the UI: ``lane 1 of 2``."""
    from airflow.sdk import get_current_context

    context: Any = get_current_context()
    context["lane"] = f"lane {share['lane'] + 1} of {share['lanes']}"
