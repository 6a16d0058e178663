"""``headgate quarantine …``: look at bad rows, mend and replay them, or dismiss them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from headgate.cli.connection import connect_pipeline, connect_reader
from headgate.cli.options import DryRun, Json, moment, user
from headgate.cli.output import console, errors, print_json, print_json_list, table
from headgate.errors import Fatal

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.quarantine import Entry, Filter, Origin, Replayed
    from headgate.quarantine.outbox import PrefixOf

TABLE_ROWS = 100

Dataset = Annotated[str, typer.Option("--dataset", "-d", help="Only rows of this dataset.")]
Object = Annotated[str, typer.Option("--object", "-o", help="Only rows of this object (key).")]
Rules = Annotated[
    list[str] | None, typer.Option("--rule", help="Only rows that broke this rule; may be repeated.")
]
Column = Annotated[str, typer.Option(help="Only rows with something wrong in this column.")]
Run = Annotated[int, typer.Option(help="Only rows of this run.", show_default=False)]
Since = Annotated[str, typer.Option(help="Only rows since then: 2026-11-22, 2026-11-22T10:00, 30m, 2h, 3d.")]
Id = Annotated[list[int] | None, typer.Option("--id", help="Only this row; may be repeated.")]
State = Annotated[str, typer.Option(help="open, replayed, dismissed or all.")]
Limit = Annotated[int, typer.Option(help=f"Rows at most; 0: all (tables: {TABLE_ROWS}).", min=0)]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        name="quarantine", help="Bad rows: look, mend, replay, dismiss.", no_args_is_help=True
    )
    group.command("list")(list_rows)
    group.command("show")(show_row)
    group.command("export")(export_rows)
    group.command("replay")(replay_rows)
    group.command("dismiss")(dismiss_rows)
    app.add_typer(group)


def list_rows(
    dataset: Dataset = "",
    object: Object = "",
    rules: Rules = None,
    column: Column = "",
    run: Run = 0,
    since: Since = "",
    ids: Id = None,
    state: State = "open",
    limit: Limit = 0,
    json: Json = False,
) -> None:
    """Bad rows by object, with line, rule and reason, oldest first."""
    from headgate.quarantine import count, entries

    wanted = filter_of(dataset, object, rules, column, run, since, ids, state)
    with closing(connect_reader("headgate-quarantine")) as conn:
        if json:
            print_json_list(entries(conn, wanted, limit or None))
            return
        shown = list(entries(conn, wanted, limit or TABLE_ROWS))
        total = count(conn, wanted)
    for key, rows in groupby(shown, key=lambda entry: entry.object):
        show_rows_of(key, list(rows), with_state=state != "open")
    console.print(f"{len(shown):,} of {total:,} {'' if state == 'all' else state + ' '}rows")
    if shown:
        console.print(f"More of one: headgate quarantine show {shown[0].id}", highlight=False)


def show_rows_of(key: str, rows: list[Entry], *, with_state: bool) -> None:
    """The bad rows of one object."""
    from headgate.quarantine import sentence

    columns = ["id", "row", "line", "rule", "what is wrong", *(["state"] if with_state else [])]
    lines = [
        [
            entry.id,
            entry.row_number,
            entry.line or "",
            entry.rule,
            sentence(entry.column, entry.reason),
            *([entry.state] if with_state else []),
        ]
        for entry in rows
    ]
    held = " (held: these are examples)" if rows[0].object_state == "held" else ""
    table(columns, lines, title=f"{key}{held}", numeric=("id", "row", "line"))


def filter_of(
    dataset: str,
    object: str,
    rules: list[str] | None,
    column: str,
    run: int,
    since: str,
    ids: list[int] | None,
    state: str,
) -> Filter:
    """The options as a filter."""
    from headgate.quarantine import Filter

    if state not in ("open", "replayed", "dismissed", "all"):
        raise typer.BadParameter(f"--state is open, replayed, dismissed or all, not {state!r}")
    return Filter(
        dataset=dataset or None,
        object=object or None,
        rules=tuple(rules) if rules else None,
        column=column or None,
        run=run or None,
        since=moment(since) if since else None,
        state=None if state == "all" else state,
        ids=tuple(ids) if ids else None,
    )


def show_row(
    id: Annotated[int, typer.Argument(help="The row's id, see `headgate quarantine list`.")],
    json: Json = False,
) -> None:
    """One bad row with all that is wrong with it, and its text."""
    from headgate.quarantine import get_entry

    with closing(connect_reader("headgate-quarantine")) as conn:
        entry = get_entry(conn, id)
    if json:
        print_json(vars(entry))
        return
    where = f"row {entry.row_number}" + (f", line {entry.line}" if entry.line else "")
    about = [
        ["dataset", entry.dataset],
        ["object", f"{entry.object} (object {entry.object_id}, {entry.object_state}, run {entry.run_id})"],
        ["where", where],
        ["found at", f"{entry.stage}, {entry.created_at:%Y-%m-%d %H:%M:%S} UTC"],
        ["state", entry.state],
        *([["replay", entry.replay_key]] if entry.replay_key else []),
        *(
            [["resolved", f"{entry.resolved_at:%Y-%m-%d %H:%M:%S} UTC by {entry.resolved_by}"]]
            if entry.resolved_at
            else []
        ),
        *([["note", entry.note]] if entry.note else []),
    ]
    table(["", ""], about, title=f"quarantined row {entry.id}")
    faults = [
        [found.get(name) for name in ("rule", "column", "value", "reason")] for found in entry.violations
    ]
    table(
        ["rule", "column", "value", "reason"],
        faults or [[entry.rule, entry.column, entry.value, entry.reason]],
    )
    console.print(entry.raw, markup=False, highlight=False, soft_wrap=True)


def export_rows(
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; default: standard output.")
    ] = None,
    form: Annotated[Literal["csv", "ndjson"], typer.Option("--format", help="csv or ndjson.")] = "csv",
    dataset: Dataset = "",
    object: Object = "",
    rules: Rules = None,
    column: Column = "",
    run: Run = 0,
    since: Since = "",
    ids: Id = None,
    state: State = "open",
    limit: Limit = 0,
) -> None:
    """Write bad rows with their object's columns, to be mended and given to `replay --file`."""
    from headgate.quarantine import entries, origins
    from headgate.quarantine.texts import columns_of, editable, layout_of, write_rows

    wanted = filter_of(dataset, object, rules, column, run, since, ids, state)
    with closing(connect_reader("headgate-quarantine")) as conn:
        layouts = {origin.object_id: layout_of(origin) for origin in origins(conn, wanted)}
        rows = (editable(entry, layouts[entry.object_id]) for entry in entries(conn, wanted, limit or None))
        with opened(out) as file:
            number = write_rows(file, rows, columns_of(layouts.values()), form)
    if out:
        errors.print(
            f"{number:,} rows in {out}. Mend them, then: headgate quarantine replay --file {out}",
            soft_wrap=True,
        )


