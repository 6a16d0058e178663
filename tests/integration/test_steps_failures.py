"""Failed tasks and late runs: what Airflow's callbacks make of them."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pika
import pytest

from headgate import topology
from headgate.airflow_ext.callbacks import run_failed, run_is_late, task_failed, task_will_retry
from headgate.errors import DataError, Fatal, Retriable
from headgate.failures import TASK_ERROR, TaskError
from headgate.steps.report import report
from tests.conftest import Environment
from tests.integration.road import Road, make_road

DUE = datetime(2026, 11, 20, 6, tzinfo=UTC)


@pytest.fixture
def road(environment: Environment) -> Road:
    return make_road(environment)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow RabbitMQ is, it is waited for."""
    for module in ("failure", "relay"):
        monkeypatch.setattr(f"headgate.steps.{module}.PATIENCE", 60)


@pytest.fixture
def nowhere(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ is away."""
    monkeypatch.setenv("HEADGATE_AMQP_URL", "amqp://nobody:nothing@127.0.0.1:9/none")
    monkeypatch.setattr("headgate.steps.failure.PATIENCE", 0.2)


def context(error: BaseException | None, *, task_id: str = "validate", try_number: int = 1) -> Any:
    """What Airflow gives a callback of a task."""
    ti = SimpleNamespace(
        dag_id="egrid_plants", run_id="test__1", task_id=task_id, map_index=None, try_number=try_number
    )
    return {"ti": ti} | ({"exception": error} if error else {})


def raised(error: BaseException) -> BaseException:
    """The error with a stack."""
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.usefixtures("patient")
def test_a_failed_try_is_handed_to_the_error_consumer_with_its_run_and_stack(
    road: Road, environment: Environment
) -> None:
    run = road.open()

    task_will_retry(context(raised(Retriable("the store is away")), try_number=2))

    with closing(pika.BlockingConnection(pika.URLParameters(environment.broker.url))) as connection:
        _, properties, body = connection.channel().basic_get(topology.ERRORS_QUEUE)
    assert properties.type == TASK_ERROR
    error = TaskError.model_validate_json(body)
    assert (error.dataset, error.dag_run_id, error.run_id) == ("egrid_plants", "test__1", run.run_id)
    assert (error.task_id, error.map_index, error.try_number) == ("validate", -1, 2)
    assert (error.will_retry, error.error_class, error.exception) == (True, "retriable", "Retriable")
    assert error.reason == "the store is away"
    assert "in raised" in error.trace


@pytest.mark.usefixtures("nowhere")
def test_a_failure_is_recorded_once_where_the_broker_is_away(road: Road) -> None:
    road.open()

    for _ in range(2):
        task_failed(context(raised(DataError("the file is no file"))))

    rows = "SELECT class, cause, reason, task_id, run_id, state FROM headgate.error"
    assert road.rows(rows) == [("data", "task", "the file is no file", "validate", 1, "recorded")]
    assert road.events() == ["task.failed"]


@pytest.mark.usefixtures("nowhere")
def test_a_killed_task_leaves_a_reason_too(road: Road) -> None:
    task_failed(context(None, task_id="scan"))

    ((reason, failure_class, run_id),) = road.rows("SELECT reason, class, run_id FROM headgate.error")
    assert "killed" in reason
    assert (failure_class, run_id) == ("fatal", None)


@pytest.mark.usefixtures("nowhere")
def test_a_failed_run_says_why_its_steps_failed(road: Road) -> None:
    """As far as that is known by then."""
    run = road.open()
    for attempt, reason in enumerate(["busy", "permission denied for table chunk" + 100 * " more"]):
        task_failed(context(raised(Fatal(reason)), task_id="inspect", try_number=attempt))

    books = report(road.services, run, ["inspect", "settle"])

    ((told,),) = road.rows("SELECT body #>> '{data,reason}' FROM headgate.event WHERE kind = 'run.failed'")
    assert told == books.run.reason
    assert told.startswith("step inspect failed: permission denied for table chunk more")
    assert told.endswith("more …; step settle failed, see its log")
    assert len(told) < 360


@pytest.mark.usefixtures("patient")
def test_a_server_that_is_away_is_told_of_once_until_a_run_is_clean(road: Road) -> None:
    run = road.open()
    tries = [Fatal("no such bucket"), *[Retriable("the store is away")] * 2]
    for number, error in enumerate(tries, start=1):
        task_will_retry(context(raised(error), try_number=number))

    told = "SELECT kind, body #>> '{data,summary}', published_at IS NOT NULL FROM headgate.event"
    assert road.rows(told) == [("server.away", "egrid_plants waits for a server: the store is away", True)]
    report(road.services, run)
    assert road.events() == ["server.away", "run.finished", "server.back"]


def late(kind: str = "scheduled") -> None:
    """Airflow finds that the deadline is missed."""
    dag_run = {"dag_id": "egrid_plants", "dag_run_id": "test__1", "run_type": kind}
    told = {"dag_run": dag_run, "deadline": {"id": "1", "deadline_time": DUE.isoformat()}}
    asyncio.run(run_is_late(dataset="egrid_plants", context=told))


def test_a_late_run_is_told_of_once_and_that_it_is_done(road: Road) -> None:
    run = road.open()

    late("backfill")
    assert road.events() == []
    late()
    late()
    assert road.events() == ["run.late"]
    ((data,),) = road.rows("SELECT body -> 'data' FROM headgate.event")
    assert (data["run_id"], data["dag_run_id"], data["due_at"]) == (1, "test__1", "2026-11-20T06:00:00Z")
    report(road.services, run)

    assert road.events() == ["run.late", "run.finished", "run.caught_up"]
    late()  # Airflow was late itself
    assert road.events().count("run.late") == 1


def test_a_run_that_never_started_is_late_too(road: Road) -> None:
    late()
    assert road.rows("SELECT kind, subject, body #>> '{data,run_id}' FROM headgate.event") == [
        ("run.late", "test__1", None)
    ]


def failed(dag_run_id: str) -> None:
    """Airflow calls this when a DAG run is over and red."""
    run_failed({"dag": SimpleNamespace(dag_id="egrid_plants"), "run_id": dag_run_id})  # type: ignore[arg-type]


def test_a_run_that_failed_without_a_report_is_told_of_and_closed(road: Road) -> None:
    road.open()

    failed("test__1")
    failed("test__1")  # the books are closed by now
    failed("before_scan")

    reasons = road.rows("SELECT subject, body #>> '{data,reason}' FROM headgate.event ORDER BY number")
    assert reasons == [
        ("test__1", "its DAG run ended before the books were closed"),
        ("before_scan", "it ended before its books were opened"),
    ]
    assert road.rows("SELECT state FROM headgate.run") == [("failed",)]


def test_a_run_whose_report_told_of_its_failure_is_not_told_of_again(road: Road) -> None:
    run = road.open()
    report(road.services, run, ["inspect"])

    failed("test__1")

    assert road.events() == ["run.finished", "run.failed"]
