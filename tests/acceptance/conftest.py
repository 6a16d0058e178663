"""A whole private stack, Airflow included, used only through the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
HEADGATE = Path(sys.executable).with_name("headgate")


@dataclass(frozen=True)
class Headgate:
    """The command line of a stack of its own."""

    home: Path

    def __call__(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command; a failure that was not expected shows what it printed."""
        finished = subprocess.run(
            [HEADGATE, *map(str, arguments)],
            env={**os.environ, "HEADGATE_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        if check and finished.returncode:
            pytest.fail(f"headgate {' '.join(map(str, arguments))}\n{finished.stdout}\n{finished.stderr}")
        return finished

    def json(self, *arguments: object, check: bool = True) -> Any:
        """What a command prints with --json."""
        return json.loads(self(*arguments, "--json", check=check).stdout)

    def run(self, dataset: str, *arguments: object, check: bool = True) -> Any:
        """Run the dataset's DAG to its end; the books of the run."""
        return self.json("run", dataset, "--wait", *arguments, check=check)

    def sql(self, query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.json("sql", query)
        return rows


@pytest.fixture(scope="package")
def headgate() -> Iterator[Headgate]:
    """`headgate up` in a new home of its own, with stub providers; `headgate down` at the end."""
    stack = Headgate(PROJECT / ".headgate" / "acceptance")
    stack("down", check=False)  # what a killed run left
    shutil.rmtree(stack.home, ignore_errors=True)
    stack("up", "--with-stubs")
    yield stack
    stack("down")
