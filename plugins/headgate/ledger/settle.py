"""Settling: which receipts are there, which messages are parked, and which rows Postgres refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from psycopg2.extras import execute_values

from headgate.db import one, query, records, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

REJECTS_AT_ONCE = 1000  # rows a statement


@dataclass(frozen=True)
class Parked:
    """A message that could not be applied and was put aside for a person; its row of ``headgate.error``."""

    message_id: UUID
    error_id: int
    reason: str


@dataclass(frozen=True)
class SettleStatus:
    """Messages of a run, their receipts, and which of them are parked."""

    batches_expected: int
    batches_received: int
    parked: tuple[Parked, ...]

    @property
    def done(self) -> bool:
        """Every message has its receipt."""
        return self.batches_received == self.batches_expected

    @property
    def blocked(self) -> bool:
        """Nothing more comes by itself: every message without receipt is parked."""
        return not self.done and len(self.parked) == self.batches_expected - self.batches_received


@dataclass(frozen=True)
class LoadReject:
    """A row that Postgres refused, whose line and raw text are not known yet."""

    quarantine_id: int
    object_id: int
    chunk_id: int
    row_number: int


def settle_status(conn: Connection, run_id: int) -> SettleStatus:
    """How far the run's messages have come."""
    with transaction(conn) as cursor:
        cursor.execute(query("settle_totals"), {"run_id": run_id})
        expected, received = one(cursor)
        if received == expected:
            return SettleStatus(expected, received, ())
        cursor.execute(query("settle_parked"), {"run_id": run_id})
        return SettleStatus(expected, received, tuple(records(cursor, Parked)))


def mark_loaded(conn: Connection, run_id: int) -> int:
    """Published objects of the run with all receipts are loaded; how many became so."""
    with transaction(conn) as cursor:
        cursor.execute(query("object_loaded"), {"run_id": run_id})
        return cursor.rowcount


def load_rejects(conn: Connection, run_id: int) -> list[LoadReject]:
    """Rows of the run that Postgres refused and that `complete_rejects` has not completed."""
    with transaction(conn) as cursor:
        cursor.execute(query("load_rejects"), {"run_id": run_id})
        return records(cursor, LoadReject)


def complete_rejects(conn: Connection, texts: Mapping[int, tuple[int, str]]) -> None:
    """Give rows that Postgres refused (by `quarantine_id`) their physical line (1-based) and their text."""
    with transaction(conn) as cursor:
        rows = [(quarantine_id, *text) for quarantine_id, text in texts.items()]
        execute_values(cursor, query("load_rejects_complete"), rows, page_size=REJECTS_AT_ONCE)
