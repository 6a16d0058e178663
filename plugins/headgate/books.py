"""The books: where every row that was read went, and what has not come back yet.

They are read from the accounting views (``sql/views``) and from nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from headgate.db import query, records, transaction
from headgate.ledger.fetch import Fetched
from headgate.ledger.gate import held_line
from headgate.ledger.runs import Run

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from rich.console import RenderableType

GAPS_SHOWN = 20
OBJECTS_SHOWN = 50
EQUATION = ("read", "inserted", "updated", "unchanged", "superseded", "quarantined")
COUNTS = (*EQUATION, "blank", "missing", "removed")
_MORE = re.compile(r"and \d+ more")  # how a run's reason ends that names the first reasons only


@dataclass(frozen=True)
class Rows:
    """read = inserted + updated + unchanged + superseded + quarantined; blank records are not read.

    `removed`: rows of versions before that are no longer in the object, by the policy ``replace``.
    """

    read: int
    inserted: int
    updated: int
    unchanged: int
    superseded: int
    quarantined: int
    blank: int
    removed: int


@dataclass(frozen=True)
class RunRow:
    """A line of ``headgate.books_run``."""

    dataset: str
    run_id: int
    dag_run_id: str
    kind: str
    state: str
    reason: str | None
    started_at: datetime
    finished_at: datetime | None
    objects: int
    held: int
    read: int
    inserted: int
    updated: int
    unchanged: int
    superseded: int
    quarantined: int
    blank: int
    missing: int
    batches_missing: int
    balanced: bool
    removed: int


@dataclass(frozen=True)
class ObjectRow:
    """A line of ``headgate.books_object``; the counts of an object that is not published are zero.

    `seen` are the rows that validation read, published or not.
    """

    object_id: int
    key: str
    version: int
    state: str
    reason: str | None
    replay_of: int | None
    seen: int
    read: int
    inserted: int
    updated: int
    unchanged: int
    superseded: int
    quarantined: int
    blank: int
    missing: int
    batches_missing: int
    balanced: bool
    removed: int


@dataclass(frozen=True)
class Gap:
    """A chunk whose books do not balance; `missing` rows in `batches_missing` messages have no receipt."""

    object_id: int
    key: str
    chunk_id: int
    chunk: int
    state: str
    read: int
    inserted: int
    updated: int
    unchanged: int
    superseded: int
    quarantined: int
    missing: int
    batches: int
    batches_missing: int
    quarantine_rows: int

    def __str__(self) -> str:
        where = f"chunk {self.chunk} of {self.key} (chunk_id {self.chunk_id})"
        if self.batches_missing:
            return (
                f"{where}: {self.missing:,} rows in {self.batches_missing} of {self.batches} messages "
                "have no receipt"
            )
        if self.quarantined != self.quarantine_rows:
            return (
                f"{where}: {self.quarantined:,} rows rejected, {self.quarantine_rows:,} of them in quarantine"
            )
        applied = self.inserted + self.updated + self.unchanged + self.superseded
        return f"{where}: {self.read:,} rows read, {applied:,} applied, {self.quarantined:,} quarantined"


@dataclass(frozen=True)
class RunBooks:
    """The books of one run: its sum, its objects, and the chunks that do not balance."""

    run: RunRow
    objects: tuple[ObjectRow, ...]
    gaps: tuple[Gap, ...]
    fetched: tuple[Fetched, ...] = ()  # from an API source

    @property
    def state(self) -> str:
        """Of the run: running, success, failed or dry_run."""
        return self.run.state

    @property
    def balanced(self) -> bool:
        """Every published row is accounted for, and no object is left unfinished."""
        return self.run.balanced

    @property
    def held(self) -> tuple[ObjectRow, ...]:
        """Objects of which nothing was published."""
        return tuple(row for row in self.objects if row.state == "held")

    @property
    def seconds(self) -> float | None:
        """How long the run took, None while it is open."""
        run = self.run
        return (run.finished_at - run.started_at).total_seconds() if run.finished_at else None

    def as_json(self) -> dict[str, Any]:
        """What ``headgate run --json`` and ``headgate books --json`` print of a run."""
        return {
            "dataset": self.run.dataset,
            "run_id": self.run.run_id,
            "dag_run_id": self.run.dag_run_id,
            "state": self.run.state,
            "balanced": self.balanced,
            "reason": self.run.reason,
            "rows": asdict(rows_of(self.run)),
            "objects": [
                {
                    "object_id": row.object_id,
                    "key": row.key,
                    "state": row.state,
                    "version": row.version,
                    "reason": row.reason,
                    "replay_of": row.replay_of,
                    "balanced": row.balanced,
                    "missing": row.missing,
                    "rows": asdict(rows_of(row)),
                }
                for row in self.objects
            ],
            "held": [{"key": row.key, "object_id": row.object_id, "reason": row.reason} for row in self.held],
            "fetched": fetch_counts(self.fetched),
            "missing": [{**asdict(gap), "summary": str(gap)} for gap in self.gaps],
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class RowFate:
    """What happened to one row in one version of an object; see ``sql/functions/row_history.sql``."""

    object_id: int
    version: int
    run_id: int
    object_state: str
    chunk: int | None
    outcome: str
    reason: str | None
    rule: str | None
    column_name: str | None
    resolution: str | None
    replay_key: str | None
    replay_row: int | None
    message_id: UUID | None
    happened_at: datetime


def rows_of(row: RunRow | ObjectRow) -> Rows:
    """The row counts of a line of the books."""
    return Rows(**{field.name: getattr(row, field.name) for field in fields(Rows)})


def run_books(conn: Connection, run: Run) -> RunBooks:
    """The books of a run, as they stand now."""
    with transaction(conn) as cursor:
        cursor.execute(query("books_run"), {"run_id": run.run_id})
        (total,) = records(cursor, RunRow)
        cursor.execute(query("books_objects"), {"run_id": run.run_id})
        objects = tuple(records(cursor, ObjectRow))
        cursor.execute(query("fetch_summary"), {"run_id": run.run_id})
        fetched = tuple(records(cursor, Fetched))
        gaps: tuple[Gap, ...] = ()
        if not total.balanced:
            cursor.execute(query("books_gaps"), {"run_id": run.run_id, "limit": GAPS_SHOWN})
            gaps = tuple(records(cursor, Gap))
    return RunBooks(total, objects, gaps, fetched)


def fetch_counts(fetched: Sequence[Fetched]) -> dict[str, int]:
    """Windows of a run that were asked for, and the pages of those that are landed; empty where none were."""
    if not fetched:
        return {}
    return {
        "windows": sum(one.windows for one in fetched),
        "landed": sum(one.windows for one in fetched if one.state == "landed"),
        "failed": sum(one.windows for one in fetched if one.state == "failed"),
        "pages": sum(one.pages for one in fetched if one.state == "landed"),
        "pages_new": sum(one.pages_new for one in fetched if one.state == "landed"),
    }


def recent_runs(conn: Connection, dataset: str, limit: int = 20) -> list[RunRow]:
    """The dataset's runs, newest first."""
    with transaction(conn) as cursor:
        cursor.execute(query("books_runs"), {"dataset": dataset, "limit": limit})
        return records(cursor, RunRow)


