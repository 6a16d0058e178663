"""What statements cost by the server's own account: the pages that it looks at for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions

_COMMENT = re.compile(r"\s*(--[^\n]*\n\s*)*")
_EXPLAINED = ("select", "insert", "update", "delete", "with", "(")


class Rehearsal(psycopg2.extensions.connection):
    """A connection whose transactions all end with a rollback: what it did can be done again."""

    pages: int | None = None  # while they are counted

    def commit(self) -> None:
        """Undo instead."""
        self.rollback()

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """A cursor that explains, while pages are counted."""
        if self.pages is not None:
            kwargs["cursor_factory"] = _Explaining
        return super().cursor(*args, **kwargs)

    def pages_of(self, work: Callable[[], object]) -> int:
        """Pages of 8 KiB, from the cache or not, that all statements of this work look at."""
        self.pages = 0
        try:
            work()
            return self.pages
        finally:
            self.pages = None


class _Explaining(psycopg2.extensions.cursor):
    """Carries each statement out twice: explained, undone, and then for its result."""

    def execute(self, query: Any, vars: Any = None) -> None:
        text = self.mogrify(query, vars).decode()
        if _COMMENT.sub("", text, count=1)[:6].lower().startswith(_EXPLAINED):
            super().execute("SAVEPOINT explained")
            super().execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + text)
            (([found],),) = self.fetchall()
            super().execute("ROLLBACK TO explained")
            looked_at = found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]
            self.connection.pages += looked_at  # type: ignore[attr-defined]
        super().execute(text)


@contextmanager
def rehearsal(url: str) -> Iterator[Rehearsal]:
    """A connection on which nothing lasts."""
    with closing(psycopg2.connect(url, connection_factory=Rehearsal, options="-c timezone=UTC")) as conn:
        yield conn
