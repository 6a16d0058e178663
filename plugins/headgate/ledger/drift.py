"""How the header of an object differs from those of the objects before it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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

    @property
    def size(self) -> int:
        """How many headers differ."""
        return len(self.added) + len(self.missing) + len(self.renamed)


def drift(earlier: Sequence[Mapping[str, Any]], now: Mapping[str, Any]) -> Difference | None:
    """What is new about an inspection against earlier ones (the newest first), as the ledger keeps them.

    It is compared with that one which it is most like: files of another year, or an old one put again, are
    like those of their kind. A header that any of them had is not new. None when nothing is new.
    """
    found = []
    for before in earlier:
        one = difference(before, now)
        if one is None:
            return None
        found.append(one)
    if not found:
        return None
    nearest = min(found, key=lambda one: one.size)
    seen = {fold(name) for before in earlier for name in before["header"]}
    added = [name for name in nearest.added if fold(name) not in seen]
    renamed = {old: new for old, new in nearest.renamed.items() if fold(new) not in seen}
    told = Difference(added, nearest.missing, renamed)
    return told if told.size else None


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> Difference | None:
    """The difference of two inspections; None when the headers are the same.

    The order of columns, letter case and white space are none; nor are digits, as of a year, where the
    contract reads the same column under both names or does not know either of them.
    """
    old, new = _headers(before), _headers(now)
    moved = {
        before["header"][place]: now["header"][now["columns"][column]]
        for column, place in before["columns"].items()
        if column in now["columns"]
        and fold(before["header"][place]) not in new
        and fold(now["header"][now["columns"][column]]) not in old
    }
    gone, come = set(map(fold, moved)), set(map(fold, moved.values()))
    added = _forms((name for key, name in new.items() if key not in old and key not in come), now)
    missing = _forms((name for key, name in old.items() if key not in new and key not in gone), before)
    found = Difference(
        added=_unmatched(added, missing.values()),
        missing=_unmatched(missing, added.values()),
        renamed={was: name for was, name in moved.items() if _digitless(was) != _digitless(name)},
    )
    return found if found.size else None


def _headers(inspection: Mapping[str, Any]) -> dict[str, str]:
    return {fold(name): name for name in inspection["header"] if name.strip()}


def _forms(names: Iterable[str], inspection: Mapping[str, Any]) -> dict[str, str]:
    """What each header is compared by: of those that the contract knows the digits count."""
    known = {fold(inspection["header"][place]) for place in inspection["columns"].values()}
    return {name: fold(name) if fold(name) in known else _digitless(name) for name in names}


def _digitless(name: str) -> str:
    return re.sub(r"\d+", "#", fold(name))


def _unmatched(forms: Mapping[str, str], others: Iterable[str]) -> list[str]:
    """The names whose form is not among the others; of several names of one form as many as are more."""
    left = Counter(others)
    found = []
    for name, form in forms.items():
        if left[form]:
            left[form] -= 1
        else:
            found.append(name)
    return found
