"""DAG files: light, offline, complete."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headgate.contract import load_contracts
from headgate.paths import dags_dir, datasets_dir, expectations_dir
from headgate.sources.catalogue import provider
from headgate.stack.airflow_services import TUNING
from tests.dags.conftest import Python, last_json, python_with

STEPS = ["gate", "inspect", "report", "scan", "settle", "stream", "validate"]
PARAMS = ["accept_rejects", "accept_removals", "dry_run", "objects", "prefix", "reload"]
MAINTENANCE = "headgate_maintenance"
CONTRACTS = load_contracts(datasets_dir())
DATASETS = sorted(CONTRACTS)
SOURCES = [name for name in DATASETS if CONTRACTS[name].source is not None]


# What takes an Airflow of its own has minutes on a busy machine.


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return last_json(python_with(tmp_path_factory.mktemp("airflow"))("parse.py", dags_dir()))


def time_to_first_run(parsed: Any, dag: str) -> timedelta:
    """From the parse to the first run that the scheduler would start by itself."""
    return datetime.fromisoformat(parsed["dags"][dag]["first_run"]) - datetime.fromisoformat(parsed["now"])


def test_one_dag_a_contract_in_under_two_seconds_each_and_without_a_connection(parsed: Any) -> None:
    assert sorted(parsed["dags"]) == sorted([*DATASETS, MAINTENANCE])
    assert parsed["seconds"] < 2.0 * len(DATASETS)
    assert parsed["heavy"] == []


def test_a_task_process_builds_only_the_dag_of_its_task(airflow_python: Python) -> None:
    printed = airflow_python("parse.py", dags_dir(), _AIRFLOW_PARSING_CONTEXT_DAG_ID="egrid_plants")
    assert list(last_json(printed)["dags"]) == ["egrid_plants"]


def test_the_maintenance_prunes_once_a_day_by_itself(parsed: Any) -> None:
    dag = parsed["dags"][MAINTENANCE]
    assert (dag["tasks"], dag["params"], dag["max_active_runs"]) == (["prune"], ["dry_run"], 1)
    assert timedelta() < time_to_first_run(parsed, MAINTENANCE) < timedelta(days=1, hours=1)


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_dag_has_its_steps_limits_form_and_page(parsed: Any, dataset: str) -> None:
    dag, is_source = parsed["dags"][dataset], dataset in SOURCES
    assert dag["tasks"] == sorted([*STEPS, *(["fetch", "windows"] if is_source else [])])
    assert dag["mapped"] == [*(["fetch"] if is_source else []), "stream", "validate"]
    assert dag["triggers"]["report"] == "all_done"
    assert {dag["triggers"][step] for step in ("validate", "gate", "stream", "settle")} == {"none_failed"}
    assert dag["params"] == sorted([*PARAMS, *(["from", "refetch", "to"] if is_source else [])])
    assert dag["params_of_tasks"] == []  # copies of the DAG's: they were two thirds of the time of a parse
    assert (dag["max_active_runs"], dag["retries"]) == (1, [3])
    assert "headgate" in dag["tags"]
    limit = CONTRACTS[dataset].sla_limit("runtime") or CONTRACTS[dataset].sla_limit("latency")
    assert dag["deadline"] == ([limit.total_seconds()] if limit else [])
    assert dag["tells_of_failures"]
    assert dag["owner"] not in ("", "airflow")
    key = CONTRACTS[dataset].by_name[CONTRACTS[dataset].key[0]]
    for part in (
        "## Columns",
        f"| **{key.name}** | {key.type}",
        "## Rules",
        "headgate fetch" if is_source else "headgate put",
    ):
        assert part in dag["doc"]


@pytest.mark.parametrize("dataset", SOURCES)
def test_a_source_is_asked_in_its_own_pool_and_by_nobody_before_somebody_says_so(
    parsed: Any, dataset: str
) -> None:
    dag = parsed["dags"][dataset]
    assert dag["pools"] == {"fetch": f"source_{CONTRACTS[dataset].source.provider}"}
    assert dag["paused"] is True
    assert (dag["catchup"], dag["triggers"]["scan"], dag["upstream"]["scan"]) == (
        False,
        "all_done",
        ["fetch"],
    )


@pytest.mark.parametrize("dataset", sorted(set(DATASETS) - set(SOURCES)))
def test_a_file_dataset_scans_first_and_needs_no_pool(parsed: Any, dataset: str) -> None:
    dag = parsed["dags"][dataset]
    assert (dag["pools"], dag["paused"], dag["catchup"]) == ({}, None, False)
    assert (dag["triggers"]["scan"], dag["upstream"]["scan"]) == ("all_success", [])


@pytest.mark.parametrize("dataset", DATASETS)
def test_nothing_is_watched_unless_the_contract_says_so(parsed: Any, dataset: str) -> None:
    assert bool(parsed["dags"][dataset]["watched"]) is CONTRACTS[dataset].start_on_arrival


@pytest.mark.parametrize("cron", [True, False])
def test_a_dataset_that_starts_on_arrival_is_watched_and_keeps_its_schedule(
    airflow_python: Python, tmp_path: Path, cron: bool
) -> None:
    shutil.copytree(dags_dir(), tmp_path / "dags")
    contract = tmp_path / "dags" / "datasets" / "egrid_plants.yaml"
    text = contract.read_text().replace(
        "\ncustomProperties:\n", "\ncustomProperties:\n  - {property: startOnArrival, value: true}\n", 1
    )
    contract.write_text(text if cron else text.replace(', scheduler: cron, schedule: "0 6 * * *"', ""))

    dag = last_json(airflow_python("parse.py", tmp_path / "dags"))["dags"]["egrid_plants"]

    place = {"dataset": "egrid_plants", "bucket": "headgate-landing", "prefix": "egrid_plants/"}
    assert dag["watched"] == [["headgate.airflow_ext.arrivals.ArrivalTrigger", place]]
    assert (dag["first_run"] is not None) is cron


def test_a_run_covers_all_since_the_run_before(airflow_python: Python) -> None:
    """The longest time between two runs, also where it lies between two weeks or two years."""
    expected = {
        "0 6 * * *": 24,
        "17 * * * *": 1,
        "*/30 8-17 * * *": 14.5,
        "0 6 * * 1": 7 * 24,
        "0 6 * * 1-5": 3 * 24,
        "0 0 1,16 * *": 16 * 24,
        "0 0 1 1,7 *": 184 * 24,
        "0 0 1 * *": "relativedelta(months=+1)",
    }
    assert last_json(airflow_python("periods.py", *expected)) == expected


def test_what_tasks_need_is_imported_before_the_fork_without_a_thread_or_a_connection(
    airflow_python: Python,
) -> None:
    found = last_json(airflow_python("preload.py", dags_dir(), expectations_dir(), **TUNING))
    later = [name for name in found.pop("later") if not name.startswith("unusual_prefix_")]  # the DAG file
    assert found == {"missing": [], "threads": 1, "sockets": 0}
    assert later == []


def test_a_library_that_is_missing_does_not_keep_the_scheduler_from_starting(airflow_python: Python) -> None:
    assert last_json(airflow_python("preload_without.py", **TUNING)) == {"pandas": True}


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_scheduler_waits_for_the_next_time_and_does_not_start_a_run_at_once(
    parsed: Any, dataset: str
) -> None:
    first_run = parsed["dags"][dataset]["first_run"]
    assert first_run is None or time_to_first_run(parsed, dataset) > timedelta()


def test_the_scheduler_makes_a_pool_that_is_missing_and_keeps_one_that_is_there(
    airflow_python: Python,
) -> None:
    printed = airflow_python(
        "pools.py", dags_dir(), "power_daily", AIRFLOW__CORE__DAGS_FOLDER=str(dags_dir())
    )
    tasks = provider("nasa_power").tasks
    assert last_json(printed, "RESULT ") == [{"source_nasa_power": tasks}, {"source_nasa_power": 7}]
