"""What went wrong with a task, on its way to the error consumer; and that a run is late."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from headgate import ledger
from headgate.db import transaction
from headgate.errors import HeadgateError
from headgate.failures import TASK_ERROR, TaskError
from headgate.ledger.errors import record_task_error
from headgate.message import traceparent
from headgate.steps.relay import relay
from headgate.steps.services import Services

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

log = structlog.get_logger("headgate.steps.failure")
PATIENCE = 10.0  # seconds that the broker is waited for


def hand_over(services: Services, error: TaskError) -> None:
    """Send a task's failure to the error consumer; straight into Postgres when the broker is away."""
    error = with_run(services, error)
    try:
        publish(services, error)
    except HeadgateError as problem:
        log.warning("the failure goes to Postgres instead of RabbitMQ", reason=str(problem))
        services.ledger(record, error)


def with_run(services: Services, error: TaskError) -> TaskError:
    """The failure with the number of its run, where the ledger has it and answers."""
    try:
        run = services.ledger(ledger.find_run, error.dataset, error.dag_run_id)
    except HeadgateError as problem:
        log.warning("the run of the failed task could not be looked up", reason=str(problem))
        return error
    if run is None:
        return error
    return error.model_copy(update={"run_id": run.run_id, "traceparent": traceparent(run.run_id)})


def publish(services: Services, error: TaskError) -> None:
    """To ``headgate.errors``, confirmed."""
    import pika

    from headgate.publisher import Publisher

    properties = pika.BasicProperties(
        message_id=str(error.error_key), type=TASK_ERROR, content_type="application/json", delivery_mode=2
    )
    services.settings.require("amqp_url")
    with Publisher(services.amqp_url, name="headgate task", deadline=PATIENCE) as publisher:
        publisher.fail(error.dataset, properties, error.model_dump_json().encode())


def record(conn: Connection, error: TaskError) -> None:
    """As the error consumer would."""
    with transaction(conn) as cursor:
        record_task_error(cursor, error)


def tell_away(services: Services, dataset: str, dag_run_id: str, reason: str) -> None:
    """A try ended because a server was away; the next clean run tells that it is back."""
    if services.ledger(ledger.server_is_away, dataset, dag_run_id, reason):
        log.warning("a server is away", dataset=dataset, dag_run_id=dag_run_id, reason=reason)
        relay(services)


def tell_failed(services: Services, dataset: str, dag_run_id: str) -> None:
    """A DAG run failed; the report step tells it, unless it could not run."""
    if services.ledger(ledger.run_has_failed, dataset, dag_run_id):
        log.warning("the run failed without a report", dataset=dataset, dag_run_id=dag_run_id)
        relay(services)


def tell_late(services: Services, dataset: str, dag_run_id: str, due_at: datetime) -> None:
    """A run is not done at the time that its contract names, unless it has been meanwhile."""
    if services.ledger(ledger.run_is_late, dataset, dag_run_id, due_at):
        log.warning("the run is late", dataset=dataset, dag_run_id=dag_run_id, due_at=due_at.isoformat())
        relay(services)
