"""``headgate books`` and ``headgate row``: where every row went."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.cli.connection import connect_reader
from headgate.cli.data import contract_of
from headgate.cli.options import Json
from headgate.cli.output import console, print_json, table
from headgate.errors import Fatal

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.books import RowFate, RunRow


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("books")(show_books)
    app.command("row")(show_row)


def show_books(
    dataset: Annotated[str, typer.Argument(help="Only this dataset.", show_default=False)] = "",
    run: Annotated[str, typer.Option(help="A run's number, or `latest`.")] = "latest",
    history: Annotated[bool, typer.Option("--all", help="One line for each of the dataset's runs.")] = False,
    limit: Annotated[int, typer.Option(help="Runs shown with --all.", min=1)] = 20,
    json: Json = False,
) -> None:
    """Where every row went: the books of the latest run, of one run, or of all runs of a dataset."""
    from headgate.books import recent_runs, render, run_books

    with closing(connect_reader("headgate-books")) as conn:
        if history:
            rows = recent_runs(conn, required(dataset), limit)
            if not rows:
                contract_of(dataset)  # a misspelt name is told as such
            show_runs(dataset, rows, json)
            return
        books = [run_books(conn, found) for found in chosen_runs(conn, dataset, run)]
    single = bool(dataset) or run != "latest"
    if json:
        print_json(books[0].as_json() if single else [entry.as_json() for entry in books])
        return
    for entry in books:
        console.print(render(entry))
    if not books:
        console.print("No dataset has a run yet. Start one with: headgate run DATASET --wait")


def required(dataset: str) -> str:
    """The dataset, which ``--all`` needs."""
    if not dataset:
        raise typer.BadParameter("--all needs a dataset")
    return dataset


def chosen_runs(conn: Connection, dataset: str, run: str) -> list[Any]:
    """The run that was asked for, or the newest of the dataset, or of every dataset."""
    from headgate.books import latest_runs
    from headgate.ledger import get_run, latest_run

    if run != "latest":
        if not run.isdigit():
            raise typer.BadParameter(f"--run takes a run's number or `latest`, not {run!r}")
        found = get_run(conn, int(run))
        if dataset and found.dataset != dataset:
            raise Fatal(f"run {run} is a run of {found.dataset}, not of {dataset}")
        return [found]
    if not dataset:
        return list(latest_runs(conn))
    newest = latest_run(conn, dataset)
    if newest is None:
        contract_of(dataset)
        raise Fatal(f"{dataset} has no run yet; start one with `headgate run {dataset}`")
    return [newest]


def show_runs(dataset: str, rows: list[RunRow], json: bool) -> None:
    """A line for each run; counts that are zero everywhere have no column."""
    from headgate.books import counts, counts_shown

    if json:
        print_json([asdict(row) for row in rows])
        return
    shown = counts_shown(rows)
    columns = ["run", "started (UTC)", "kind", "state", "objects", "held", *shown, "balanced"]
    lines = [
        [
            row.run_id,
            f"{row.started_at:%Y-%m-%d %H:%M}",
            row.kind,
            row.state,
            row.objects,
            row.held,
            *counts(row, shown),
            "yes" if row.balanced else "no",
        ]
        for row in rows
    ]
    table(columns, lines, title=f"{dataset}: runs, newest first", numeric=("run", "objects", "held", *shown))


def show_row(
    dataset: Annotated[str, typer.Argument(help="The dataset.")],
    key: Annotated[str, typer.Argument(help="The object's key, with or without the dataset's prefix.")],
    row: Annotated[int, typer.Argument(help="The data record's number in it, from 1.", min=1)],
    json: Json = False,
) -> None:
    """What happened to one row: in which message it went, or why it is in quarantine, and its replays."""
    with closing(connect_reader("headgate-row")) as conn:
        found = follow(conn, dataset, key, row) or follow(conn, dataset, f"{dataset}/{key}", row)
    if not found:
        raise Fatal(f"the ledger of {dataset} has no object {key}; `headgate books {dataset}` shows keys")
    if json:
        print_json([{"key": where, "row_number": number, **asdict(fate)} for where, number, fate in found])
        return
    for where, number, fate in found:
        about = {
            "outcome": f"{fate.outcome}, {fate.happened_at:%Y-%m-%d %H:%M:%S} UTC",
            "why": told(fate),
            "object": f"{fate.object_id}, {fate.object_state}, run {fate.run_id}",
            "replay": f"row {fate.replay_row} of {fate.replay_key}" if fate.replay_key else None,
            "chunk": fate.chunk,
            "message": fate.message_id if was_sent(fate) else None,
        }
        lines = [(name, value) for name, value in about.items() if value not in (None, "")]
        table(["", ""], lines, title=f"row {number} of {where}")


def follow(conn: Connection, dataset: str, key: str, row: int) -> list[tuple[str, int, RowFate]]:
    """The row's fates in all versions of the object, and in the replays that it went into."""
    from headgate.books import row_history

    found: list[tuple[str, int, RowFate]] = []
    for fate in row_history(conn, dataset, key, row):
        found.append((key, row, fate))
        if fate.replay_key and fate.replay_row:
            found += follow(conn, dataset, fate.replay_key, fate.replay_row)
    return found


def was_sent(fate: RowFate) -> bool:
    """Whether the row went in the message; else it is that of the rows around it."""
    refused_by_postgres = (fate.rule or "").startswith("sqlstate:")
    return "applied" in fate.outcome or fate.outcome in ("on its way", "removed") or refused_by_postgres


def told(fate: RowFate) -> str:
    """Why, for a person."""
    from headgate.quarantine import sentence

    why = sentence(fate.column_name, fate.reason) if fate.reason else ""
    return f"{why} ({fate.resolution})" if fate.resolution else why
