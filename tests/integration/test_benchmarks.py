"""The benchmark's command, with so few rows that its figures say nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.conftest import CHECKOUT
from tests.conftest import test_home as home_of_tests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LINES = {
    r"psql \copy": "by hand",
    "staging + upsert": "by hand",
    "2 consumers": "consumers",
    "stream + 2 consumers": "consumers",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The JSON file's content and the picture of one quick run."""
    folder = tmp_path_factory.mktemp("bench")
    made = [f"--json={folder / 'results.json'}", f"--svg={folder / 'results.svg'}"]
    home = f"--home={home_of_tests().with_name('bench-test')}"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--parts=loads", home, *made]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rows/s" in done.stdout
    return json.loads((folder / "results.json").read_text()), folder / "results.svg"


def test_every_line_loads_everything_and_is_measured(files: tuple[dict[str, Any], Path]) -> None:
    """Each line checks rows and sums by itself; one that does not load everything has no figures."""
    document, _ = files
    fresh = [result for result in document["results"] if result["workload"]["change"] == "fresh"]
    assert {result["line"]: result["group"] for result in fresh} == LINES
    for result in fresh:
        assert result["rows_per_s"] > 0
        assert result["wal_bytes"] > 0
        assert len(result["runs"]) == 1
    by_name = {result["line"]: result for result in fresh}
    assert by_name[r"psql \copy"]["ratio"] == 1.0
    assert {"consumer", "rabbitmq", "headgate task"} <= set(by_name["stream + 2 consumers"]["rss_bytes"])


def test_what_a_line_cannot_do_is_said_with_the_reason(files: tuple[dict[str, Any], Path]) -> None:
    document, _ = files
    changed = [result for result in document["results"] if result["workload"]["change"] == "one_percent"]
    skipped = {result["line"]: result["skipped"] for result in changed if "skipped" in result}
    assert skipped == {r"psql \copy": r"\copy cannot meet keys that are there"}
    assert {result["reference"] for result in changed if "runs" in result} == {"staging + upsert"}


def test_machine_versions_and_configurations_are_recorded(files: tuple[dict[str, Any], Path]) -> None:
    document, _ = files
    assert document["machine"]["cores"] > 0
    assert document["versions"]["postgres"].startswith("18")
    assert document["postgres"]["shared_buffers"]
    assert set(LINES) <= {line["name"] for line in document["lines"] if line["config"]}


def test_the_picture_has_a_bar_for_each_measured_line(files: tuple[dict[str, Any], Path]) -> None:
    document, picture = files
    bars = ElementTree.parse(picture).getroot().iter("{http://www.w3.org/2000/svg}rect")
    assert len(list(bars)) == sum("runs" in result for result in document["results"])
