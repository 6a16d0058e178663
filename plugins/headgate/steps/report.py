"""report: close the books of a run, say what is wrong with it, tell people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from textwrap import shorten
from typing import Literal

import structlog

from headgate import ledger
from headgate.books import RunBooks, run_books
from headgate.errors import DataError
from headgate.ledger import LoadReject, Run, TakenOver
from headgate.ledger.fetch import keep_fetched
from headgate.steps.chunks import raw_rows
from headgate.steps.contracts import Contracts
from headgate.steps.fetch import missing_lines
from headgate.steps.news import RUNS_COMPARED, news_of
from headgate.steps.relay import relay
from headgate.steps.removal import remove_vanished
from headgate.steps.scan import Params
from headgate.steps.services import Services

log = structlog.get_logger("headgate.steps.report")
REASONS_SHOWN = 5
REASON_WIDTH = 300  # characters of what a step said


def report(services: Services, run: Run, failed_steps: Sequence[str] = ()) -> RunBooks:
    """Complete what is known of refused rows, judge the run and close it; its books.

    A run succeeds when every step did, nothing is held or unfinished, the books balance and no version would
    remove more rows than its contract allows.
    """
    services.ledger(ledger.mark_loaded, run.run_id)
    complete_load_rejects(services, run)
    refusals = remove_vanished(services, run)
    services.ledger(keep_fetched, run.run_id)
    books = services.ledger(run_books, run)
    missing = missing_lines(books.fetched, away=False)
    failures = [*step_failures(services, run, failed_steps), *refusals, *missing]
    state, reason = verdict(books, Params.of(run.params), failures)
    reason = reason or carried_on(services.ledger(ledger.taken_over, run.run_id))
    reason = "; ".join(filter(None, [reason, *missing_lines(books.fetched, away=True)])) or None
    contract = Contracts(services, run.dataset).version(run.contract_version)
    history = services.ledger(ledger.volumes, run, RUNS_COMPARED) if books.run.read else []
    news = news_of(run, contract, books, (state, reason), history)
    run = services.ledger(ledger.finish_run, run.run_id, state, reason, news)
    relay(services)
    return services.ledger(run_books, run)


def step_failures(services: Services, run: Run, failed_steps: Sequence[str]) -> list[str]:
    """Which steps failed, and why: what is known of it by now."""
    if not failed_steps:
        return []
    known = services.ledger(ledger.task_reasons, run.run_id)
    return [
        f"step {step} failed: {shorten(known[step], REASON_WIDTH, placeholder=' …')}"
        if known.get(step)
        else f"step {step} failed, see its log"
        for step in failed_steps
    ]


def verdict(
    books: RunBooks, params: Params, failures: Sequence[str]
) -> tuple[Literal["success", "failed", "dry_run"], str | None]:
    """The run's state and, when it failed, why: for a person who reads one line."""
    reasons = list(failures)
    reasons += [ledger.held_line(row.key, row.reason or "") for row in books.held]
    if not params.dry_run:
        reasons += [f"the books do not balance: {gap}" for gap in books.gaps]
        if not books.balanced and not reasons:
            reasons.append(f"not finished: {unfinished(books)}")
    if reasons:
        return "failed", shortened(reasons)
    return ("dry_run" if params.dry_run else "success"), None


def carried_on(taken: Sequence[TakenOver]) -> str | None:
    """Where the objects of a run went that was cleared after others had taken them over."""
    if not taken:
        return None
    told = ", ".join(f"{other.objects:,} by run {other.run_id} ({other.dag_run_id})" for other in taken)
    return f"objects of this run were taken over: {told}; their rows are in the books of those runs"


def unfinished(books: RunBooks) -> str:
    """Objects that are not at the end of the road, with their states."""
    waiting = [row for row in books.objects if row.state not in ("loaded", "held", "duplicate")]
    return ", ".join(f"{row.key} is {row.state}" for row in waiting) or "no object; see `headgate books`"


def shortened(reasons: Sequence[str]) -> str:
    """The first reasons, and how many more there are."""
    more = len(reasons) - REASONS_SHOWN
    return "; ".join(reasons[:REASONS_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def complete_load_rejects(services: Services, run: Run) -> int:
    """Rows that Postgres refused get their line and their text as it stands in the object; how many.

    The consumer knows only the typed row. When the object has changed since, that is what remains.
    """
    waiting = services.ledger(ledger.load_rejects, run.run_id)
    waiting.sort(key=lambda row: (row.object_id, row.chunk_id))
    for (object_id, chunk_id), rows in groupby(waiting, key=lambda row: (row.object_id, row.chunk_id)):
        try:
            complete_chunk(services, object_id, chunk_id, list(rows))
        except DataError as error:
            log.warning(
                "rows refused by Postgres stay as they were sent", object_id=object_id, reason=str(error)
            )
    return len(waiting)


def complete_chunk(services: Services, object_id: int, chunk_id: int, rows: Sequence[LoadReject]) -> None:
    """Complete the refused rows of one chunk."""
    found = services.ledger(ledger.get_object, object_id)
    chunks = services.ledger(ledger.chunks_of, object_id)
    chunk = next(chunk for chunk in chunks if chunk.chunk_id == chunk_id)
    texts = raw_rows(services, found, chunk, [row.row_number for row in rows])
    by_id = {row.quarantine_id: texts[row.row_number] for row in rows}
    services.ledger(ledger.complete_rejects, by_id)
