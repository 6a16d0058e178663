"""How the header of an object differs from that of the object before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headgate.contract.model import fold


@dataclass(frozen=True)
class Difference:
    """Headers as they stand in the objects; renamed are those that mean the same column of the contract."""

    added: list[str]
    missing: list[str]
    renamed: dict[str, str]  # name before to name now

    def as_data(self) -> dict[str, Any]:
        """As the event says it."""
        return asdict(self)


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> Difference | None:
    """The difference of two inspections as the ledger keeps them; None when the headers are the same.

    The order of columns, letter case and white space are none.
    """
    old, new = _headers(before), _headers(now)
    renamed = {
        before["header"][place]: now["header"][now["columns"][column]]
        for column, place in before["columns"].items()
        if column in now["columns"]
        and fold(before["header"][place]) not in new
        and fold(now["header"][now["columns"][column]]) not in old
    }
    added = [name for key, name in new.items() if key not in old and name not in renamed.values()]
    missing = [name for key, name in old.items() if key not in new and name not in renamed]
    return Difference(added, missing, renamed) if added or missing or renamed else None


def _headers(inspection: Mapping[str, Any]) -> dict[str, str]:
    return {fold(name): name for name in inspection["header"] if name.strip()}
