"""What was asked of a dataset's API source, window by window: ``headgate.fetch``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from psycopg2.extras import Json

from headgate.contract import Source
from headgate.db import query, records, transaction
from headgate.sources.keys import folder
from headgate.sources.model import Want
from headgate.sources.windows import Asked, Known, wants

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Fault = Literal["away", "quota", "rejected"]


@dataclass(frozen=True)
class Fetched:
    """So many windows of a run with one outcome, and the pages of those that are landed."""

    state: str
    fault: Fault | None
    reason: str | None
    windows: int
    pages: int
    pages_new: int


def known_windows(conn: Connection, dataset: str) -> list[Known]:
    """All that was ever asked for."""
    with transaction(conn) as cursor:
        cursor.execute(query("fetch_known"), {"dataset": dataset})
        return records(cursor, Known)


def fetching_runs(conn: Connection, dataset: str, run_id: int) -> list[tuple[int, str]]:
    """(run_id, dag_run_id) of the dataset's other runs that have still to fetch something."""
    with transaction(conn) as cursor:
        cursor.execute(query("fetch_wanted_by"), {"dataset": dataset, "run_id": run_id})
        return list(cursor.fetchall())


def plan_fetch(
    conn: Connection,
    dataset: str,
    source: Source,
    asked: Asked,
    *,
    run_id: int,
    alive: Collection[int],
    most_lanes: int,
    windows_a_lane: int,
    remembered: int,
) -> tuple[int, int]:
    """Note what the run has to fetch, shared out among lanes; how many windows and lanes.

    What a run that is ``alive`` has still to fetch is left to it. A plan that is made again leaves out what
    the run has landed since. ``remembered``: days that landed intervals, which may be of minutes, and what
    became of the windows of each run are kept; 0: for ever.
    """
    with transaction(conn) as cursor:
        cursor.execute(query("fetch_lock"), {"dataset": dataset})
        if remembered:
            before = asked.now - timedelta(days=remembered)
            values = {"dataset": dataset, "before": before, "intervals": source.window == "interval"}
            cursor.execute(query("fetch_forget"), values)
        cursor.execute(query("fetch_known"), {"dataset": dataset})
        known = records(cursor, Known)
        others = {row.folder for row in known if row.state == "wanted" and row.run_id in alive}
        wanted = [
            want
            for want in wants(source, asked, known, run_id)
            if folder(want.window, want.slice) not in others
        ]
        lanes = min(most_lanes, -(-len(wanted) // windows_a_lane))
        plan = {
            "dataset": dataset,
            "run_id": run_id,
            "lanes": lanes,
            "routine": not asked.alone,
            "folders": [folder(want.window, want.slice) for want in wanted],
            "starts": [want.window.start for want in wanted],
            "ends": [want.window.end for want in wanted],
            "slices": [Json(dict(want.slice)) for want in wanted],
        }
        if wanted:
            cursor.execute(query("fetch_plan"), plan)
    return len(wanted), lanes


def hold_window(conn: Connection, dataset: str, want: Want) -> None:
    """Wait until nobody else lands this window's slice; held until the next one is, or the connection ends.

    Two that land it at the same time could leave the pages of one beside those of the other.
    """
    with transaction(conn) as cursor:
        cursor.execute(query("fetch_let_go"))
        cursor.execute(query("fetch_hold"), {"dataset": dataset, "folder": folder(want.window, want.slice)})


def wanted_of_lane(conn: Connection, run_id: int, lane: int) -> list[Known]:
    """What a lane has still to fetch, the oldest window first."""
    with transaction(conn) as cursor:
        cursor.execute(query("fetch_of_lane"), {"run_id": run_id, "lane": lane})
        return records(cursor, Known)


def record_landed(
    conn: Connection,
    dataset: str,
    want: Want,
    *,
    run_id: int | None,
    routine: bool,
    fetched_at: datetime,
    pages: int,
    pages_new: int,
) -> None:
    """All pages of a window's slice are in the bucket, as of a fetch that began then."""
    values = {"fetched_at": fetched_at, "pages": pages, "pages_new": pages_new}
    with transaction(conn) as cursor:
        row = _row(dataset, want, run_id, routine) | values
        cursor.execute(query("fetch_landed"), row)
        if run_id is not None:
            cursor.execute(query("fetch_by_run"), row | {"state": "landed", "fault": None, "reason": None})


def record_failed(
    conn: Connection,
    dataset: str,
    want: Want,
    *,
    run_id: int | None,
    routine: bool,
    fault: Fault,
    reason: str,
) -> None:
    """A window's slice could not be had; a later run asks for it again."""
    values = {"fault": fault, "reason": reason}
    with transaction(conn) as cursor:
        row = _row(dataset, want, run_id, routine) | values
        cursor.execute(query("fetch_failed"), row)
        if run_id is not None:
            cursor.execute(query("fetch_by_run"), row | {"state": "failed", "pages": 0, "pages_new": 0})


def keep_fetched(conn: Connection, run_id: int) -> None:
    """Sum up what a run fetched and what it could not, whoever asked for the same windows since."""
    with transaction(conn) as cursor:
        cursor.execute(query("fetch_keep"), {"run_id": run_id})


def _row(dataset: str, want: Want, run_id: int | None, routine: bool) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "folder": folder(want.window, want.slice),
        "window_start": want.window.start,
        "window_end": want.window.end,
        "slice": Json(dict(want.slice)),
        "run_id": run_id,
        "routine": routine,
    }