@contextmanager
def opened(out: Path | None) -> Iterator[TextIO]:
    """The file to write to; standard output without a name."""
    if out is None:
        yield sys.stdout
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        yield file


def replay_rows(
    file: Annotated[
        Path | None, typer.Option("--file", help="An export with mended rows.", exists=True, dir_okay=False)
    ] = None,
    dataset: Dataset = "",
    object: Object = "",
    rules: Rules = None,
    column: Column = "",
    run: Run = 0,
    since: Since = "",
    ids: Id = None,
    all_rows: Annotated[bool, typer.Option("--all", help="All open rows, without a filter.")] = False,
    start: Annotated[
        bool, typer.Option("--run-now", help="Then run the datasets and wait for their books.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Send open rows down the road again, once: mended ones of a file, or as they are."""
    from headgate.quarantine import origins

    wanted = filter_of(dataset, object, rules, column, run, since, ids, "open")
    if not (file or wanted.narrow or all_rows):
        raise typer.BadParameter("say which rows: --file, a filter such as --dataset or --id, or --all")
    if file:
        wanted = ids_of(file, wanted)
    with closing(connect_pipeline("headgate-quarantine")) as conn:
        found = origins(conn, wanted)
        if dry_run:
            tell_plan(found, json)
            return
        done = replayed(conn, file, wanted)
    datasets = sorted({origin.dataset for origin in found if origin.replayable})
    tell_replayed(done, datasets, json, started=start)
    if start:
        run_datasets(datasets)


def ids_of(file: Path, wanted: Filter) -> Filter:
    """The rows that a file names."""
    from dataclasses import replace

    from headgate.quarantine.texts import ID, read_rows

    return replace(wanted, ids=tuple(int(row[ID]) for row in read_rows(file)))


def replayed(conn: Connection, file: Path | None, wanted: Filter) -> Replayed:
    """Replay by file or by filter."""
    from headgate.quarantine import replay, replay_file
    from headgate.settings import settings
    from headgate.store import ObjectStore

    store = ObjectStore.from_settings(settings(), patience=10.0)
    prefix_of = landing_prefixes(conn)
    if file:
        return replay_file(conn, store, file, dataset=wanted.dataset, prefix_of=prefix_of, by=user())
    return replay(conn, store, wanted, prefix_of=prefix_of, by=user())


def landing_prefixes(conn: Connection) -> PrefixOf:
    """Where a dataset's objects land, by its registered contract."""
    from headgate.contract import registered

    return cache(lambda dataset: registered(conn, dataset)[0].prefix)


def tell_plan(found: list[Origin], json: bool) -> None:
    """What a replay would take."""
    plan = [
        {
            "dataset": o.dataset,
            "object": o.key,
            "object_id": o.object_id,
            "rows": o.rows,
            "replayable": o.replayable,
        }
        for o in found
    ]
    if json:
        print_json({"dry_run": True, "rows": sum(o.replayable for o in found), "objects": plan})
        return
    table(
        list(plan[0]) if plan else ["object"],
        [list(entry.values()) for entry in plan],
        title="would be replayed",
    )


def tell_replayed(done: Replayed, datasets: list[str], json: bool, *, started: bool) -> None:
    """What was replayed and what comes next."""
    if json:
        print_json(
            {"rows": done.rows, "skipped": done.skipped, "objects": done.objects, "datasets": datasets}
        )
        return
    console.print(f"{done.rows:,} rows are on their way again, as new objects in the landing bucket:")
    for key in done.objects:
        console.print(f"  {key}", markup=False, highlight=False, soft_wrap=True)
    if done.skipped:
        console.print(
            f"{done.skipped:,} rows were left: they are not open any more, their object is held, "
            "or their run has not reported yet."
        )
    if done.rows and not started:
        console.print(
            "Next: " + "; ".join(f"headgate run {dataset} --wait" for dataset in datasets), markup=False
        )


def run_datasets(datasets: list[str]) -> None:
    """Run them one after the other; their books tell what became of the rows."""
    from headgate.cli.data import run

    for dataset in datasets:
        run(dataset, wait=True)


def dismiss_rows(
    note: Annotated[str, typer.Option("--note", help="Why; kept with the rows.")],
    dataset: Dataset = "",
    object: Object = "",
    rules: Rules = None,
    column: Column = "",
    run: Run = 0,
    since: Since = "",
    ids: Id = None,
    all_rows: Annotated[bool, typer.Option("--all", help="All open rows, without a filter.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Close open rows that nobody will load; they stay counted and can be listed with --state dismissed."""
    from headgate.quarantine import count, dismiss

    if not note.strip():
        raise Fatal("--note is empty; say why these rows are not needed")
    wanted = filter_of(dataset, object, rules, column, run, since, ids, "open")
    if not (wanted.narrow or all_rows):
        raise typer.BadParameter("say which rows: a filter such as --dataset or --id, or --all")
    with closing(connect_pipeline("headgate-quarantine")) as conn:
        rows = count(conn, wanted) if dry_run else dismiss(conn, wanted, note, user())
    if json:
        print_json({"dry_run": dry_run, "rows": rows})
        return
    console.print(f"{rows:,} rows {'would be' if dry_run else 'are'} dismissed")
