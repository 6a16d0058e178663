"""Airflow in processes of their own: its state must not leak into other tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headgate.paths import CHECKOUT, plugins_dir

HERE = Path(__file__).resolve().parent
Python = Callable[..., str]


@pytest.fixture
def airflow_python(tmp_path: Path) -> Python:
    """Runs scripts with an Airflow of the test's own."""
    return python_with(tmp_path / "airflow")


def python_with(home: Path) -> Python:
    """Runs a script of this folder with this Airflow home; what it printed."""

    def run(script: str, *arguments: object, **variables: str) -> str:
        finished = subprocess.run(
            [sys.executable, HERE / script, *map(str, arguments)],
            env={**os.environ, **airflow_variables(home), **variables},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if finished.returncode:
            pytest.fail(f"{script}: {finished.stdout[-5000:]}\n{finished.stderr[-8000:]}")
        return finished.stdout

    return run


def airflow_variables(home: Path) -> dict[str, str]:
    """A small Airflow: sqlite, no examples, our plugins folder."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins_dir()),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "PYTHONWARNINGS": "ignore",
    }


def last_json(printed: str, mark: str = "") -> Any:
    """The JSON of the last line that begins with ``mark``."""
    lines = [line for line in printed.splitlines() if line.startswith(mark)]
    return json.loads(lines[-1].removeprefix(mark))
