"""Parse a DAG folder as Airflow does, in a process of its own, and say what that cost. Prints JSON."""

from __future__ import annotations

import json
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

HEAVY = (
    "pandas",
    "numpy",
    "pyarrow",
    "great_expectations",
    "minio",
    "pika",
    "psycopg2",
    "zstandard",
    "httpx",
    "ijson",
    "authlib",
    "hishel",
)


def main(folder: Path) -> None:
    """The files of the folder: seconds of a processor, modules they drew in, and their DAGs."""
    from airflow.sdk import DAG  # what every DAG process has loaded before it reads a file

    socket.socket.connect = refuse  # type: ignore[method-assign]
    before = set(sys.modules)
    now, begun = datetime.now(UTC), time.process_time()
    names: dict[str, Any] = {}
    for file in sorted(folder.glob("*.py")):
        names |= {"__file__": str(file), "__name__": "dag_file"}
        exec(compile(file.read_text(), str(file), "exec"), names)
    seconds = time.process_time() - begun
    drawn = {module.split(".")[0] for module in set(sys.modules) - before}
    dags = {name: dag for name, dag in names.items() if isinstance(dag, DAG)}
    print(
        json.dumps(
            {
                "now": now.isoformat(),
                "seconds": seconds,
                "heavy": sorted(drawn & set(HEAVY)),
                "dags": {name: described(dag) for name, dag in dags.items()},
            }
        )
    )


def described(dag: Any) -> dict[str, Any]:
    """What the tests look at; serializing shows arguments that Airflow cannot store."""
    from airflow.serialization.serialized_objects import DagSerialization

    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    return {
        "tasks": sorted(dag.task_ids),
        "triggers": {task.task_id: task.trigger_rule.value for task in dag.tasks},
        "pools": {task.task_id: task.pool for task in dag.tasks if task.pool != "default_pool"},
        "upstream": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
        "paused": dag.is_paused_upon_creation,
        "catchup": dag.catchup,
        "mapped": sorted(task.task_id for task in dag.tasks if task.is_mapped),
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "params": sorted(dag.params),
        "params_of_tasks": sorted({name for task in dag.tasks for name in task.params}),
        "owner": dag.owner,
        "retries": sorted({task.retries for task in dag.tasks}),
        "max_active_runs": dag.max_active_runs,
        "first_run": first_run(stored),
        "watched": [
            watcher.trigger.serialize() for asset in watched(dag.timetable) for watcher in asset.watchers
        ],
        "deadline": [alert.interval.total_seconds() for alert in dag.deadline or ()],
        "tells_of_failures": all(task.on_failure_callback and task.on_retry_callback for task in dag.tasks),
    }


def watched(timetable: Any) -> list[Any]:
    """Assets that start runs."""
    condition = getattr(timetable, "asset_condition", None)
    return list(condition.objects) if condition else []


def first_run(stored: Any) -> str | None:
    """When the scheduler would start the first run of a DAG that has none."""
    from airflow.timetables.base import TimeRestriction

    info = stored.timetable.next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(stored.start_date, stored.end_date, stored.catchup),
    )
    return info.run_after.isoformat() if info else None


def refuse(*_: object) -> NoReturn:
    raise AssertionError("a connection was opened while a DAG file was parsed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
