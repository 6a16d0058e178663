"""Quarantined rows: which they are, what is wrong with them, and dismissing them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headgate.db import one, query, records, transaction
from headgate.errors import Fatal

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

PAGE = 1000


@dataclass(frozen=True)
class Filter:
    """Which rows; None is no filter. `object` is a key, with or without ``<dataset>/`` before it.

    Of several `rules` a row needs to have broken one.
    """

    dataset: str | None = None
    object: str | None = None
    rules: tuple[str, ...] | None = None
    column: str | None = None
    run: int | None = None
    since: datetime | None = None
    state: str | None = "open"
    ids: tuple[int, ...] | None = None

    @property
    def narrow(self) -> bool:
        """Something but the state is filtered by."""
        return self != Filter(state=self.state)

    def parameters(self) -> dict[str, Any]:
        """As the queries take them."""
        lists = {"rules": self.rules, "ids": self.ids}
        return vars(self) | {name: None if chosen is None else list(chosen) for name, chosen in lists.items()}


@dataclass(frozen=True)
class Entry:
    """A quarantined row; `rule`, `column`, `value` and `reason` are of its first violation.

    `row_number` and `line` are 1-based in `object` (a key); `raw` is the record as it stands there.
    """

    id: int
    dataset: str
    object: str
    object_id: int
    run_id: int
    row_number: int
    line: int | None
    stage: str
    rule: str
    column: str | None
    reason: str
    value: str | None
    raw: str
    violations: list[dict[str, Any]]
    state: str
    object_state: str
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    note: str | None
    replay_key: str | None


@dataclass(frozen=True)
class Origin:
    """An object that quarantined rows come from; `replayable` of its matching `rows` can be replayed."""

    object_id: int
    dataset: str
    bucket: str
    key: str
    inspection: dict[str, Any]
    rows: int
    replayable: int


def entries(conn: Connection, wanted: Filter, limit: int | None = None) -> Iterator[Entry]:
    """The matching rows, oldest first, read in pages; at most `limit`."""
    after, left = 0, limit
    while left is None or left > 0:
        page = PAGE if left is None else min(PAGE, left)
        with transaction(conn) as cursor:
            cursor.execute(query("quarantine_page"), {**wanted.parameters(), "after": after, "page": page})
            found = records(cursor, Entry)
        yield from found
        if len(found) < page:
            return
        after = found[-1].id
        left = None if left is None else left - len(found)


def get_entry(conn: Connection, quarantine_id: int) -> Entry:
    """The row with this id, in whatever state; ``Fatal`` when there is none."""
    found = next(entries(conn, Filter(ids=(quarantine_id,), state=None), 1), None)
    if found is None:
        raise Fatal(f"the quarantine has no row {quarantine_id}; `headgate quarantine list` shows the ids")
    return found


def count(conn: Connection, wanted: Filter) -> int:
    """How many rows match."""
    with transaction(conn) as cursor:
        cursor.execute(query("quarantine_count"), wanted.parameters())
        (rows,) = one(cursor)
    return int(rows)


def origins(conn: Connection, wanted: Filter) -> list[Origin]:
    """The objects that the matching rows come from."""
    with transaction(conn) as cursor:
        cursor.execute(query("quarantine_origins"), wanted.parameters())
        return records(cursor, Origin)


def dismiss(conn: Connection, wanted: Filter, note: str, by: str) -> int:
    """Close the matching open rows without loading them; how many. They stay in the books as quarantined."""
    values = {**replace(wanted, state="open").parameters(), "note": note, "by": by}
    with transaction(conn) as cursor:
        cursor.execute(query("quarantine_dismiss"), values)
        return cursor.rowcount


def sentence(column: str | None, reason: str) -> str:
    """A reason with its column before it, unless it begins with it."""
    return f"{column}: {reason}" if column and not reason.startswith(f"{column} ") else reason
