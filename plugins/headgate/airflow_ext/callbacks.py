"""What Airflow calls when a try of a task or a whole run fails, and when a run misses its deadline.

Imported while DAG files are parsed, so everything heavy is imported inside the functions. A callback is
never in the way: what goes wrong here is logged, and the task's own outcome stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from headgate.failures import TaskError
    from headgate.steps.services import Services

KILLED = "the task's process ended without a word: killed, out of memory, or its machine is gone"
PATIENCE = 30.0  # seconds that a callback waits for Postgres


def task_will_retry(context: Context) -> None:
    """A try failed, and Airflow tries again."""
    hand_over(context, will_retry=True)


def task_failed(context: Context) -> None:
    """The last try failed."""
    hand_over(context, will_retry=False)


async def run_is_late(dataset: str, context: dict[str, Any]) -> None:
    """Runs in the triggerer when a run of the dataset has missed the deadline of its contract.

    A backfill may take its time: its runs wait for each other.
    """
    if context["dag_run"]["run_type"] == "backfill":
        return
    due_at = context["deadline"]["deadline_time"]
    if not isinstance(due_at, datetime):
        due_at = datetime.fromisoformat(due_at)
    await asyncio.to_thread(tell_late, dataset, context["dag_run"]["dag_run_id"], due_at)


def tell_late(dataset: str, dag_run_id: str, due_at: datetime) -> None:
    """Tell people, when the database is there to remember it; an outage is waited out."""
    from headgate.airflow_ext.tasks import services
    from headgate.steps.failure import tell_late as step

    step(services(), dataset, dag_run_id, due_at)


def run_failed(context: Context) -> None:
    """The DAG run is over and red."""
    from headgate.steps.failure import tell_failed

    found: Any = context
    told(lambda services: tell_failed(services, found["dag"].dag_id, found["run_id"]))


def hand_over(context: Context, *, will_retry: bool) -> None:
    """Send what is known of the failure to the error consumer; tell people of a server that is away."""
    from headgate.errors import Retriable
    from headgate.steps.failure import hand_over as step
    from headgate.steps.failure import tell_away

    error = error_of(context, will_retry=will_retry)
    told(lambda services: step(services, error))
    if isinstance(context.get("exception"), Retriable):
        told(lambda services: tell_away(services, error.dataset, error.dag_run_id, error.reason))


def told(step: Callable[[Services], None]) -> None:
    """Do it with services that wait a little."""
    import structlog

    from headgate.airflow_ext.hooks import task_settings
    from headgate.errors import HeadgateError
    from headgate.steps.services import Services

    try:
        step(Services.of(task_settings(), patience=PATIENCE, reread=task_settings))
    except HeadgateError as error:
        structlog.get_logger("headgate.callbacks").warning("the failure is not recorded", reason=str(error))


def error_of(context: Context, *, will_retry: bool) -> TaskError:
    """The failed try as the error consumer takes it."""
    import traceback

    from headgate.failures import LONGEST_REASON, LONGEST_TRACE, TaskError

    ti: Any = context["ti"]
    error = context.get("exception")
    trace = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
    return TaskError(
        dataset=ti.dag_id,
        dag_id=ti.dag_id,
        dag_run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        try_number=ti.try_number,
        will_retry=will_retry,
        error_class=class_of(error, will_retry=will_retry),
        exception=type(error).__name__ if error else "",
        reason=(str(error) if error else KILLED)[:LONGEST_REASON] or type(error).__name__,
        trace=trace[-LONGEST_TRACE:],
        failed_at=datetime.now(UTC),
    )


def class_of(error: object, *, will_retry: bool) -> Any:
    """What to do about it: our errors say so themselves, of others Airflow's decision does."""
    from headgate.errors import DataError, Retriable

    if isinstance(error, DataError):
        return "data"
    return "retriable" if isinstance(error, Retriable) or will_retry else "fatal"
