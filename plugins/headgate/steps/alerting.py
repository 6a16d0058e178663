"""Events of a run for people and their alerting. They help and are never in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from headgate.errors import HeadgateError
from headgate.events import Event
from headgate.ledger import ObjectVersion, Run
from headgate.steps.services import Services

if TYPE_CHECKING:
    from headgate.books import RunBooks

log = structlog.get_logger("headgate.steps")
EVENT_PATIENCE = 20.0  # seconds: the alert is in the ledger whether the broker is there or not


def announce_held(services: Services, run: Run, found: ObjectVersion, reason: str) -> None:
    """``object.held``: a person has to look."""
    data = {
        "run_id": run.run_id,
        "dag_run_id": run.dag_run_id,
        "object_id": found.object_id,
        "key": found.key,
        "reason": reason,
    }
    _emit(services, Event("object.held", run.dataset, found.key, data))


def announce_finished(services: Services, run: Run, books: RunBooks) -> None:
    """``run.finished`` with the books."""
    data = {
        "run_id": run.run_id,
        "dag_run_id": run.dag_run_id,
        "state": books.run.state,
        "books": books.as_json(),
    }
    _emit(services, Event("run.finished", run.dataset, run.dag_run_id, data))


def _emit(services: Services, event: Event) -> None:
    from headgate.publisher import Publisher

    url = services.settings.amqp_url.get_secret_value()
    if not url:
        return
    environment = services.settings.environment
    try:
        with Publisher(
            url, name="headgate events", environment=environment, deadline=EVENT_PATIENCE
        ) as publisher:
            publisher.emit(event)
    except HeadgateError as error:
        log.warning("the event was not published", kind=event.kind, subject=event.subject, reason=str(error))
