"""Matchers: one condition on one label of an alert, written as Alertmanager writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LABELS: Final = ("dataset", "type", "severity", "owner", "subject")

_OPERATORS: Final = ("=~", "!~", "!=", "=")
_FORM: Final = re.compile(rf"\s*(\w+)\s*({'|'.join(_OPERATORS)})\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True)
class Matcher:
    """``label op value``; patterns are anchored at both ends, an absent label is the empty text."""

    label: str
    op: str
    value: str

    def __str__(self) -> str:
        text = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.label}{self.op}"{text}"'

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the alert with these labels fulfils it."""
        value = labels.get(self.label, "")
        found = (
            value == self.value
            if self.op in ("=", "!=")
            else re.fullmatch(self.value, value, re.DOTALL) is not None
        )
        return found == (self.op in ("=", "=~"))


def parse_matcher(text: object) -> Matcher:
    """``severity=~"warning|critical"``; the quotes may be left out. ``ValueError`` says what is wrong."""
    if isinstance(text, Matcher):
        return text
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(
            f'{text!r} is no matcher: write label="value", label!="value", label=~"regex" or label!~"regex"'
        )
    label, op, value = found.groups()
    if label not in LABELS:
        raise ValueError(f"{label!r} is no label: labels are {', '.join(LABELS)}")
    matcher = Matcher(label, op, _unquoted(value))
    if "~" in op:
        _check_pattern(matcher)
    return matcher


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", value[1:-1])
    if '"' in value:
        raise ValueError(f"{value} has a quote at one end only")
    return value


def _check_pattern(matcher: Matcher) -> None:
    try:
        re.compile(matcher.value)
    except re.error as error:
        raise ValueError(f"{matcher.value!r} is not a regular expression: {error}") from None
