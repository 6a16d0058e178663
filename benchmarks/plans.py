"""What statements cost by the server's own account: pages touched and tables read from end to end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import psycopg2.extensions

_COMMENT = re.compile(r"\s*(--[^\n]*\n\s*)*")
_EXPLAINED = ("select", "insert", "update", "delete", "with", "(")


@dataclass(frozen=True)
class Plan:
    """One statement as it was carried out; `pages` of 8 KiB, from the cache or not."""

    statement: str
    pages: int
    milliseconds: float
    tree: dict[str, Any]

    def read_whole(self) -> list[tuple[str, int]]:
        """Tables that were read from end to end, with the rows that were looked at."""
        return [
            (node["Relation Name"], _rows(node))
            for node in _nodes(self.tree)
            if node["Node Type"] == "Seq Scan" and node["Actual Loops"]
        ]


@dataclass
class Account:
    """The plans of all statements so far."""

    plans: list[Plan] = field(default_factory=list)

    @property
    def pages(self) -> int:
        """Of all of them."""
        return sum(plan.pages for plan in self.plans)


class Rehearsal(psycopg2.extensions.connection):
    """A connection whose transactions all end with a rollback: what it did can be done again."""

    account: Account | None = None

    def commit(self) -> None:
        """Undo instead."""
        self.rollback()

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """A cursor that explains, while there is an account."""
        if self.account is not None:
            kwargs["cursor_factory"] = _Explaining
        return super().cursor(*args, **kwargs)


class _Explaining(psycopg2.extensions.cursor):
    """Carries each statement out twice: explained, undone, and then for its result."""

    def execute(self, query: Any, vars: Any = None) -> None:
        text = self.mogrify(query, vars).decode()
        account = self.connection.account  # type: ignore[attr-defined]
        if _COMMENT.sub("", text, count=1)[:6].lower().startswith(_EXPLAINED):
            super().execute("SAVEPOINT explained")
            super().execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + text)
            ((found,),) = self.fetchall()
            super().execute("ROLLBACK TO explained")
            account.plans.append(_plan(text, found[0]))
        super().execute(text)


@contextmanager
def rehearsal(url: str) -> Iterator[Rehearsal]:
    """A connection on which nothing lasts."""
    with closing(psycopg2.connect(url, connection_factory=Rehearsal, options="-c timezone=UTC")) as conn:
        yield conn


def _plan(statement: str, found: dict[str, Any]) -> Plan:
    tree = found["Plan"]
    pages = tree["Shared Hit Blocks"] + tree["Shared Read Blocks"]
    return Plan(statement, pages, found["Execution Time"], tree)


def _nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tree
    for child in tree.get("Plans", ()):
        yield from _nodes(child)


def _rows(node: dict[str, Any]) -> int:
    return round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
