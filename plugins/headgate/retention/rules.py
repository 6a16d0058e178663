"""How long what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from psycopg2.extras import Json

from headgate.db import query, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.settings import Settings


@dataclass(frozen=True)
class Days:
    """Days that records are kept once nobody waits for them any more; 0: for ever."""

    receipts: int
    staging: int
    errors: int
    alerts: int
    events: int


@dataclass(frozen=True)
class Rules:
    """The settings' days, and those of each dataset, whose contract may differ."""

    usual: Days
    datasets: Mapping[str, Days]

    def sql(self, kind: str) -> dict[str, Any]:
        """Parameters of a statement that goes through the records of all datasets.

        Nothing is removed that is not as old as ``least``; None: nothing at all.
        """
        usual = getattr(self.usual, kind)
        days = {dataset: getattr(rule, kind) for dataset, rule in self.datasets.items()}
        least = min(filter(None, [usual, *days.values()]), default=None)
        return {"days": Json(days), "otherwise": usual, "least": least}


def rules_of(conn: Connection, settings: Settings) -> Rules:
    """The settings' rules, and over them those of each dataset's newest contract."""
    usual = Days(**{field.name: getattr(settings, f"retention_{field.name}") for field in fields(Days)})
    with transaction(conn) as cursor:
        cursor.execute(query("retention_rules"))
        datasets = {dataset: replace(usual, **(rules or {})) for dataset, rules in cursor.fetchall()}
    return Rules(usual, datasets)
