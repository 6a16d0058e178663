"""Airflow's pools of API providers: how many tasks may ask one at the same time, over all its datasets.

The scheduler makes a pool that is missing when a run starts that needs it: a task of a pool that does not
exist would wait for ever, and say so in the scheduler's log only. A pool that is there keeps its size, which
people may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

PREFIX = "source_"


def pool_of(provider: str) -> str:
    """The name of a provider's pool."""
    return PREFIX + provider


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Called in the scheduler, before a task of the run is scheduled."""
    make_missing(dag_run.dag_id, dag_run.run_id)


def make_missing(dag_id: str, dag_run_id: str) -> list[str]:
    """Make the pools of providers that tasks of this run name and that are not there; their names."""
    from airflow.models.pool import Pool
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    wanted = select(TaskInstance.pool).where(
        TaskInstance.dag_id == dag_id,
        TaskInstance.run_id == dag_run_id,
        TaskInstance.pool.startswith(PREFIX, autoescape=True),
    )
    made: list[str] = []
    with create_session(scoped=False) as session:  # the scheduler's own may not commit here
        there = select(Pool.pool)
        for name in session.scalars(wanted.except_(there)).all():
            session.add(new_pool(name))
            made.append(name)
    return made


def new_pool(name: str) -> Any:
    """The pool of a provider as it says itself; of one that is not known here, the smallest."""
    from airflow.models.pool import Pool

    from headgate.sources.catalogue import PROVIDERS, provider

    known = name.removeprefix(PREFIX)
    slots = provider(known).tasks if known in PROVIDERS else 1
    return Pool(
        pool=name,
        slots=slots,
        description=f"Tasks that may ask {known} at the same time",
        include_deferred=False,
    )
