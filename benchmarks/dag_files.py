"""Reading the DAG file with many datasets: as the dag-processor does, and as each task process does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.harness import Figures
from benchmarks.shapes import document
from headgate.paths import dags_dir, plugins_dir

SHAPES = ("mid", "wide")
TASK = {"_AIRFLOW_PARSING_CONTEXT_TASK_ID": "scan"}  # with the DAG's id: what a task process is told


def figures(counts: Sequence[int]) -> Figures:
    """A line for each shape and number of datasets."""
    rows = [measured(shape, count) for shape in SHAPES for count in counts]
    return Figures(
        "Reading the DAG file",
        ("shape", "datasets", "all DAGs s", "to be stored s", "one task's DAG s"),
        rows,
        "all DAGs: what the dag-processor reads; to be stored: what it then writes into Airflow's database, "
        "without the writing; one task's DAG: what each task process reads. Airflow is imported before.",
    )


def measured(shape: str, count: int) -> tuple[str, int, float, float, float]:
    with TemporaryDirectory() as home:
        dags = Path(home, "dags")
        (dags / "datasets").mkdir(parents=True)
        shutil.copy(dags_dir() / "headgate_datasets.py", dags)
        for number in range(count):
            dataset = f"{shape}_{number:04}"
            (dags / "datasets" / f"{dataset}.yaml").write_text(yaml.safe_dump(document(shape, dataset)))
        everything = read(dags, {})
        one = read(dags, TASK | {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": f"{shape}_0000"})
    assert (everything["dags"], one["dags"]) == (count, 1)
    return shape, count, round(everything["read"], 2), round(everything["stored"], 2), round(one["read"], 3)


def read(dags: Path, context: dict[str, str]) -> dict[str, Any]:
    """Read the folder in a process with an Airflow of its own."""
    own = {
        "AIRFLOW_HOME": str(dags.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins_dir()),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{dags.parent}/airflow.db",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", __name__, str(dags / "headgate_datasets.py")]
    done = subprocess.run(
        command, env=os.environ | own | context, stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main(file: str) -> None:
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    begin = time.perf_counter()
    names: dict[str, Any] = {"__file__": file, "__name__": "dag_file"}
    exec(compile(Path(file).read_text(), file, "exec"), names)  # noqa: S102  as Airflow does
    seconds = time.perf_counter() - begin
    dags = [value for value in names.values() if isinstance(value, DAG)]
    begin = time.perf_counter()
    for dag in dags:
        DagSerialization.serialize_dag(dag)
    print(json.dumps({"dags": len(dags), "read": seconds, "stored": time.perf_counter() - begin}))


if __name__ == "__main__":
    main(*sys.argv[1:])
