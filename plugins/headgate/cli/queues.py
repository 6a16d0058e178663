"""``headgate queues``: what waits in RabbitMQ, and whether anybody reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import typer

from headgate.cli.options import Json
from headgate.cli.output import console, print_json, table
from headgate.errors import Fatal, Retriable

PREFIX = "headgate."


@dataclass(frozen=True)
class QueueState:
    """A queue as the management API sees it, up to 5 seconds old. Rates in messages a second."""

    queue: str
    ready: int
    unacked: int
    consumers: int
    incoming: float
    acknowledged: float
    bytes: int
    hint: str | None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("queues")(queues)


def queues(
    json: Json = False,
) -> None:
    """Show Headgate's queues: what waits, who reads, how fast."""
    from headgate.settings import settings

    chosen = settings()
    states = read(chosen.require("rabbitmq_api_url"), vhost(chosen.require("amqp_url")))
    if json:
        print_json(states)
        return
    show(states)


def read(api_url: str, of_vhost: str) -> list[QueueState]:
    """Headgate's queues of a virtual host. ``Retriable`` when the API is away, ``Fatal`` when it refuses."""
    import httpx

    base = api_url.rstrip("/").removesuffix("/api")
    address = f"{base}/api/queues/{quote(of_vhost, safe='')}"
    try:
        response = httpx.get(address, timeout=10, trust_env=False)
    except httpx.InvalidURL as error:
        raise Fatal(f"HEADGATE_RABBITMQ_API_URL is not a URL: {error}") from None
    except httpx.HTTPError as error:
        raise Retriable(f"RabbitMQ's management API at {place(base)} is away: {error}") from error
    if response.status_code in (401, 403):
        raise Fatal(
            f"RabbitMQ's management API at {place(base)} refuses user or password (HEADGATE_RABBITMQ_API_URL)"
        )
    if response.status_code != 200:
        raise Retriable(f"RabbitMQ's management API at {place(base)} answers {response.status_code}")
    found = [state(item) for item in response.json() if item["name"].startswith(PREFIX)]
    return sorted(found, key=lambda item: item.queue)


def state(item: dict[str, Any]) -> QueueState:
    """One queue of the API's answer; a queue that was just made has no figures yet."""
    stats = item.get("message_stats") or {}
    ready, consumers = item.get("messages_ready") or 0, item.get("consumers") or 0
    return QueueState(
        queue=item["name"],
        ready=ready,
        unacked=item.get("messages_unacknowledged") or 0,
        consumers=consumers,
        incoming=rate(stats, "publish"),
        acknowledged=rate(stats, "ack"),
        bytes=item.get("message_bytes") or 0,
        hint=hint(item["name"], ready, consumers),
    )


def hint(queue: str, ready: int, consumers: int) -> str | None:
    """What a person should do about it, if anything."""
    from headgate import topology

    if not ready or consumers or topology.is_retry_queue(queue):
        return None
    if queue == topology.PARKING_QUEUE:
        return "`headgate errors list --state parked` says why; when that is mended: headgate replay"
    kinds = {topology.ERRORS_QUEUE: "error", topology.NOTIFICATIONS_QUEUE: "notification"}
    kind = "database" if topology.is_rows_queue(queue) else kinds.get(queue)
    return (
        f"nobody reads it: start `headgate-consumer {kind}` (or `headgate up`)" if kind else "nobody reads it"
    )


def rate(stats: dict[str, Any], name: str) -> float:
    """A rate of the API, 0 where the broker keeps none."""
    return float((stats.get(f"{name}_details") or {}).get("rate") or 0.0)


def vhost(amqp_url: str) -> str:
    """The virtual host of an AMQP URL; no path means ``/``."""
    return unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"


def place(url: str) -> str:
    """Host and port, without credentials."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"


def show(states: list[QueueState]) -> None:
    """A table, then the hints."""
    if not states:
        console.print("no queues yet: the first run or the first consumer makes them")
        return
    columns = ("queue", "ready", "unacked", "consumers", "in/s", "acked/s", "MB")
    rows = [
        (
            item.queue,
            f"{item.ready:,}",
            f"{item.unacked:,}",
            item.consumers,
            f"{item.incoming:.1f}",
            f"{item.acknowledged:.1f}",
            f"{item.bytes / 1e6:.1f}",
        )
        for item in states
    ]
    table(columns, rows, numeric=columns[1:])
    for item in states:
        if item.hint:
            console.print(f"[yellow]{item.queue}[/]: {item.hint}")
