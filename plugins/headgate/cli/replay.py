"""``headgate replay``: messages that failed go to their queue again, once their cause is mended."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace as changed
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from headgate.cli.options import DryRun, Json, Yes, user
from headgate.cli.output import console, print_json, table
from headgate.cli.progress import waiting_bar
from headgate.cli.where import Conditions, where_of

if TYPE_CHECKING:
    from headgate.replay import Decision, Desk, Order, Tally
    from headgate.settings import Settings

Deal = Callable[["Order", Callable[[int], None]], "Tally"]

DONE = {"replayed": "sent again", "applied": "applied already: taken away", "dismissed": "taken away"}
PATIENCE = 10.0  # seconds to wait for the object store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    where: Conditions = None,
    source: Annotated[
        Literal["parking", "errors", "staging"],
        typer.Option(
            "--from",
            help="parking; errors: what waits for its next try, now; "
            "staging: what was sent and has no receipt, as it was staged.",
        ),
    ] = "parking",
    all_messages: Annotated[bool, typer.Option("--all", help="All, without a condition.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what was replayed 3 times, or may still be in its queue.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Send failed messages to their queue again; what is applied already is taken away."""
    from headgate.replay import Order, opened_desk
    from headgate.settings import settings

    wanted = where_of(where)
    if not (wanted.narrow or all_messages):
        raise typer.BadParameter("say which messages: --where, or --all")
    expect_an_answer(agreed=yes or dry_run, json=json)
    chosen = settings()
    with opened_desk(chosen) as desk:
        order = Order(wanted, user(), source, force=force, dry_run=dry_run)
        deal, total = dealing(desk, chosen, order)
        tally = carry_out(deal, order, total, yes=yes, quiet=json)
        hints = hints_for(desk, order, tally)
    tell(tally, order, hints, json=json)


def dealing(desk: Desk, settings: Settings, order: Order) -> tuple[Deal, int | None]:
    """What carries out the order, and how many messages it looks at, where that is known."""
    from headgate.failures import delays_of
    from headgate.replay.staging import replay_lost
    from headgate.steps.services import Services
    from headgate.steps.stream import message_of

    if order.source == "staging":
        make = partial(message_of, Services.of(settings, patience=PATIENCE))
        return lambda order, progress: replay_lost(desk, make, order, progress), None
    waiting = desk.waiting(order.source, delays_of(settings.retry_delays))
    return lambda order, progress: desk.replay(waiting, order, progress), sum(waiting.values())


def expect_an_answer(*, agreed: bool, json: bool) -> None:
    """Wrong usage where somebody has to be asked and nobody is there."""
    if not agreed and (json or not sys.stdin.isatty()):
        raise typer.BadParameter("nobody is there to be asked: say --yes, or --dry-run to look")


def carry_out(deal: Deal, order: Order, total: int | None, *, yes: bool, quiet: bool) -> Tally:
    """Carry the order out; unless ``yes``, look first, show what would be done and ask."""

    def dealt(order: Order) -> Tally:
        with waiting_bar("messages", total, quiet=quiet) as progress:
            return deal(order, progress)

    if not (yes or order.dry_run):
        plan = dealt(changed(order, dry_run=True))
        show(plan)
        if not plan.does_something:
            raise typer.Exit
        typer.confirm("Go on?", abort=True)
    return dealt(order)


def hints_for(desk: Desk, order: Order, tally: Tally) -> list[str]:
    """Where else messages lie that the conditions mean."""
    from headgate.replay import counts

    if order.source != "parking":
        return []
    found = counts(desk.conn, order.where, ("retrying", "parked"))
    waiting, parked = (sum(c.errors for c in found if c.state == state) for state in ("retrying", "parked"))
    hints = []
    if waiting:
        hints.append(f"{waiting:,} more wait for their next try: --from errors sends them now.")
    if parked and not tally.decisions:
        hints.append(f"{parked:,} do not lie in parking any more: --from staging sends their rows again.")
    return hints


def tell(tally: Tally, order: Order, hints: list[str], *, json: bool) -> None:
    """What was done; exit code 1 when something that was asked for was left."""
    if json:
        print_json(as_json(tally, order) | {"hints": hints})
    else:
        show(tally, done=not order.dry_run)
        for hint in hints:
            console.print(hint, highlight=False)
        datasets = sorted({dataset for dataset, _, told in tally.decisions if told.action == "replayed"})
        if datasets and not order.dry_run:
            books = "; ".join(f"headgate books {dataset}" for dataset in datasets)
            console.print(f"When they are applied the books show it: {books}", highlight=False)
    if tally.count(None) and not order.dry_run:
        raise typer.Exit(1)


def as_json(tally: Tally, order: Order) -> dict[str, Any]:
    """What became of how many messages."""
    return {
        "dry_run": order.dry_run,
        "from": order.source,
        **{action: tally.count(action) for action in ("replayed", "applied", "dismissed")},
        "left": tally.count(None),
        "others": tally.others,
        "errors_closed": tally.closed,
        "messages": [
            {"dataset": dataset, "cause": cause, "action": told.action, "left": told.left, "messages": number}
            for (dataset, cause, told), number in sorted_decisions(tally)
        ],
    }


def show(tally: Tally, *, done: bool = False) -> None:
    """A line for each dataset, cause and what becomes of the messages."""
    lines = [
        (dataset, cause, f"{number:,}", DONE[told.action] if told.action else f"stay: {told.left}")
        for (dataset, cause, told), number in sorted_decisions(tally)
    ]
    if lines:
        title = "" if done else "what would be done"
        table(("dataset", "cause", "messages", "what"), lines, numeric=("messages",), title=title)
    elif not tally.closed:
        console.print("no message is meant")
    if tally.closed:
        console.print(f"{tally.closed:,} errors without a message: {'closed' if done else 'would be closed'}")
    if tally.others:
        console.print(f"{tally.others:,} others stay where they are", highlight=False)


def sorted_decisions(tally: Tally) -> list[tuple[tuple[str, str, Decision], int]]:
    """In a stable order."""
    return sorted(tally.decisions.items(), key=lambda item: (item[0][0], item[0][1], str(item[0][2])))
