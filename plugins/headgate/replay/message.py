"""A failed message as it lies in a queue: what it and its headers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import pika

from headgate import topology
from headgate.failures import HEADER, Cause, class_of, failure_of, storable, whole_number

UNKNOWN = "unknown"  # cause of what was put aside by something else than an error consumer or the broker


@dataclass(frozen=True)
class WaitingMessage:
    """All that can be told without the body. Nothing is taken for granted: anybody may put messages there."""

    message_id: str  # empty where the sender gave none
    dataset: str  # of the queue that it came from, else ``system``
    home: str | None  # that queue, if it is one of rows
    run_id: int | None
    object_id: int | None
    chunk_id: int | None
    cause: str
    failure_class: str
    reason: str
    error_id: int | None
    failed_at: datetime | None  # for the first time
    replays: int
    size: int  # bytes

    @classmethod
    def of(cls, routing_key: str, properties: pika.BasicProperties, body: bytes) -> Self:
        """From a delivery."""
        headers = properties.headers or {}
        home = _home(headers, routing_key)
        return cls(
            message_id=storable(str(properties.message_id or "")),
            dataset=topology.dataset_of(home or ""),
            home=home,
            run_id=whole_number(headers.get("run_id")),
            object_id=whole_number(headers.get("object_id")),
            chunk_id=whole_number(headers.get("chunk_id")),
            size=len(body),
            **_failure(headers),
        )


def _failure(headers: Mapping[str, Any]) -> dict[str, Any]:
    """By the headers of the error consumer, else by those of the broker, else by what there is."""
    replays = whole_number(headers.get(f"{HEADER}replays")) or 0
    if known := failure_of(headers):
        return {
            "cause": str(known.cause),
            "failure_class": str(known.failure_class),
            "reason": known.reason,
            "error_id": known.error_id or None,
            "failed_at": known.first_failed_at,
            "replays": replays,
        }
    death = _last_death(headers)
    dropped = f"the broker took it off {death.get('queue')}: {death.get('reason')}" if death else ""
    died_at = death.get("time")
    return {
        "cause": str(Cause.DEAD_LETTERED) if death else UNKNOWN,
        "failure_class": str(class_of(Cause.DEAD_LETTERED)),
        "reason": dropped or str(headers.get(f"{HEADER}reason") or "nothing tells why it lies here"),
        "error_id": None,
        "failed_at": died_at if isinstance(died_at, datetime) else None,
        "replays": replays,
    }


def _home(headers: Mapping[str, Any], routing_key: str) -> str | None:
    """The rows queue it failed in: as a consumer noted it, as the broker did, or by its key to parking."""
    parking = topology.parking_key("")
    queue = headers.get(f"{HEADER}queue") or _last_death(headers).get("queue")
    if queue is None and routing_key.startswith(parking):
        queue = topology.rows_queue(routing_key.removeprefix(parking))
    return str(queue) if topology.is_rows_queue(str(queue)) else None


def _last_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The newest entry of ``x-death``, https://www.rabbitmq.com/docs/dlx#effects."""
    deaths = headers.get("x-death")
    newest = deaths[0] if isinstance(deaths, list) and deaths else None
    return newest if isinstance(newest, dict) else {}
