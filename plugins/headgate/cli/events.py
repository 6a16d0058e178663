"""``headgate events``: what happened, the types of events and their schemas."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from headgate.cli.connection import connect_reader
from headgate.cli.options import Json, moment
from headgate.cli.output import console, print_json, table


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(name="events", help="What happened, as it is told to people.", no_args_is_help=True)
    group.command("list")(list_events)
    group.command("types")(list_types)
    group.command("schema")(show_schema)
    app.add_typer(group)


def list_events(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Only of this dataset, or `system`.")] = "",
    kind: Annotated[str, typer.Option(help="Only of this kind, for example object.held.")] = "",
    status: Annotated[str, typer.Option(help="firing, resolved or info.")] = "",
    since: Annotated[str, typer.Option(help="30m, 2h, 3d, or an ISO time.")] = "",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    json: Json = False,
) -> None:
    """Events, the newest first."""
    from headgate.db import transaction
    from headgate.events.outbox import page

    if status not in ("", "firing", "resolved", "info"):
        raise typer.BadParameter(f"firing, resolved or info, not {status!r}", param_hint="--status")
    wanted = {"dataset": dataset or None, "kind": kind or None, "status": status or None}
    with closing(connect_reader("headgate-events")) as conn, transaction(conn) as cursor:
        found = page(cursor, since=moment(since) if since else None, limit=limit, **wanted)
    if json:
        print_json([event.body for event in found])
        return
    if not found:
        console.print("no such events")
        return
    rows = [
        (f"{event.recorded_at:%Y-%m-%d %H:%M:%S}", event.severity, event.kind, event.dataset, event.summary)
        for event in found
    ]
    table(("recorded (UTC)", "severity", "kind", "dataset", "what happened"), rows)
    waiting = sum(event.published_at is None for event in found)
    if waiting:
        console.print(f"{waiting:,} of them wait to be published: `headgate doctor` says what is wrong")


def list_types(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/events.md.")] = False,
    json: Json = False,
) -> None:
    """The types of events and when they are raised."""
    from headgate.events import CATALOGUE
    from headgate.events.schema import page

    if markdown:
        print(page(), end="")
        return
    columns = ("kind", "status", "severity", "when")
    rows = [(entry.kind, entry.status, entry.severity, entry.meaning) for entry in CATALOGUE.values()]
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    table(columns, rows)


def show_schema(kind: Annotated[str, typer.Argument(help="A kind, for example object.held.")]) -> None:
    """The JSON Schema of the events of a kind."""
    from headgate.events import event_type
    from headgate.events.schema import schema

    print_json(schema(event_type(kind)))
