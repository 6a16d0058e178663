"""What the executor imports before it forks, in a process of its own. Prints JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HEAVY = ("great_expectations", "hishel", "minio", "pandas", "pika", "psycopg2", "pyarrow", "zstandard")


def main(folder: Path, suites: Path) -> None:
    """Preload, then what a task does first: read its DAG, make its suite."""
    from headgate.airflow_ext.executor import preload

    preload()
    threads = len(list(Path("/proc/self/task").iterdir()))
    sockets = [link for link in map(target, Path("/proc/self/fd").iterdir()) if link.startswith("socket:")]
    loaded = set(sys.modules)
    read_as_a_task_does(folder, suites)
    print(
        json.dumps(
            {
                "missing": sorted(set(HEAVY) - loaded),
                "threads": threads,
                "sockets": len(sockets),
                "later": sorted(name for name in set(sys.modules) - loaded if "." not in name),
            }
        )
    )


def target(descriptor: Path) -> str:
    """What a file descriptor of this process is."""
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # that of the listing itself
        return ""


def read_as_a_task_does(folder: Path, suites: Path) -> None:
    from airflow.dag_processing.dagbag import BundleDagBag

    from headgate.checks import Suite
    from headgate.contract import load_contract

    file = folder / "headgate_datasets.py"
    bag = BundleDagBag(str(file), safe_mode=False, load_op_links=False, bundle_path=folder, bundle_name="d")
    assert "egrid_plants" in bag.dags, bag.import_errors
    contract = load_contract(folder / "datasets" / "egrid_plants.yaml")
    Suite(suites / "egrid_plants.json", contract)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
