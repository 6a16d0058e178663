"""``headgate alerts check|route|test``: who hears of what, and whether it arrives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headgate.cli.connection import connect_pipeline
from headgate.cli.options import Json, user
from headgate.cli.output import console, print_json, table
from headgate.errors import Fatal

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.alerts.desk import Sent
    from headgate.alerts.matcher import Matcher
    from headgate.alerts.routing import Receiver, Route, Routing
    from headgate.events import Event


def register(group: typer.Typer) -> None:
    """Add the commands of this module."""
    group.command("check")(check_file)
    group.command("route")(show_route)
    group.command("test")(send_test)


def check_file(
    file: Annotated[
        Path | None, typer.Argument(help="A routing file; default: the one in force (HEADGATE_ALERTS_FILE).")
    ] = None,
    json: Json = False,
) -> None:
    """Read a routing file as the consumer would: what is wrong with it, or its routes and receivers."""
    path, routing = routing_of(file)
    if json:
        print_json({"file": path, "routes": [route_facts(route) for route in routing.root.walk()]})
        return
    routes = [list(route_facts(route).values()) for route in routing.root.walk()]
    table(list(route_facts(routing.root)), routes, title=f"{path}: routes")
    receivers = [
        (name, ", ".join(ways(receiver)) or "nothing is sent") for name, receiver in routing.receivers.items()
    ]
    table(("receiver", "by"), receivers)


def routing_of(file: Path | None) -> tuple[Path, Routing]:
    """The file, read; its addresses are checked where Apprise is installed."""
    from importlib.util import find_spec

    from headgate.alerts.channels import check_addresses
    from headgate.alerts.routing import load_routing, routing_file
    from headgate.settings import settings

    path = file or routing_file(settings())
    routing = load_routing(path)
    if find_spec("apprise"):
        check_addresses(routing)
    return path, routing


def route_facts(route: Route) -> dict[str, str]:
    """A route in words."""
    from headgate.alerts.duration import format_duration

    depth = route.key.count("/{") - 1
    return {
        "alerts": "  " * depth + (" ".join(map(str, route.matchers)) or "all"),
        "receiver": route.receiver + (" (and on)" if route.continues else ""),
        "group by": ", ".join(route.group_by),
        "wait": format_duration(route.group_wait),
        "interval": format_duration(route.group_interval),
        "repeat": format_duration(route.repeat_interval),
        "escalate": ", ".join(
            f"{step.receiver} after {format_duration(step.after)}" for step in route.escalate
        ),
    }


def ways(receiver: Receiver) -> list[str]:
    """How a receiver is reached, by scheme: the rest of an address is a secret."""
    urls = [address.read() for address in receiver.apprise if address.is_there]
    found = [url.partition(":")[0] for url in urls if url]
    managers = sum(address.is_there for address in receiver.alertmanager)
    return [*found, *["alertmanager"] * managers, *(["the consumer's log"] if receiver.log else [])]


def show_route(
    labels: Annotated[
        list[str],
        typer.Argument(help="Labels of an alert: dataset=plants type=run.failed severity=critical."),
    ],
    file: Annotated[
        Path | None, typer.Option("--file", help="A routing file; default: the one in force.")
    ] = None,
    json: Json = False,
) -> None:
    """Say where an alert with these labels would go."""
    given = dict(label(text) for text in labels)
    _, routing = routing_of(file)
    routes = routing.routes(given)
    if json:
        print_json([route_facts(route) for route in routes])
        return
    rows = [
        (route.receiver, ", ".join(ways(routing.receivers[route.receiver])), route.key) for route in routes
    ]
    table(("receiver", "by", "route"), rows)


def label(text: str) -> tuple[str, str]:
    """``name=value``."""
    found = matcher(text)
    if found.op != "=":
        raise typer.BadParameter(f"{text!r} is no label: write name=value")
    return found.label, found.value


def send_test(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="As if of this dataset.")] = "system",
    severity: Annotated[Literal["info", "warning", "critical"], typer.Option(help="As if so bad.")] = "info",
    text: Annotated[str, typer.Option(help="What it says.")] = "This is a test.",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for its delivery.", min=0)] = 30.0,
    json: Json = False,
) -> None:
    """Send a test event (type notification.test) down the whole road, and say whom it reached."""
    from headgate.events import Event

    event = Event("notification.test", dataset, f"by {user()}", {"text": text}, severity=severity)
    with closing(connect_pipeline("headgate-alerts")) as conn:
        publish(conn, event)
        sent = delivered(conn, event.event_id, timeout)
    if json:
        print_json(sent)
    else:
        show_sent(sent)
    if not sent or any(item.state != "sent" for item in sent):
        raise typer.Exit(1)


def publish(conn: Connection, event: Event) -> None:
    """Record it and bring it to the broker, as everybody does."""
    from headgate.db import transaction
    from headgate.events import record, try_relay
    from headgate.publisher import Publisher
    from headgate.settings import settings

    with transaction(conn) as cursor:
        record(cursor, event)
    with Publisher(settings().require("amqp_url"), deadline=5.0) as publisher:
        try_relay(conn, publisher)


def delivered(conn: Connection, event_id: str, timeout: float) -> list[Sent]:
    """What was sent of the event, as soon as nothing of it is on its way any more."""
    from headgate.alerts.desk import alert_of_event, messages_of

    deadline = time.monotonic() + timeout
    sent: list[Sent] = []
    while time.monotonic() < deadline:
        alert_id = alert_of_event(conn, event_id)
        sent = messages_of(conn, alert_id) if alert_id else []
        if sent and all(item.state == "sent" or item.attempts for item in sent):
            return sent
        time.sleep(0.2)
    if not sent:
        raise Fatal(
            f"nothing was sent within {timeout:.0f} s. Does a notification consumer run (`headgate queues`; "
            "`headgate-consumer notification` starts one), does anybody hear of it (`headgate alerts check`)?"
        )
    return sent


def matcher(text: str) -> Matcher:
    """A matcher as it is written in the routing file."""
    from headgate.alerts.matcher import parse_matcher

    try:
        return parse_matcher(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def show_sent(sent: Sequence[Sent]) -> None:
    """Who was told what, when."""
    if not sent:
        console.print("Nobody was told of it yet.")
        return
    columns = ("sent (UTC)", "receiver", "by", "message", "how it went")
    rows = [
        (
            f"{item.sent_at or item.created_at:%Y-%m-%d %H:%M:%S}",
            item.receiver,
            item.channel,
            item.title,
            fate(item),
        )
        for item in sent
    ]
    table(columns, rows)


def fate(sent: Sent) -> str:
    """How a delivery went, in words."""
    if sent.state == "sent":
        return "sent" if sent.attempts == 1 else f"sent, attempt {sent.attempts}"
    return f"{sent.state}, attempt {sent.attempts}: {sent.problem}" if sent.problem else sent.state
