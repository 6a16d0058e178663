"""``headgate errors …``: failed messages and tasks; look at them, or close those that nobody needs."""

from __future__ import annotations

from contextlib import closing
from dataclasses import astuple
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.cli.connection import connect_reader
from headgate.cli.options import DryRun, Json, Yes, user
from headgate.cli.output import console, print_json, print_json_list, table
from headgate.cli.replay import as_json, carry_out, expect_an_answer, show
from headgate.cli.where import Conditions, where_of
from headgate.errors import Fatal

if TYPE_CHECKING:
    from headgate.replay import Error
    from headgate.replay.errors import PersonsAction

TABLE_ROWS = 50


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        name="errors",
        help="Failed messages and tasks: look, dismiss. `headgate replay` sends messages again.",
        no_args_is_help=True,
    )
    group.command("list")(list_errors)
    group.command("show")(show_error)
    group.command("dismiss")(dismiss_errors)
    app.add_typer(group)


def list_errors(
    where: Conditions = None,
    state: Annotated[
        str, typer.Option(help="open, all, retrying, parked, replayed, recorded, resolved or dismissed.")
    ] = "open",
    limit: Annotated[int, typer.Option(help=f"Errors at most; 0: all, in a table {TABLE_ROWS}.", min=0)] = 0,
    json: Json = False,
) -> None:
    """Failed messages and tasks, the last to fail first."""
    from headgate.replay import counts, errors

    states = states_of(state)
    wanted = where_of(where)
    with closing(connect_reader("headgate-errors")) as conn:
        if json:
            print_json_list(errors(conn, wanted, states, limit or None))
            return
        shown = list(errors(conn, wanted, states, limit or TABLE_ROWS))
        found = counts(conn, wanted, states)
    kind = "errors" if state == "all" else f"{state} errors"
    if not shown:
        console.print(f"no {kind}" + (" like that" if wanted.narrow else ""))
        return
    show_table(shown)
    total = sum(count.errors for count in found)
    if total > len(shown):
        table(("dataset", "cause", "state", "errors"), map(astuple, found), numeric=("errors",), title="all")
    console.print(f"{len(shown):,} of {total:,} {kind}")
    console.print(f"More of one: headgate errors show {shown[0].id}", highlight=False)
    if any(count.state == "parked" for count in found):
        console.print("When the cause of what is parked is mended: headgate replay", highlight=False)


def states_of(state: str) -> tuple[str, ...] | None:
    """The states that the option means; None is all."""
    from headgate.replay import OPEN, STATES

    if state not in ("open", "all", *STATES):
        raise typer.BadParameter(f"--state is open, all, {', '.join(STATES)}, not {state!r}")
    return {"open": OPEN, "all": None}.get(state, (state,))


def show_table(shown: list[Error]) -> None:
    """One line an error."""
    columns = ("id", "last failed (UTC)", "dataset", "cause", "state", "tries", "what is wrong")
    lines = [
        (
            error.id,
            f"{error.last_failed_at:%Y-%m-%d %H:%M:%S}",
            error.dataset,
            error.cause,
            error.state,
            error.attempts,
            f"{task_of(error)}: {first_line(error)}" if error.task_id else first_line(error),
        )
        for error in shown
    ]
    table(columns, lines, numeric=("id", "tries"))


def first_line(error: Error) -> str:
    """What is wrong, in short; Postgres adds the place in a statement."""
    return next(iter(error.reason.splitlines()), "")


def task_of(error: Error) -> str:
    """A task with its map index, where it has one."""
    return f"{error.task_id}[{error.map_index}]" if (error.map_index or -1) >= 0 else str(error.task_id)


def show_error(
    id: Annotated[int, typer.Argument(help="The error's id, see `headgate errors list`.")],
    json: Json = False,
) -> None:
    """One error with all that is known of it, what was done about it and what can be done."""
    from headgate.replay import actions_on, get_error

    with closing(connect_reader("headgate-errors")) as conn:
        error = get_error(conn, id)
        actions = actions_on(conn, error)
    if json:
        print_json(vars(error) | {"actions": actions})
        return
    lines = [(name, value) for name, value in about(error).items() if value not in (None, "")]
    table(["", ""], lines, title=f"error {error.id}")
    if actions:
        show_actions(actions)
    if error.trace:
        console.print(error.trace, markup=False, highlight=False, soft_wrap=True)
    if error.state == "parked":
        console.print(f"When its cause is mended: headgate replay --where error={error.id}", highlight=False)


def about(error: Error) -> dict[str, Any]:
    """What is known, for a person."""
    return {
        "what is wrong": error.reason,
        "cause": f"{error.cause} ({error.failure_class})",
        "state": error.state,
        "tries": error.attempts,
        "first failed": moment_of(error.first_failed_at),
        "last failed": moment_of(error.last_failed_at),
        "next try": moment_of(error.next_at),
        "closed": moment_of(error.resolved_at),
        "dataset": error.dataset,
        "run": error.run_id or error.dag_run_id,
        "object": f"{error.object or 'unknown'} (object {error.object_id})" if error.object_id else None,
        "chunk": error.chunk_id,
        "message": error.message_id,
        "replays": error.replays or None,
        "queue": error.queue,
        "consumer": error.consumer,
        "task": f"{task_of(error)} of {error.dag_id}, {error.dag_run_id}" if error.task_id else None,
        "trace context": error.traceparent,
        **error.detail,
    }


def moment_of(value: Any) -> str | None:
    """A time in UTC, to the second."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if value else None


def show_actions(actions: list[PersonsAction]) -> None:
    """What people did about it."""
    columns = ("at (UTC)", "what", "from", "by", "asked for", "note")
    lines = [
        (
            f"{done.at:%Y-%m-%d %H:%M:%S}",
            f"{done.action}{' by force' if done.force else ''}",
            done.source,
            f"{done.by} ({done.role})",
            done.filter,
            done.note,
        )
        for done in actions
    ]
    table(columns, lines)


def dismiss_errors(
    note: Annotated[str, typer.Option("--note", help="Why; kept in the audit.")],
    where: Conditions = None,
    all_errors: Annotated[bool, typer.Option("--all", help="All, without a condition.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also messages whose rows the books wait for: they stay missing.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Close errors for good and take their messages out of parking; who did it and why is kept."""
    from headgate.replay import Order, opened_desk
    from headgate.settings import settings

    if not note.strip():
        raise Fatal("--note is empty; say why these are not needed")
    wanted = where_of(where)
    if not (wanted.narrow or all_errors):
        raise typer.BadParameter("say which: --where, or --all")
    expect_an_answer(agreed=yes or dry_run, json=json)
    with opened_desk(settings()) as desk:
        order = Order(wanted, user(), force=force, dry_run=dry_run, note=note)
        waiting = desk.waiting("parking")
        tally = carry_out(
            lambda order, progress: desk.dismiss(waiting, order, progress),
            order,
            sum(waiting.values()),
            yes=yes,
            quiet=json,
        )
    if json:
        print_json(as_json(tally, order))
    else:
        show(tally, done=not dry_run)