def latest_runs(conn: Connection) -> list[Run]:
    """The newest run of every dataset."""
    with transaction(conn) as cursor:
        cursor.execute(query("run_latest_of_each"))
        return records(cursor, Run)


def row_history(conn: Connection, dataset: str, key: str, row: int) -> list[RowFate]:
    """What happened to data record `row` (1-based) of an object, in each of its versions."""
    with transaction(conn) as cursor:
        cursor.execute(query("row_history"), {"dataset": dataset, "key": key, "row": row})
        return records(cursor, RowFate)


def counts(row: RunRow | ObjectRow, names: Sequence[str] = COUNTS) -> list[str]:
    """The figures of a line in the order of `names`, with thousands separated."""
    return [f"{getattr(row, name):,}" for name in names]


def counts_shown(rows: Sequence[RunRow | ObjectRow]) -> tuple[str, ...]:
    """The counts worth a column: what was read, and what is not zero everywhere."""
    return tuple(name for name in COUNTS if name == "read" or any(getattr(row, name) for row in rows))


def render(books: RunBooks) -> RenderableType:
    """For a terminal: a line for each object (troubled ones first), the sum, and what is missing."""
    from rich.console import Group
    from rich.text import Text

    verdict = Text.from_markup("[green]The books balance:[/] ").append(equation(books.run))
    if not books.balanced:
        verdict = Text("The books do not balance.", style="red")
    if books.state == "running":
        verdict = Text("The run is under way, its books are open.", style="yellow")
    if books.state == "dry_run":
        verdict = Text("A dry run: nothing was published.", style="green")
    run = books.run
    title = Text(f"{run.dataset}, run {run.run_id} ({run.dag_run_id})", style="italic")
    said = remarks(books)
    failed = (
        [Text("The run failed:" if said else "The run failed.", style="red")] if run.state == "failed" else []
    )
    asked = [Text(_fetched(books))] if books.fetched else []
    rows = [_table(books)] if books.objects else []
    return Group(title, *asked, *rows, verdict, *failed, *([_listed(said)] if said else []))


