"""fetch: ask an API source for the windows that a run wants, and land its answers unchanged.

``plan`` writes down what there is to fetch and shares it out; each lane goes through its share. A lane that
is tried again goes on with what it has not landed. A provider that is away fails no task: the run goes on
with what is landed, and the windows are asked for again by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from headgate.contract import Contract, Source
from headgate.errors import DataError, HeadgateError
from headgate.ledger import get_run
from headgate.ledger.fetch import (
    Fault,
    Fetched,
    fetching_runs,
    hold_window,
    plan_fetch,
    record_failed,
    record_landed,
    wanted_of_lane,
)
from headgate.sources.catalogue import provider
from headgate.sources.landing import Landed, land
from headgate.sources.model import QuotaUsed, Unavailable, Want, Window
from headgate.sources.windows import Asked, Known
from headgate.steps.contracts import Contracts
from headgate.steps.lanes import Share
from headgate.steps.scan import Request, applied_contract, open_run
from headgate.steps.services import Services

if TYPE_CHECKING:
    from headgate.sources.model import Ask, Provider

log = structlog.get_logger("headgate.steps.fetch")
WINDOWS_A_LANE = 25  # another process costs seconds; a window, a second and more


@dataclass(frozen=True)
class Failed:
    """Why a window could not be had."""

    fault: Fault
    reason: str


@dataclass(frozen=True)
class Job:
    """What all windows of a fetch have in common. ``run_id`` None: asked for outside of any run."""

    services: Services
    contract: Contract
    provider: Provider
    run_id: int | None
    routine: bool


def plan(services: Services, request: Request, *, is_alive: Callable[[str], bool]) -> list[Share]:
    """Open the run and write down what it has to fetch; one share a lane.

    Nothing for a run of objects that are landed already. What another run that ``is_alive`` (asked by its
    Airflow id) has still to fetch is left to it. Raises ``Fatal`` as ``scan`` does, ``DataError`` for dates
    that are none.
    """
    contract, version = applied_contract(services, request)
    run = open_run(services, request, version)
    if contract.source is None or only_loads(request):
        return []
    others = services.ledger(fetching_runs, request.dataset, run.run_id)
    windows, lanes = services.ledger(
        plan_fetch,
        request.dataset,
        contract.source,
        asked(contract.source, request),
        run_id=run.run_id,
        alive=[run_id for run_id, dag_run_id in others if is_alive(dag_run_id)],
        most_lanes=provider(contract.source.provider).tasks,
        windows_a_lane=WINDOWS_A_LANE,
        remembered=contract.retention.get("receipts", services.settings.retention_receipts),
    )
    log.info("to be fetched", run_id=run.run_id, windows=windows, lanes=lanes)
    return [Share(run.run_id, lane, lanes) for lane in range(lanes)]


def only_loads(request: Request) -> bool:
    """Whether the run is for objects that are landed: those that a person names, or that just arrived."""
    params = request.params
    named = bool(params.objects or params.prefix or params.reload) and not (params.start or params.end)
    return named or request.kind == "asset_triggered"


def asked(source: Source, request: Request) -> Asked:
    """What the run asks for: the dates that were given, else its interval, else all that is missing."""
    now, params = to_second(request.asked_at), request.params
    if params.start or params.end:
        dates = span_of(source, params.start, params.end, now)
        return Asked(now, dates, alone=True, refetch=params.refetch)
    start, end = request.interval or (None, None)
    span = Window(to_second(start), to_second(end)) if start and end else None
    past = request.kind == "backfill"
    return Asked(now, span, alone=past, missing=past, refetch=params.refetch)


def span_of(source: Source, start: str, end: str, now: datetime) -> Window:
    """From the first day or moment (else the contract's ``since``) to the last one (else now), UTC."""
    if not start and source.since is None:
        raise DataError("say from when on: the contract's source has no `since`")
    first = start or str(source.since)
    begin, last = moment(first), moment(end) if end else now
    if begin >= now:
        raise DataError(f"{first} has not begun yet: it is {now:%Y-%m-%d %H:%M} UTC")
    today = now.replace(hour=0, minute=0, second=0)
    stop = min(last, today) + timedelta(days=1) if is_day(end) else min(last, now)
    if stop <= begin:
        raise DataError(f"the end, {end}, lies before the beginning, {first}")
    return Window(begin, stop)


def moment(text: str) -> datetime:
    """A day's beginning or a moment, as ISO 8601 writes it; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
        return to_second(found.replace(tzinfo=found.tzinfo or UTC))
    except (ValueError, OverflowError):
        raise DataError(f"{text!r} is no day and no moment; write 2024-01-31 or 2024-01-31T12:00") from None


def is_day(text: str) -> bool:
    """Whether a text that ``moment`` takes is a day, in any form of ISO 8601: 20240131, 2024-W05-3."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def to_second(moment: datetime) -> datetime:
    """In UTC, as keys name it."""
    return moment.astimezone(UTC).replace(microsecond=0)


def fetch(services: Services, share: Share) -> None:
    """Land what a lane of a run has still to fetch; what cannot be had is noted with the reason."""
    run = services.ledger(get_run, share.run_id)
    contract = Contracts(services, run.dataset).version(run.contract_version)
    assert contract.source is not None
    # Whether the run is a routine one the plan has written down.
    job = Job(services, contract, provider(contract.source.provider), run.run_id, routine=False)
    fetch_all(
        job,
        [want_of(contract.source, row) for row in services.ledger(wanted_of_lane, run.run_id, share.lane)],
    )


def want_of(source: Source, row: Known) -> Want:
    """What a row of the ledger stands for."""
    return Want(source, row.window, row.slice)


def fetch_all(
    job: Job, wanted: Sequence[Want], told: Callable[[Want, Landed | Failed], None] | None = None
) -> None:
    """Window by window; after a used-up quota nothing more is asked, and what is left fails with it."""
    from headgate.sources.client import Client

    used_up: Failed | None = None
    ledger = job.services.ledger
    with Client(job.provider, job.services.settings, ledger) as client, closing(ledger.beside()) as locks:
        for want in wanted:
            if used_up is None:
                locks(hold_window, job.contract.dataset, want)
            outcome = used_up or fetch_one(job, client.ask, want)
            client.clear()
            if isinstance(outcome, Failed):
                note_failed(job, want, outcome)
                used_up = outcome if outcome.fault == "quota" else None
            if told is not None:
                told(want, outcome)


def fetch_one(job: Job, ask: Ask, want: Want) -> Landed | Failed:
    """Land one window's slice. Credentials that are wrong, and our own servers that are away, are raised."""
    began = datetime.now(UTC)
    title = job.provider.title
    try:
        landed = land(job.services.store, job.contract, job.provider, ask, want)
    except Unavailable as error:
        return Failed("away", str(error))
    except QuotaUsed as error:
        return Failed("quota", str(error))
    except DataError as error:
        return Failed("rejected", str(error))
    except (HeadgateError, OSError, MemoryError):
        raise
    except Exception as error:  # whatever the provider's class makes of an answer, the next window waits
        log.exception("an answer cannot be read", provider=job.provider.name)
        return Failed("rejected", f"{title} answered what was not expected: {type(error).__name__}: {error}")
    job.services.ledger(
        record_landed,
        job.contract.dataset,
        want,
        run_id=job.run_id,
        routine=job.routine,
        fetched_at=began,
        pages=landed.pages,
        pages_new=landed.pages_new,
    )
    log.info(
        "landed",
        start=want.window.start.isoformat(),
        end=want.window.end.isoformat(),
        slice=dict(want.slice),
        pages=landed.pages,
        pages_new=landed.pages_new,
    )
    return landed


def note_failed(job: Job, want: Want, failed: Failed) -> None:
    """Write down that a window is missing, and why."""
    job.services.ledger(
        record_failed,
        job.contract.dataset,
        want,
        run_id=job.run_id,
        routine=job.routine,
        fault=failed.fault,
        reason=failed.reason,
    )
    log.warning("not fetched", fault=failed.fault, reason=failed.reason, slice=dict(want.slice))


def missing_lines(found: Sequence[Fetched], *, away: bool) -> list[str]:
    """What a run could not fetch, a line for each reason: of a provider that is away, or of the rest."""
    total = sum(one.windows for one in found)
    return [
        f"{one.windows:,} of {total:,} windows were not fetched: {one.reason}; "
        "the next run asks for them again" + ("" if one.fault == "rejected" else ", what is landed is loaded")
        for one in found
        if one.state == "failed" and (one.fault == "away") is away
    ]
