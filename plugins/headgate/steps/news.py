"""What a run tells when its books are closed: its end, and what is unusual about its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from headgate.contract import Contract
from headgate.events import Event
from headgate.ledger import Run, run_event
from headgate.steps.scan import Params

if TYPE_CHECKING:
    from headgate.books import RunBooks

RUNS_COMPARED = 20
FEWEST_RUNS = 5  # less history says nothing
DEVIATIONS = 5  # beyond so many robust standard deviations a volume is unusual
MAD_TO_SIGMA = 1.4826  # of normally distributed values
OBJECTS_TOLD = 50


@dataclass(frozen=True)
class Usual:
    """What the runs before let expect, in rows."""

    median: float
    low: float
    high: float
    runs: int


def news_of(
    run: Run, contract: Contract, books: RunBooks, verdict: tuple[str, str | None], history: Sequence[int]
) -> list[Event]:
    """Events of a run that is being closed; one that ends a condition counts only where that was told of.

    ``verdict``: the run's state and reason; ``history``: rows of the runs before it.
    """
    state, reason = verdict
    told = [
        run_event("run.finished", run, {"state": state, "reason": reason, "books": shortened(books, state)}),
        run_event("run.caught_up", run, {}),
    ]
    if state == "failed":
        told.append(run_event("run.failed", run, {"reason": reason}))
    elif state == "success":
        told += [run_event("run.recovered", run, {}), run_event("server.back", run, {})]
    if state != "dry_run":
        told += [balance(run, books), *quarantine(run, contract, books)]
    if state == "success":
        told += volume(run, contract, books, history)
    return told


def shortened(books: RunBooks, state: str) -> dict[str, Any]:
    """The books as JSON, with the first objects of many."""
    told = books.as_json() | {"state": state}
    return told | {name: told[name][:OBJECTS_TOLD] for name in ("objects", "held")}


def balance(run: Run, books: RunBooks) -> Event:
    """Whether every row is accounted for; objects that are not published yet do not count."""
    missing = books.run.missing + sum(abs(gap.quarantined - gap.quarantine_rows) for gap in books.gaps)
    if not books.gaps:
        return run_event("books.balanced", run, {"missing": 0})
    return run_event("books.unbalanced", run, {"missing": missing, "gaps": [str(gap) for gap in books.gaps]})


def quarantine(run: Run, contract: Contract, books: RunBooks) -> Iterator[Event]:
    """Whether more rows are in quarantine than the contract's threshold; of rows that come again nothing."""
    published = [row for row in books.objects if row.replay_of is None]
    read, quarantined = sum(row.read for row in published), sum(row.quarantined for row in published)
    if not read:
        return
    share = quarantined / read
    kind = "quarantine.high" if share > contract.quarantine_threshold else "quarantine.normal"
    yield run_event(
        kind,
        run,
        {
            "read": read,
            "quarantined": quarantined,
            "share": share,
            "threshold": contract.quarantine_threshold,
        },
    )


def volume(run: Run, contract: Contract, books: RunBooks, history: Sequence[int]) -> Iterator[Event]:
    """Whether a run that took all that was new has as many rows as the runs before it."""
    rows = sum(row.read for row in books.objects if row.replay_of is None)
    expected = usual(history, contract.volume_tolerance)
    if not rows or expected is None or not takes_all_new(run):
        return
    kind = "volume.usual" if expected.low <= rows <= expected.high else "volume.unusual"
    yield run_event(kind, run, {"rows": rows, **vars(expected)})


def takes_all_new(run: Run) -> bool:
    """Whether the run is like those of its history (``sql/queries/run_volumes.sql``)."""
    params = Params.of(run.params)
    return run.kind != "backfill" and not (params.objects or params.prefix or params.reload)


def usual(history: Sequence[int], tolerance: float) -> Usual | None:
    """Median and median absolute deviation: a few odd runs among those before do not move the limits.

    Within the tolerance, a share of the median, any volume is usual. None: too few runs to tell.
    """
    if len(history) < FEWEST_RUNS:
        return None
    middle = median(history)
    deviation = MAD_TO_SIGMA * median(abs(rows - middle) for rows in history)
    width = max(DEVIATIONS * deviation, tolerance * middle)
    return Usual(median=middle, low=max(0.0, middle - width), high=middle + width, runs=len(history))
