"""``headgate retention``: prune what is older than its rules say."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from headgate.cli.options import Json
from headgate.cli.output import console, print_json, table

STORE_PATIENCE = 10.0  # seconds


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("retention")(retention)


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    json: Json = False,
) -> None:
    """Remove receipts, staged bytes, errors, alerts and events that are older than their rules say.

    The books stay the same, and nothing goes that they or a person may still need. The DAG
    headgate_maintenance does it once a day. Rules: HEADGATE_RETENTION_…, and `retention` in a contract.
    """
    from headgate.cli.progress import waiting_bar
    from headgate.logs import configure
    from headgate.retention import KINDS
    from headgate.settings import settings
    from headgate.steps.maintain import maintain
    from headgate.steps.services import Ledger, Services

    configure(level="ERROR")  # the step's log lines say what the table says
    services = replace(
        Services.of(settings(), patience=STORE_PATIENCE),
        ledger=Ledger(settings().require("database_url"), patience=0.0),
    )
    done = 0

    def told(kind: str, count: int) -> None:
        nonlocal done
        done += count if kind != "staging_bytes" else 0
        advance(done)

    with waiting_bar("pruning", None, quiet=json) as advance:
        removed = maintain(services, dry_run=dry_run, told=told)
    if json:
        print_json({"dry_run": dry_run, "removed": removed})
        return
    if not any(removed.values()):
        console.print("nothing is older than its rules say")
        return
    head = "would be removed" if dry_run else "removed"
    rows = [(text, f"{removed[kind]:,}") for kind, text in KINDS.items() if removed[kind]]
    table(("what", head), rows, numeric=(head,))