def _fetched(books: RunBooks) -> str:
    told = "{landed:,} of {windows:,} windows fetched: {pages:,} pages, {pages_new:,} with new content"
    return told.format(**fetch_counts(books.fetched))


def equation(run: RunRow) -> str:
    """``1,000 read = 990 inserted + … + 10 quarantined``."""
    return f"{run.read:,} read = " + " + ".join(f"{getattr(run, name):,} {name}" for name in EQUATION[1:])


def remarks(books: RunBooks) -> list[str]:
    """What a person should know besides the figures, a line each: what is held, missing, unfinished; why."""
    unfinished = [row for row in books.objects if row.state in ("found", "inspected", "validated")]
    return [
        *(held_line(row.key, row.reason or "") for row in books.held[:OBJECTS_SHOWN]),
        *(str(gap) for gap in books.gaps),
        *(_unpublished(row, books.state) for row in unfinished[:GAPS_SHOWN]),
        *_other_reasons(books),
        *(f"{row.key}: {note}" for row in books.objects[:OBJECTS_SHOWN] if (note := _note(row))),
    ]


def _unpublished(row: ObjectRow, run_state: str) -> str:
    if run_state == "dry_run" and row.state == "validated":
        return f"{row.key}: {row.seen:,} rows read, the gate would let it pass; the next run publishes it"
    return f"{row.key} is {row.state}: not through the gate yet"


def _other_reasons(books: RunBooks) -> list[str]:
    """Why the run failed, without what the remarks say already."""
    reason = books.run.reason or ""
    said = [held_line(row.key, row.reason or "") for row in books.held]
    said += [f"the books do not balance: {gap}" for gap in books.gaps]
    said += [f"{row.key}: {row.reason}" for row in books.objects if row.reason]
    for line in said:
        reason = reason.replace(line, "")
    left = [part.strip() for part in reason.split(";")]
    return ["; ".join(filter(None, left))] if any(part and not _MORE.fullmatch(part) for part in left) else []


def _note(row: ObjectRow) -> str:
    if row.replay_of:
        return f"rows of object {row.replay_of} that were replayed"
    return row.reason or "" if row.state != "held" else ""


def _table(books: RunBooks) -> RenderableType:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    counted = counts_shown(books.objects)
    made = Table(header_style="bold", box=box.SIMPLE)
    made.padding, made.collapse_padding, made.pad_edge = (0, 1), True, False
    made.add_column("object", overflow="fold", min_width=12)
    made.add_column("state", no_wrap=True)
    for name in counted:
        made.add_column(name, justify="right", no_wrap=True)
    troubled_first = sorted(
        books.objects, key=lambda row: (row.balanced and row.state != "held", row.version)
    )
    for row in troubled_first[:OBJECTS_SHOWN]:
        key = row.key.removeprefix(f"{books.run.dataset}/")
        made.add_row(escape(key), row.state, *counts(row, counted))
    if len(books.objects) > OBJECTS_SHOWN:
        made.add_row(f"… {len(books.objects) - OBJECTS_SHOWN:,} more objects")
    made.add_section()
    made.add_row("total", books.run.state, *counts(books.run, counted))
    return made


def _listed(lines: Sequence[str]) -> RenderableType:
    """One line below the other, each indented where it wraps."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1, 0, 0))
    for line in lines:
        grid.add_row(" •", Text(line))
    return grid
