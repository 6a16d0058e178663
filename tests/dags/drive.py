"""Run DAGs by ``dag.test()`` on a fresh Airflow of its own, in a process of its own.

Arguments: the folder of DAGs, the DAG, then the conf of each run as JSON. Prints a JSON list: the state of
each run and of its tasks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(folder: Path, dag_id: str, confs: list[dict[str, Any]]) -> None:
    """Make the database, load the DAG, run it once for each conf."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils import db

    db.initdb()
    bag = DagBag(dag_folder=str(folder))
    if bag.import_errors:
        raise SystemExit(json.dumps({name: str(error) for name, error in bag.import_errors.items()}))
    results = [outcome(bag.dags[dag_id], conf) for conf in confs]
    print("RESULT " + json.dumps(results))


def outcome(dag: Any, conf: dict[str, Any]) -> dict[str, Any]:
    """One run to its end."""
    dag.deadline = None  # dag.test() of Airflow 3.3.2 takes the alert itself for the id of its row
    run = dag.test(run_conf=conf)
    tasks: dict[str, list[str]] = {}
    for instance in run.get_task_instances():
        tasks.setdefault(instance.task_id, []).append(str(instance.state))
    return {"run_id": run.run_id, "state": str(run.state), "tasks": tasks}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [json.loads(conf) for conf in sys.argv[3:]])
