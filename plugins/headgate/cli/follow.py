"""Following runs to their end: Airflow says whether, the ledger says how far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from headgate import ledger
from headgate.books import RunBooks, run_books
from headgate.cli.airflow_api import Airflow
from headgate.cli.progress import StepBars, waiting_bar
from headgate.errors import Fatal, Retriable
from headgate.settings import settings
from headgate.steps.progress import progress_of
from headgate.steps.services import Ledger

POLL = 0.5  # seconds between two looks
PATIENCE = 60.0  # seconds that Airflow or the database may be away meanwhile


def follow(api: Airflow, dataset: str, dag_run_id: str, *, timeout: float, quiet: bool) -> RunBooks:
    """Wait for the end of a run; its books. ``Retriable`` when ``timeout`` seconds pass before."""
    deadline = time.monotonic() + timeout
    api.patience = PATIENCE
    with closing(database()) as calls, StepBars(quiet=quiet) as bars:
        while not api.dag_run(dataset, dag_run_id).finished:
            show_progress(calls, bars, dataset, dag_run_id)
            pause(deadline, f"{dataset}: {dag_run_id}")
        show_progress(calls, bars, dataset, dag_run_id)
    return books_of(api, dataset, dag_run_id)


def follow_backfill(
    api: Airflow, dataset: str, backfill_id: int, periods: Sequence[datetime], *, timeout: float, quiet: bool
) -> list[RunBooks]:
    """Wait for the end of all runs of a backfill; their books, oldest period first."""
    deadline = time.monotonic() + timeout
    api.patience = PATIENCE
    with waiting_bar(f"{dataset}: periods", len(periods), quiet=quiet) as show:
        while True:
            runs = [run for period in periods if (run := api.run_of_period(dataset, period))]
            ended = sum(run.finished for run in runs)
            show(ended)
            if ended == len(runs) and api.backfill_is_done(backfill_id):
                return [books_of(api, dataset, run.dag_run_id) for run in runs]
            pause(deadline, f"{dataset}: backfill {backfill_id}")


def database() -> Ledger:
    """The ledger, as the command line reads it."""
    return Ledger(settings().require("database_url"), patience=PATIENCE)


def show_progress(calls: Ledger, bars: StepBars, dataset: str, dag_run_id: str) -> None:
    """Draw how far the run is, once it has opened its books."""
    run = calls(ledger.find_run, dataset, dag_run_id)
    if run is not None:
        bars.show(calls(progress_of, run.run_id))


def pause(deadline: float, what: str) -> None:
    """Until the next look."""
    if time.monotonic() > deadline:
        raise Retriable(f"{what} has not ended in the time given; it goes on. See `headgate books`.")
    time.sleep(POLL)


def books_of(api: Airflow, dataset: str, dag_run_id: str) -> RunBooks:
    """The books of an ended run. A run that Airflow calls failed is failed, whatever the ledger says."""
    with closing(database()) as calls:
        run = calls(ledger.find_run, dataset, dag_run_id)
        failed = api.dag_run(dataset, dag_run_id).state == "failed"
        if run is None:
            why = api.failure(dataset, dag_run_id) or "no step of it started; is the scheduler running?"
            raise Fatal(f"the run failed before it opened its books. {why}")
        books = calls(run_books, run)
    if failed:
        reason = told(books.run.reason or "", api.failure(dataset, dag_run_id) or "")
        return replace(books, run=replace(books.run, state="failed", reason=reason or None))
    return books


def told(reason: str, failure: str) -> str:
    """The run's reason with what the failed step says in the place of "see its log"."""
    step, _, said = failure.partition(": ")
    return reason.replace(f"step {step} failed, see its log", f"step {step} failed: {said}") or failure
