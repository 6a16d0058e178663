"""The errors in Postgres: failed messages and tasks, what is known of them and what people did about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headgate.db import query, records, transaction
from headgate.errors import Fatal
from headgate.replay.where import Where

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

STATES = ("retrying", "parked", "replayed", "recorded", "resolved", "dismissed")
OPEN = STATES[:4]  # recorded: of a task, until a run of its dataset succeeds
PAGE = 500


@dataclass(frozen=True)
class Error:
    """A failure that is not a row's: of a message (``message_id``) or of a task (``task_id``)."""

    id: int
    source: str
    failure_class: str
    cause: str
    reason: str
    trace: str | None
    dataset: str
    run_id: int | None
    object_id: int | None
    object: str | None  # key
    chunk_id: int | None
    message_id: str | None
    replays: int
    queue: str | None
    consumer: str | None
    attempts: int
    state: str
    first_failed_at: datetime
    last_failed_at: datetime
    next_at: datetime | None
    resolved_at: datetime | None
    traceparent: str | None
    dag_id: str | None
    dag_run_id: str | None
    task_id: str | None
    map_index: int | None
    try_number: int | None
    detail: dict[str, Any]


@dataclass(frozen=True)
class Count:
    """How many errors of a dataset and cause are in a state."""

    dataset: str
    cause: str
    state: str
    errors: int


@dataclass(frozen=True)
class PersonsAction:
    """What somebody did with the message of an error."""

    at: datetime
    action: str
    source: str
    filter: str
    force: bool
    note: str | None
    by: str
    role: str


def errors(
    conn: Connection, where: Where, states: Sequence[str] | None, limit: int | None = None
) -> Iterator[Error]:
    """The matching errors, the last to fail first, read in pages; at most ``limit``."""
    values = _values(conn, where, states) | {"after": None, "after_time": None}
    left = limit
    while left is None or left > 0:
        page = PAGE if left is None else min(PAGE, left)
        with transaction(conn) as cursor:
            cursor.execute(query("error_page"), values | {"page": page})
            found = records(cursor, Error)
        yield from found
        if len(found) < page:
            return
        values |= {"after": found[-1].id, "after_time": found[-1].last_failed_at}
        left = None if left is None else left - len(found)


def get_error(conn: Connection, error_id: int) -> Error:
    """The error with this id; ``Fatal`` when there is none."""
    found = next(errors(conn, Where(error=(error_id,)), None, 1), None)
    if found is None:
        raise Fatal(f"there is no error {error_id}; `headgate errors list` shows the ids")
    return found


def counts(conn: Connection, where: Where, states: Sequence[str] | None) -> list[Count]:
    """How many match."""
    values = _values(conn, where, states)
    with transaction(conn) as cursor:
        cursor.execute(query("error_counts"), values)
        return records(cursor, Count)


def actions_on(conn: Connection, error: Error) -> list[PersonsAction]:
    """What people did with its message, oldest first."""
    with transaction(conn) as cursor:
        cursor.execute(query("error_actions"), {"error_id": error.id, "message_id": error.message_id})
        return records(cursor, PersonsAction)


def _values(conn: Connection, where: Where, states: Sequence[str] | None) -> dict[str, Any]:
    return where.known(conn).parameters() | {"states": list(states) if states else None}
