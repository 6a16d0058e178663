"""maintain: prune what the rules of retention no longer keep, and tell what went."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from headgate import events
from headgate.db import transaction
from headgate.retention import prune, rules_of
from headgate.steps.relay import relay
from headgate.steps.services import Services

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.retention.pruning import Told

log = structlog.get_logger("headgate.steps.maintain")


def maintain(services: Services, *, dry_run: bool = False, told: Told | None = None) -> dict[str, int]:
    """Prune; what was removed by kind (``headgate.retention.KINDS``), or with ``dry_run`` would be."""
    started = time.monotonic()
    rules = services.ledger(rules_of, services.settings)
    removed = prune(services.ledger, services.store, services.staging, rules, dry_run=dry_run, told=told)
    seconds = round(time.monotonic() - started, 1)
    log.info("would be pruned" if dry_run else "pruned", seconds=seconds, **removed)
    if not dry_run:
        event = events.Event(
            "retention.finished", events.SYSTEM, "retention", {"removed": removed, "seconds": seconds}
        )
        services.ledger(_record, event)
        relay(services)
    return removed


def _record(conn: Connection, event: events.Event) -> None:
    with transaction(conn) as cursor:
        events.record(cursor, event)
