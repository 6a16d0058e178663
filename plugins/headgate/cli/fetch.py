"""``headgate fetch``: ask a dataset's API source and land its answers, without Airflow."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.cli.data import Dataset, Json, contract_of

if TYPE_CHECKING:
    from headgate.contract import Source
    from headgate.sources.landing import Landed
    from headgate.sources.model import Want
    from headgate.sources.windows import Known
    from headgate.steps.fetch import Failed

SHOWN = 40  # windows of a dry run
NOTHING = "nothing to ask for: what the contract wants of it is landed for good (--refetch asks for it again)"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("fetch", help="Ask a dataset's API source and land its answers; `headgate run` loads them.")(
        fetch
    )


def fetch(
    dataset: Dataset,
    start: Annotated[str, typer.Option("--from", help="First day or moment, UTC.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day (all of it) or moment, UTC.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be asked for.")] = False,
    refetch: Annotated[bool, typer.Option("--refetch", help="Ask also for what is landed for good.")] = False,
    json: Json = False,
) -> None:
    """Without dates: all that is missing by now. Exit code 1 when something could not be had."""
    from headgate.errors import Fatal
    from headgate.ledger.fetch import known_windows
    from headgate.logs import configure
    from headgate.settings import settings
    from headgate.sources.catalogue import provider
    from headgate.sources.windows import wants
    from headgate.steps.fetch import Job, asked
    from headgate.steps.scan import Params, Request, applied_contract
    from headgate.steps.services import Services

    file = contract_of(dataset)
    if file.source is None:
        raise Fatal(f"{dataset} is not fetched: its contract names no source. `headgate put` brings files.")
    configure(level="ERROR")  # the log's lines say what the end says
    services = Services.of(settings(), patience=60.0)
    request = Request(dataset, "", file.sha256, params=Params(start=start, end=end, refetch=refetch))
    contract, _ = applied_contract(services, request)
    asked_for = asked(file.source, request)
    known = services.ledger(known_windows, dataset)
    wanted = wants(file.source, asked_for, known)
    if dry_run:
        show_wanted(file.source, wanted, known, json=json)
        return
    job = Job(services, contract, provider(file.source.provider), None, routine=not asked_for.alone)
    dates = [*(["--from", start] if start else []), *(["--to", end] if end else [])]
    show_outcome(dataset, dates, follow(job, wanted, quiet=json), json=json)


def follow(job: Any, wanted: Sequence[Want], *, quiet: bool) -> list[tuple[Want, Landed | Failed]]:
    """Fetch it all, with a bar; what became of each window."""
    from headgate.cli.progress import waiting_bar
    from headgate.steps.fetch import fetch_all

    outcomes: list[tuple[Want, Landed | Failed]] = []
    if not wanted:
        return outcomes
    with waiting_bar(f"{job.contract.dataset}: windows", len(wanted), quiet=quiet) as show:

        def told(want: Want, outcome: Landed | Failed) -> None:
            outcomes.append((want, outcome))
            show(len(outcomes))

        fetch_all(job, wanted, told)
    return outcomes


def show_wanted(source: Source, wanted: Sequence[Want], known: Sequence[Known], *, json: bool) -> None:
    """What would be asked for, and why."""
    from headgate.cli.output import console, print_json, table
    from headgate.sources.keys import folder

    rows = {row.folder: row for row in known}
    listed = [
        {**as_json(want), "why": why(source, rows.get(folder(want.window, want.slice)))} for want in wanted
    ]
    if json:
        print_json(listed)
        return
    lines = [[one["start"], one["end"], slice_of(one["slice"]), one["why"]] for one in listed[:SHOWN]]
    if lines:
        table(("from", "to", "slice", "why"), lines)
    more = f", the first {SHOWN} are listed" if len(listed) > SHOWN else ""
    told = f"{len(listed):,} windows would be asked for{more}" if listed else NOTHING
    console.print(told, highlight=False)


def why(source: Source, row: Known | None) -> str:
    """Why a window is asked for."""
    from headgate.sources.windows import is_final

    if row is None:
        return "missing"
    if row.state != "landed":
        return {"failed": "failed before", "wanted": "a run left it"}[row.state]
    return "landed for good" if is_final(source, row) else "may be corrected"


def show_outcome(
    dataset: str, dates: Sequence[str], outcomes: Sequence[tuple[Want, Any]], *, json: bool
) -> None:
    """What was landed and what could not be had; exit code 1 for the latter.

    ``dates``: as they were given. The run that loads it asks for the same, or it would fetch all that is due.
    """
    from headgate.cli.output import console, errors, print_json
    from headgate.steps.fetch import Failed

    failed = [(want, outcome) for want, outcome in outcomes if isinstance(outcome, Failed)]
    landed = [outcome for _, outcome in outcomes if not isinstance(outcome, Failed)]
    pages, new = sum(one.pages for one in landed), sum(one.pages_new for one in landed)
    if json:
        told = [{**as_json(want), "fault": one.fault, "reason": one.reason} for want, one in failed]
        counts = {"windows": len(outcomes), "landed": len(landed), "pages": pages, "pages_new": new}
        print_json({"dataset": dataset, **counts, "failed": told})
    else:
        summary = (
            f"{len(landed):,} of {len(outcomes):,} windows landed: {pages:,} pages, {new:,} with new content"
        )
        console.print(summary if outcomes else NOTHING, highlight=False)
        for reason in dict.fromkeys(one.reason for _, one in failed):
            errors.print(f"not fetched: {reason}", highlight=False, markup=False, soft_wrap=True)
        if new:
            again = shlex.join(["headgate", "run", dataset, *dates, "--wait"])
            errors.print(f"Next: {again}", highlight=False, markup=False, soft_wrap=True)
        if failed:
            errors.print("What failed is asked for again by the next run or fetch.", highlight=False)
    if failed:
        raise typer.Exit(1)


def as_json(want: Want) -> dict[str, Any]:
    """A window and its slice."""
    from headgate.sources.model import rfc3339

    span = {"start": rfc3339(want.window.start), "end": rfc3339(want.window.end)}
    return {**span, "slice": dict(want.slice)}


def slice_of(slice: dict[str, str]) -> str:
    """``name=value`` of each, for people."""
    return ", ".join(f"{name}={value}" for name, value in slice.items())
