"""Runs of a dataset's DAG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid5

from psycopg2.extras import Json

from headgate import events
from headgate.db import query, records, transaction
from headgate.errors import Fatal
from headgate.events import Event
from headgate.message import NAMESPACE, traceparent

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor


LIVE = "live"  # kind of the run that an hour of a live stream is
# Before the name of the bucket that replays of a minute's rows land in; a minute itself has no stored bytes.
LIVE_BUCKET = "live:"
UNOPENED = "it ended before its books were opened"
MEND = "headgate errors list --where dataset={dataset}"


@dataclass(frozen=True)
class Run:
    """A row of ``headgate.run``; `dag_run_id` is Airflow's name of it."""

    run_id: int
    dataset: str
    dag_run_id: str
    kind: str
    params: dict[str, Any]
    interval_start: datetime | None
    interval_end: datetime | None
    contract_version: int
    state: str
    reason: str | None
    started_at: datetime
    finished_at: datetime | None


def open_run(
    conn: Connection,
    *,
    dataset: str,
    dag_run_id: str,
    contract_version: int,
    kind: str = "manual",
    params: Mapping[str, Any] | None = None,
    interval_start: datetime | None = None,
    interval_end: datetime | None = None,
) -> Run:
    """The run of this DAG run: a new one, or the same again, back in state running."""
    values = {
        "dataset": dataset,
        "dag_run_id": dag_run_id,
        "kind": kind,
        "params": Json(dict(params or {})),
        "interval_start": interval_start,
        "interval_end": interval_end,
        "contract_version": contract_version,
    }
    with transaction(conn) as cursor:
        cursor.execute(query("run_open"), values)
        return records(cursor, Run)[0]


def get_run(conn: Connection, run_id: int) -> Run:
    """The run with this id; ``Fatal`` when there is none."""
    with transaction(conn) as cursor:
        cursor.execute(query("run_get"), {"run_id": run_id})
        found = records(cursor, Run)
    if not found:
        raise Fatal(f"there is no run {run_id}; `headgate books DATASET --all` lists them")
    return found[0]


def find_run(conn: Connection, dataset: str, dag_run_id: str) -> Run | None:
    """The run of an Airflow DAG run, if its first task has opened it."""
    with transaction(conn) as cursor:
        return _named(cursor, dataset, dag_run_id)


def _named(cursor: Cursor, dataset: str, dag_run_id: str) -> Run | None:
    cursor.execute(query("run_find"), {"dataset": dataset, "dag_run_id": dag_run_id})
    return next(iter(records(cursor, Run)), None)


def latest_run(conn: Connection, dataset: str) -> Run | None:
    """The dataset's newest run."""
    with transaction(conn) as cursor:
        cursor.execute(query("run_latest"), {"dataset": dataset})
        return next(iter(records(cursor, Run)), None)


def running_runs(conn: Connection, run: Run) -> list[tuple[int, str]]:
    """(run_id, dag_run_id) of the dataset's other runs that have not closed their books."""
    with transaction(conn) as cursor:
        cursor.execute(query("run_others_running"), {"dataset": run.dataset, "run_id": run.run_id})
        return list(cursor.fetchall())


def finish_run(
    conn: Connection,
    run_id: int,
    state: Literal["success", "failed", "dry_run"],
    reason: str | None = None,
    news: Sequence[Event] = (),
) -> Run:
    """Close the run; `reason` says why it failed. `news` is recorded unless it was closed so before.

    With a success the errors of the dataset's tasks so far are resolved: what they left has been done.
    """
    with transaction(conn) as cursor:
        cursor.execute(query("run_lock"), {"run_id": run_id})
        (before,) = records(cursor, Run)
        cursor.execute(query("run_finish"), {"run_id": run_id, "state": state, "reason": reason})
        (run,) = records(cursor, Run)
        if state == "success" and run.kind != LIVE:
            cursor.execute(query("error_resolve_tasks"), {"dataset": run.dataset})
        if (run.state, run.reason) != (before.state, before.reason):
            for event in news:
                events.record_change(cursor, event)
    return run


def bury_runs(cursor: Cursor, dataset: str, run_ids: Sequence[int]) -> None:
    """Close runs as failed whose DAG runs are over although they never closed their books."""
    cursor.execute(query("run_bury"), {"dataset": dataset, "run_ids": list(run_ids)})
    for run in records(cursor, Run):
        events.record(cursor, run_event("run.failed", run, {"reason": run.reason}))


def run_event(kind: str, run: Run, data: Mapping[str, Any]) -> Event:
    """An event about a run."""
    about = {"run_id": run.run_id, "dag_run_id": run.dag_run_id}
    return Event(kind, run.dataset, run.dag_run_id, about | dict(data), traceparent=traceparent(run.run_id))


def run_has_failed(conn: Connection, dataset: str, dag_run_id: str) -> bool:
    """Record that a DAG run failed whose books nobody has closed, or opened; False when they are closed."""
    with transaction(conn) as cursor:
        run = _named(cursor, dataset, dag_run_id)
        if run is None:
            told = {"dag_run_id": dag_run_id, "reason": UNOPENED, "mend": MEND.format(dataset=dataset)}
            events.record(cursor, Event("run.failed", dataset, dag_run_id, told))
        elif run.state == "running":
            bury_runs(cursor, dataset, [run.run_id])
        return run is None or run.state == "running"


def server_is_away(conn: Connection, dataset: str, dag_run_id: str, reason: str) -> bool:
    """Record that a run waits for a server; False when people know that the dataset does."""
    event = Event("server.away", dataset, dag_run_id, {"dag_run_id": dag_run_id, "reason": reason})
    with transaction(conn) as cursor:
        cursor.execute(query("event_newest"), {"fingerprint": event.fingerprint})
        if cursor.fetchone() == ("firing",):
            return False
        events.record(cursor, event)
    return True


def run_is_late(conn: Connection, dataset: str, dag_run_id: str, due_at: datetime) -> bool:
    """Record that a run was not done in time; False when it is done by now."""
    with transaction(conn) as cursor:
        run = _named(cursor, dataset, dag_run_id)
        if run is not None and run.state != "running":
            return False
        data = {"dag_run_id": dag_run_id, "due_at": due_at, "run_id": run.run_id if run else None}
        event_id = str(uuid5(NAMESPACE, f"late/{dataset}/{dag_run_id}/{due_at.isoformat()}"))
        events.record(cursor, Event("run.late", dataset, dag_run_id, data, event_id=event_id))
    return True


def task_reasons(conn: Connection, run_id: int) -> dict[str, str]:
    """Why the run's tasks failed, by task: their newest tries, as far as the error consumer has told."""
    with transaction(conn) as cursor:
        cursor.execute(query("run_task_reasons"), {"run_id": run_id})
        return dict(cursor.fetchall())


def volumes(conn: Connection, run: Run, limit: int) -> list[int]:
    """Rows of the dataset's last runs before this one that took all that was new; newest first."""
    with transaction(conn) as cursor:
        cursor.execute(query("run_volumes"), {**vars(run), "limit": limit})
        return [rows for (rows,) in cursor]
