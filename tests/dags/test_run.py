"""The DAG itself, by ``dag.test()`` on a fresh Airflow, with real servers and a real consumer."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import pika
import pytest

from headgate import topology
from headgate.contract import load_contract
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.failures import TaskError
from headgate.paths import dags_dir, datasets_dir, expectations_dir
from headgate.store import ObjectStore
from tests.conftest import Environment
from tests.dags.conftest import Python, last_json
from tests.integration.road import consumer, many, plant, plants

CLEAN = {step: ["success"] for step in ("scan", "inspect", "validate", "gate", "stream", "settle", "report")}


@pytest.fixture
def folder(environment: Environment, tmp_path: Path) -> Path:
    """A DAG folder whose plants contract names the test's bucket, applied to the test's database."""
    made = tmp_path / "project" / "dags"
    (made / "datasets").mkdir(parents=True)
    for file in dags_dir().glob("*.py"):
        shutil.copy(file, made)
    shutil.copytree(expectations_dir(), made.parent / "expectations")
    text = (datasets_dir() / "egrid_plants.yaml").read_text(encoding="utf-8")
    path = made / "datasets" / "egrid_plants.yaml"
    path.write_text(text.replace("s3://headgate-landing/", f"s3://{environment.buckets.landing}/"))
    with closing(connect(environment.database.owner_url)) as conn:
        apply_contract(conn, load_contract(path))
    return made


@pytest.fixture
def store(environment: Environment) -> ObjectStore:
    return ObjectStore.from_settings(environment.settings)


def run(airflow_python: Python, folder: Path, *confs: dict[str, Any], **variables: str) -> Any:
    """The DAG, once for each conf; with further variables in Airflow's environment."""
    arguments = (folder, "egrid_plants", *map(json.dumps, confs))
    printed = airflow_python("drive.py", *arguments, AIRFLOW__CORE__DAGS_FOLDER=str(folder), **variables)
    print(printed)  # pytest shows it when a test fails
    return last_json(printed, "RESULT ")


def rows(environment: Environment, sql: str) -> list[tuple[Any, ...]]:
    with closing(connect(environment.database.reader_url, autocommit=True)) as conn, conn.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def handed_over(environment: Environment) -> list[bytes]:
    """What waits for the error consumer."""
    with closing(pika.BlockingConnection(pika.URLParameters(environment.broker.url))) as connection:
        channel = connection.channel()
        return [body for _, _, body in iter(lambda: channel.basic_get(topology.ERRORS_QUEUE), (None,) * 3)]


def test_the_dag_loads_new_objects_and_does_nothing_the_second_time(
    environment: Environment, airflow_python: Python, folder: Path, store: ObjectStore
) -> None:
    store.put_bytes(
        environment.buckets.landing, "egrid_plants/a.csv", plants(*many(99), plant(100, capacity="x"))
    )

    with consumer(environment):
        first, second = run(airflow_python, folder, {}, {})

    assert (first["state"], first["tasks"]) == ("success", CLEAN)
    assert second["state"] == "success"
    assert second["tasks"] == CLEAN | {"validate": ["skipped"], "stream": ["skipped"]}
    assert rows(environment, "SELECT count(*) FROM egrid.plants") == [(99,)]
    books = rows(
        environment, "SELECT state, read, inserted, quarantined FROM headgate.books_run ORDER BY run_id"
    )
    assert books == [("success", 100, 99, 1), ("success", 0, 0, 0)]


def connections_only(environment: Environment) -> dict[str, str]:
    """Airflow connections in the place of our own variables."""
    postgres, rabbitmq = (urlsplit(environment.variables[f"HEADGATE_{n}_URL"]) for n in ("DATABASE", "AMQP"))
    buckets = environment.buckets
    made = {
        "postgres": server("postgres", postgres) | {"schema": postgres.path[1:]},
        "rabbitmq": server("amqp", rabbitmq) | {"schema": unquote(rabbitmq.path[1:])},
        "s3": {
            "conn_type": "aws",
            "login": buckets.access_key,
            "password": buckets.secret_key,
            "extra": {"endpoint_url": buckets.endpoint, "region_name": buckets.region},
        },
    }
    unset = ("DATABASE_URL", "AMQP_URL", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY")
    variables = {f"AIRFLOW_CONN_HEADGATE_{name.upper()}": json.dumps(fields) for name, fields in made.items()}
    return variables | {f"HEADGATE_{name}": "" for name in unset}


def server(kind: str, url: SplitResult) -> dict[str, Any]:
    """The parts of a URL as Airflow stores them."""
    return {
        "conn_type": kind,
        "host": url.hostname,
        "port": url.port,
        "login": url.username,
        "password": unquote(url.password or ""),
    }


def test_airflow_connections_will_do_and_a_held_object_fails_the_run_at_the_report(
    environment: Environment, airflow_python: Python, folder: Path, store: ObjectStore
) -> None:
    store.put_bytes(environment.buckets.landing, "egrid_plants/a.csv", plants(*many(10)))
    store.put_bytes(environment.buckets.landing, "egrid_plants/b.csv", b"PNAME\nNo key\n")

    with consumer(environment):
        (outcome,) = run(airflow_python, folder, {}, **connections_only(environment))

    assert (outcome["state"], outcome["tasks"]) == ("failed", CLEAN | {"report": ["failed"]})
    assert rows(environment, "SELECT count(*) FROM egrid.plants") == [(10,)]
    ((reason,),) = rows(environment, "SELECT reason FROM headgate.run")
    assert "egrid_plants/b.csv is held" in reason


def test_a_missing_bucket_fails_at_once_without_retries(
    environment: Environment, airflow_python: Python, folder: Path
) -> None:
    environment.buckets.client.remove_bucket(environment.buckets.landing)

    (outcome,) = run(airflow_python, folder, {})

    assert outcome["state"] == "failed"
    assert outcome["tasks"]["scan"] == ["failed"]
    assert outcome["tasks"]["report"] == ["failed"]
    ((reason,),) = rows(environment, "SELECT reason FROM headgate.run")
    assert "step scan failed" in reason
    failures = [TaskError.model_validate_json(body) for body in handed_over(environment)]
    assert [(error.task_id, error.error_class, error.exception, error.run_id) for error in failures] == [
        ("scan", "fatal", "Fatal", 1),
        ("report", "fatal", "AirflowFailException", 1),
    ]
    assert "does not exist" in failures[0].reason
    assert "steps/scan.py" in failures[0].trace


def test_the_maintenance_says_what_it_removed(
    airflow_python: Python, folder: Path, environment: Environment
) -> None:
    variables = {"AIRFLOW__CORE__DAGS_FOLDER": str(folder)}
    printed = airflow_python("drive.py", folder, "headgate_maintenance", "{}", **variables)
    print(printed)
    (found,) = last_json(printed, "RESULT ")
    assert (found["state"], found["tasks"]) == ("success", {"prune": ["success"]})
    assert rows(environment, "SELECT kind, body #>> '{data,removed,receipts}' FROM headgate.event") == [
        ("retention.finished", "0")
    ]
