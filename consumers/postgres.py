"""A consumer's side of Postgres: one connection, opened when it is needed and given up after any error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg2
import structlog

from headgate import db, events
from headgate.errors import HeadgateError
from headgate.events import Event
from headgate.settings import Url, url_of

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

log = structlog.get_logger("consumers.postgres")


class Postgres:
    """``session`` belongs to the runner's worker thread, ``interrupt`` and ``stopped`` to its main thread.

    ``url`` may be what reads it anew for each connection. ``role``: the kind of consumer.
    """

    def __init__(self, url: Url, role: str, name: str) -> None:
        self._url = url
        self._role = role
        self._name = name
        self._open: Connection | None = None

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """The connection, for as long as nothing goes wrong. Raises what ``db.connect`` raises."""
        try:
            if self._open is None:
                self._open = self._connect()
            yield self._open
        except HeadgateError:
            self.close()
            raise

    def interrupt(self) -> None:
        """Cancel the statement that runs now; its transaction rolls back."""
        conn = self._open
        try:
            if conn is not None:
                conn.cancel()
        except psycopg2.Error as error:  # the server is away: it has rolled back, or will
            log.warning("the statement under way could not be cancelled", reason=str(error).strip())

    def stopped(self, error: HeadgateError) -> None:
        """Record for people why the consumer stops, if the database is there to take it.

        By a connection of its own: a transaction may be under way on the other.
        """
        told = {"role": self._role, "consumer": self._name, "reason": str(error)}
        try:
            with closing(self._connect()) as conn, db.transaction(conn) as cursor:
                events.record(cursor, Event("consumer.stopped", events.SYSTEM, self._name, told))
        except HeadgateError as problem:
            log.warning("the event could not be recorded", reason=str(problem))

    def close(self) -> None:
        """Hang up; what was not committed is rolled back, and the next session opens another."""
        conn, self._open = self._open, None
        if conn is not None:
            conn.close()

    def _connect(self) -> Connection:
        return db.connect(url_of(self._url), application_name=f"headgate-consumer {self._name}"[:63])
