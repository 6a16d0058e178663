"""A file's header against the contract: which column is where, what is unknown, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headgate.contract.model import Column, Contract, Refuse, RefuseWhere, fold


@dataclass(frozen=True)
class HeaderMatch:
    """What the header of one file says. Indexes are 0-based positions in the header."""

    columns: Mapping[str, int]  # contract column to position; absent optional columns are left out
    derived: Mapping[str, str]  # contract column to its value for the whole object
    unknown: tuple[tuple[int, str], ...]  # headers that no column names
    shadowed: tuple[tuple[int, str], ...]  # aliases that lost to an earlier alias of the same column
    missing_required: tuple[str, ...]  # required columns that are neither present nor derived
    duplicates: tuple[str, ...]  # names that stand more than once in the header

    @property
    def score(self) -> int:
        """How many cells of the record are names that the contract knows: tells a header from data."""
        return len(self.columns) + len(self.shadowed)


def match_header(contract: Contract, header: Sequence[str], key: str = "") -> HeaderMatch:
    """Find the contract's columns in a header.

    ``key`` is the object's key, for columns that may be derived from it. Of a name that stands twice
    the first position counts, and the name is listed in ``duplicates``. Of several aliases of one
    column the first in the contract's order wins; the others are ``shadowed``: known and not
    drift, yet kept by the rescue mode.
    """
    positions, duplicates = _positions(header)
    columns: dict[str, int] = {}
    shadowed: set[int] = set()
    for column in contract.columns:
        present = [positions[name] for name in map(fold, column.aliases) if name in positions]
        if present:
            columns[column.name] = present[0]
            shadowed.update(present[1:])
    used = set(columns.values())
    shadowed -= used
    derived = {
        column.name: value
        for column in contract.columns
        if column.name not in columns and (value := derive(contract, column, header, key)) is not None
    }
    return HeaderMatch(
        columns=columns,
        derived=derived,
        unknown=tuple(
            (index, name) for index, name in enumerate(header) if index not in used and index not in shadowed
        ),
        shadowed=tuple((index, header[index]) for index in sorted(shadowed)),
        missing_required=tuple(
            column.name
            for column in contract.columns
            if column.required and column.name not in columns and column.name not in derived
        ),
        duplicates=duplicates,
    )


def derive(contract: Contract, column: Column, header: Sequence[str], key: str) -> str | None:
    """The value that the column's ``derive`` rules find, in their order, else ``None``."""
    relative = key.removeprefix(contract.prefix)
    for rule in column.derive:
        texts = header if rule.source == "header" else (relative.rsplit("/", 1)[-1], relative)
        for text in texts:
            value = rule.value(text.lstrip("\ufeff").strip())
            if value is not None:
                return value
    return None


def refusal(contract: Contract, where: RefuseWhere, texts: Sequence[str]) -> Refuse | None:
    """The first ``refuse`` rule of this place that one of the texts meets, else ``None``."""
    rules = [rule for rule in contract.refuse if rule.where == where]
    return next((rule for rule in rules if any(rule.matches(text) for text in texts)), None)


def _positions(header: Sequence[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """First position of each folded name, and the names that come again. Empty names are not names."""
    positions: dict[str, int] = {}
    duplicates: list[str] = []
    for index, name in enumerate(header):
        folded = fold(name)
        if not folded:
            continue
        if folded in positions:
            duplicates.append(name.strip())
        else:
            positions[folded] = index
    return positions, tuple(dict.fromkeys(duplicates))
