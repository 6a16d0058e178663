"""Consumers run where Airflow and what its tasks need are not installed."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys

class Missing:
    names = {"airflow", "great_expectations", "pandas", "pyarrow", "numpy", "minio", "openpyxl"} | {
        "httpx", "apprise"}  # installed, but a start does not wait for them

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import consumers
import consumers.app, consumers.runner, consumers.database.handler, consumers.errors.handler
import consumers.notification.handler
consumers.app.main(["database", "--help"])
"""


def test_consumers_need_only_the_core() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--until-idle" in done.stdout


def test_help_says_how_it_stops_and_wrong_usage_is_two() -> None:
    command = [sys.executable, "-m", "consumers.app"]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "SIGTERM" in shown
    assert "exit codes" in shown
    assert subprocess.run([*command, "nothing"], capture_output=True, check=False).returncode == 2
