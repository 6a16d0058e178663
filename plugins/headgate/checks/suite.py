"""A suite file: Great Expectations' own JSON, read into rules without importing Great Expectations.

Each expectation has a ``severity`` (``critical``: its rows are rejected; ``warning`` or ``info``: they are
counted), ``meta.rule`` (a short id, unique in the suite) and ``meta.reason`` (a sentence for people;
``{value}`` stands for the cell). The suite's ``meta.computed`` names columns that are made for checking only,
each ``{"plus": [columns], "minus": [columns]}``: a tolerance between a total and its parts is a
range of such a difference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.errors import Fatal

COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list", "column_set")


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite."""

    id: str
    type: str
    kwargs: Mapping[str, Any]
    severity: str  # critical, warning or info
    reason: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the expectation looks at, computed ones by their own name."""
        named = (self.kwargs.get(argument) for argument in COLUMN_ARGUMENTS)
        lists = ([value] if isinstance(value, str) else list(value) for value in named if value is not None)
        return tuple(name for names in lists for name in names)

    @property
    def is_critical(self) -> bool:
        """Whether breaking it rejects the row."""
        return self.severity == "critical"


@dataclass(frozen=True)
class Computed:
    """A column made for checking: sum of ``plus`` less sum of ``minus``.

    A null counts as 0, but where all of ``plus`` or all of ``minus`` are null the result is null and
    no rule looks at it.
    """

    plus: tuple[str, ...]
    minus: tuple[str, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns it is made from."""
        return self.plus + self.minus


@dataclass(frozen=True)
class SuiteFile:
    """A suite as it stands in its file."""

    name: str
    rules: tuple[Rule, ...]
    computed: Mapping[str, Computed]

    def sources(self, rule: Rule) -> tuple[str, ...]:
        """The table's columns that a rule needs, computed ones resolved."""
        return tuple(
            source
            for name in rule.columns
            for source in (self.computed[name].sources if name in self.computed else (name,))
        )


def load_suite(source: Path | Mapping[str, Any]) -> SuiteFile:
    """Read a suite. ``Fatal`` when the file is no suite or a rule has no id or severity."""
    document = _read(source) if isinstance(source, Path) else source
    where = str(source) if isinstance(source, Path) else f"suite {document.get('name')}"
    try:
        rules = tuple(_rule(item) for item in document["expectations"])
        computed = document.get("meta", {}).get("computed", {})
        return SuiteFile(
            name=str(document["name"]),
            rules=rules,
            computed={
                name: Computed(tuple(item["plus"]), tuple(item.get("minus", ())))
                for name, item in computed.items()
            },
        )
    except KeyError as error:
        raise Fatal(f"{where}: not a suite that Headgate reads: the key {error} is missing") from None
    except (TypeError, AttributeError) as error:
        raise Fatal(f"{where}: not a suite that Headgate reads: {error}") from None


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Fatal(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Fatal(f"{path}: not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Fatal(f"{path}: not a suite: the file holds no object")
    return document


def _rule(item: Mapping[str, Any]) -> Rule:
    meta = item["meta"]
    return Rule(
        id=str(meta["rule"]),
        type=str(item["type"]),
        kwargs=dict(item["kwargs"]),
        severity=str(item["severity"]),
        reason=str(meta["reason"]),
    )
