"""Airflow's LocalExecutor with everything imported that tasks need, before its workers are forked.

A task runs in a fork of a worker, which is a fork of the scheduler. What the scheduler has imported by then
costs a task neither time nor memory of its own; imported in the task, Great Expectations alone costs seconds.
Chosen by ``AIRFLOW__CORE__EXECUTOR=headgate.airflow_ext.executor.WarmLocalExecutor``. Code of the library and
of its dependencies that changes is taken up with the next start of the scheduler; DAG files and contracts are
read anew for each task, as ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from importlib import import_module

from airflow.executors.local_executor import LocalExecutor

from headgate.airflow_ext.lifeline import tie_forks

log = logging.getLogger(__name__)

# What a worker and the task in it import by themselves: the supervisor, the runner, the reader of DAG files.
AIRFLOW = (
    "airflow.dag_processing.dagbag",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.execution_time.timeout",
    "airflow.sdk.serde",
    "airflow.timetables.trigger",
)
HEADGATE = (
    "headgate.airflow_ext.factory",
    "headgate.airflow_ext.maintenance",
    "headgate.airflow_ext.tasks",
    "headgate.books",
    "headgate.contract.registry",
    "headgate.sources.client",
    "headgate.steps.failure",
    "headgate.steps.gate",
    "headgate.steps.inspect",
    "headgate.steps.maintain",
    "headgate.steps.report",
    "headgate.steps.scan",
    "headgate.steps.settle",
    "headgate.steps.stream",
    "headgate.steps.validate",
)
# Imported by them inside of functions, so that DAG files stay light.
LIBRARIES = (
    "certifi",
    "dateutil.relativedelta",
    "minio",
    "pandas",
    "pika",
    "psycopg2.extras",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.json",
    "pyarrow.parquet",
    "rich.console",
    "yaml",
    "zstandard",
)


class WarmLocalExecutor(LocalExecutor):
    """Forks its workers from a scheduler that has paid for the imports."""

    def start(self) -> None:
        """Import, then fork workers that end with the scheduler."""
        preload()
        tie_forks()
        super().start()


def preload() -> None:
    """Import what tasks need. It opens no connection and starts no thread that a fork would lose.

    What cannot be had is left to the task that needs it, and fails there with its reason.
    """
    for name in (*AIRFLOW, *LIBRARIES, *HEADGATE):
        attempt(name, partial(import_module, name))
    attempt("Great Expectations", warm_checks)
    attempt("Airflow's plugins and bundles", warm_airflow)


def attempt(what: str, action: Callable[[], object]) -> None:
    """The scheduler must start, whatever is wrong with what a task needs."""
    try:
        action()
    except Exception as error:  # noqa: BLE001
        log.warning("%s is not there before the fork: %s", what, error)


def warm_checks() -> None:
    """Great Expectations, with its registry of expectations and its in-memory context."""
    from headgate.checks.engine import engine

    engine()


def warm_airflow() -> None:
    """What Airflow looks up once a process: plugins, listeners, DAG bundles."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.sdk.listener import get_listener_manager

    get_listener_manager()
    DagBundlesManager()  # type: ignore[no-untyped-call]
