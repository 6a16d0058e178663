"""The DAG of an API source by ``dag.test()``: a fresh Airflow, a stub provider, real servers and consumer."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headgate.contract import load_contract
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.failures import TaskError
from headgate.paths import dags_dir, datasets_dir, expectations_dir
from tests.conftest import Environment
from tests.dags.conftest import Python, last_json
from tests.dags.test_run import CLEAN, handed_over, rows
from tests.integration.road import consumer
from tests.stubs.host import Stubs

DATASET = "power_daily"
MONTH = {"from": "2026-09-01", "to": "2026-09-30"}
SOURCE_CLEAN = {"windows": ["success"], "fetch": ["success"], **CLEAN}


@pytest.fixture
def folder(environment: Environment, tmp_path: Path) -> Path:
    return folder_of(DATASET, environment, tmp_path)


def folder_of(dataset: str, environment: Environment, tmp_path: Path) -> Path:
    """A DAG folder whose contract names the test's bucket, applied to the test's database."""
    made = tmp_path / "project" / "dags"
    (made / "datasets").mkdir(parents=True)
    for file in dags_dir().glob("*.py"):
        shutil.copy(file, made)
    shutil.copytree(expectations_dir(), made.parent / "expectations")
    text = (datasets_dir() / f"{dataset}.yaml").read_text(encoding="utf-8")
    path = made / "datasets" / f"{dataset}.yaml"
    path.write_text(text.replace("s3://headgate-landing/", f"s3://{environment.buckets.landing}/"))
    with closing(connect(environment.database.owner_url)) as conn:
        apply_contract(conn, load_contract(path))
    return made


def run(
    airflow_python: Python,
    folder: Path,
    stubs: Stubs,
    *confs: dict[str, Any],
    dataset: str = DATASET,
    **unset: str,
) -> Any:
    """The DAG, once for each conf; ``unset`` settings have other values than those of the stubs."""
    variables = (
        stubs.settings
        | unset
        | {
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
            "HEADGATE_SOURCES_ATTEMPTS": "1",
            "HEADGATE_SOURCES_WAIT_SECONDS": "1",
        }
    )
    printed = airflow_python("drive.py", folder, dataset, *map(json.dumps, confs), **variables)
    print(printed)  # pytest shows it when a test fails
    return last_json(printed, "RESULT ")


def test_a_source_is_fetched_and_loaded(
    environment: Environment, airflow_python: Python, folder: Path, stubs: Stubs
) -> None:
    with consumer(environment):
        (first,) = run(airflow_python, folder, stubs, MONTH)

    assert (first["state"], first["tasks"]) == ("success", SOURCE_CLEAN)
    [(count,)] = rows(environment, "SELECT count(*) FROM climate.power_daily")
    assert count > 0
    [(state, read, inserted)] = rows(
        environment, "SELECT state, read, inserted FROM headgate.books_run WHERE run_id = 1"
    )
    assert (state, read) == ("success", inserted)
    secrets = [value for value in stubs.settings.values() if "//" not in value]
    assert all(secret not in json.dumps(first) for secret in secrets)


def test_a_provider_that_is_down_leaves_the_run_green_and_says_what_is_missing(
    environment: Environment, airflow_python: Python, folder: Path, stubs: Stubs
) -> None:
    stubs.do("down", provider="nasa_power", seconds=600)
    (outcome,) = run(airflow_python, folder, stubs, MONTH)
    skipped = {step: ["skipped"] for step in ("validate", "stream")}
    assert (outcome["state"], outcome["tasks"]) == ("success", SOURCE_CLEAN | skipped)
    ((reason,),) = rows(environment, "SELECT reason FROM headgate.run")
    assert "2 of 2 windows were not fetched: " in reason


def test_missing_credentials_fail_the_fetch_with_what_to_set_and_what_is_landed_is_loaded(
    environment: Environment, airflow_python: Python, tmp_path: Path, stubs: Stubs
) -> None:
    folder = folder_of("ghcn_daily", environment, tmp_path)
    token = "HEADGATE_SOURCE_NOAA_CDO_TOKEN"
    (outcome,) = run(airflow_python, folder, stubs, MONTH, dataset="ghcn_daily", **{token: ""})
    assert outcome["state"] == "failed"
    assert (outcome["tasks"]["fetch"], outcome["tasks"]["scan"]) == (["failed"], ["success"])
    assert outcome["tasks"]["report"] == ["failed"]
    ((reason,),) = rows(environment, "SELECT reason FROM headgate.run")
    assert "step fetch failed" in reason
    [failed, *_] = [TaskError.model_validate_json(body) for body in handed_over(environment)]
    assert (failed.task_id, failed.error_class, failed.run_id) == ("fetch", "fatal", 1)
    assert token in failed.reason
    states = rows(environment, "SELECT DISTINCT state FROM headgate.fetch")
    assert states == [("wanted",)]  # for the next run
