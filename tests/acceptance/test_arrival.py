"""Runs that nobody starts: files arrive, the triggerer sees them, on a whole private stack of its own."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from benchmarks.stack import OwnDags
from headgate import paths
from headgate.cli.airflow_api import Airflow
from headgate.contract import load_contract
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.stack import connections, postgres
from headgate.store import ObjectStore
from tests.integration.lab import DOCUMENT
from tests.polling import eventually

pytestmark = pytest.mark.timeout(3600)
DATASET = "arriving"
PROJECT = Path(__file__).resolve().parents[2]
WAIT = 300  # seconds; a busy machine takes minutes for a run


class ArrivalStack(OwnDags):
    """The private stack with one dataset, which starts on arrival and has no schedule."""

    def write_dags(self) -> None:
        """A folder of DAGs as the project's."""
        for folder in (self.dags / "datasets", self.layout.home / "expectations"):
            folder.mkdir(parents=True)
        shutil.copy(paths.dags_dir() / "headgate_datasets.py", self.dags)
        document = copy.deepcopy(DOCUMENT) | {"id": DATASET, "name": DATASET}
        document["servers"][0]["location"] = f"s3://headgate-landing/{DATASET}/"
        document["schema"][0] |= {"name": DATASET, "physicalName": f"lab.{DATASET}"}
        document["customProperties"] = [{"property": "startOnArrival", "value": True}]
        (self.dags / "datasets" / f"{DATASET}.yaml").write_text(yaml.safe_dump(document))
        suite = {"name": DATASET, "meta": {}, "expectations": []}
        (self.layout.home / "expectations" / f"{DATASET}.json").write_text(json.dumps(suite))

    @property
    def settings(self) -> Any:
        return connections.as_settings(self.layout, self.ports, self.secrets)

    def sql(self, statement: str, *, airflow: bool = False) -> list[tuple[Any, ...]]:
        """A query as the superuser, of Headgate's database or of Airflow's."""
        name = postgres.AIRFLOW_DATABASE if airflow else postgres.DATABASE
        url = postgres.admin_url(self.ports, self.secrets, name)
        with closing(psycopg2.connect(url)) as conn, conn.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def put(self, name: str, first: int, rows: int = 5) -> None:
        """A file of rows with keys of its own."""
        lines = ["id,amount,note", *(f"{code},1.5,n{code}" for code in range(first, first + rows))]
        store = ObjectStore.from_settings(self.settings)
        store.put_bytes("headgate-landing", f"{DATASET}/{name}.csv", "\n".join([*lines, ""]).encode())

    def rows(self) -> int:
        return int(self.sql(f"SELECT count(*) FROM lab.{DATASET}")[0][0])

    def runs(self) -> list[tuple[str, str, int]]:
        """State, kind and rows read of each run, when all are over."""
        eventually(lambda: not self.sql("SELECT FROM dag_run WHERE end_date IS NULL", airflow=True), WAIT)
        return self.sql("SELECT state, kind, read FROM headgate.books_run ORDER BY run_id")


@pytest.fixture(scope="module")
def stack() -> Iterator[ArrivalStack]:
    made = ArrivalStack(PROJECT / ".headgate" / "acceptance-arrival")
    made.down()
    shutil.rmtree(made.layout.home, ignore_errors=True)
    made.write_dags()
    made.up()
    try:
        with closing(connect(made.settings.require("owner_url"))) as conn:
            apply_contract(conn, load_contract(made.dags / "datasets" / f"{DATASET}.yaml"))
        Airflow.from_settings(made.settings).wait_for_dag(DATASET)
        yield made
    finally:
        made.down()


def test_a_file_is_loaded_by_a_run_that_nobody_started(stack: ArrivalStack) -> None:
    stack.put("b", 1)
    eventually(lambda: stack.rows() == 5, WAIT)
    assert stack.runs() == [("success", "asset_triggered", 5)]


def test_files_that_arrive_while_others_are_loaded_are_loaded_too_and_no_run_finds_nothing(
    stack: ArrivalStack,
) -> None:
    before = len(stack.runs())
    for number in range(8):  # one is being loaded while the next ones arrive
        stack.put(f"a{number}", 100 + 10 * number)
        eventually(lambda: stack.rows() >= 5 + 5 * (number - 2), WAIT)  # noqa: B023
    eventually(lambda: stack.rows() == 45, WAIT)
    runs = stack.runs()[before:]
    assert sum(read for _, _, read in runs) == 40
    assert all(state == "success" and read > 0 for state, _, read in runs)


def test_what_arrives_while_the_triggerer_is_away_is_loaded_when_it_is_back(stack: ArrivalStack) -> None:
    before = len(stack.runs())
    triggerer = next(p for p in stack.client.processes() if p.program == "airflow-triggerer")
    stack.client.stop(triggerer)
    stack.wait_for_stop({triggerer.name})
    stack.put("c", 300)
    stack.client.start(triggerer)

    eventually(lambda: stack.rows() == 50, WAIT)

    assert stack.runs()[before:] == [("success", "asset_triggered", 5)]
