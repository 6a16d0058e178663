"""``--where``: conditions on failed messages and tasks, the same for every command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.cli.options import moment

if TYPE_CHECKING:
    from headgate.replay import Where

_NUMBERS = ("run", "chunk", "error")
_TEXTS = ("dataset", "object", "cause", "class", "message")
_FORMS = ", ".join([f"{name}=…" for name in (*_TEXTS, *_NUMBERS, "since")] + ["reason~REGEX"])

Conditions = Annotated[
    list[str] | None,
    typer.Option("--where", "-w", metavar="CONDITION", help=f"Only these; may be repeated: {_FORMS}."),
]


def where_of(conditions: Sequence[str] | None) -> Where:
    """The conditions as a filter; wrong usage says what is understood."""
    from headgate.replay import Where

    values: dict[str, Any] = {}
    for condition in conditions or ():
        name, text = _parts(condition)
        if name == "reason":
            values["reason"] = _pattern(text)
        elif name == "since":
            values["since"] = moment(text)
        else:
            field = "failure_class" if name == "class" else name
            values[field] = (*values.get(field, ()), _value(name, text))
    return Where(**values, text=" ".join(conditions or ()))


def _parts(condition: str) -> tuple[str, str]:
    """Name and value."""
    found = re.fullmatch(r"(\w+)([=~])(.+)", condition, re.DOTALL)
    name, sign, text = found.groups() if found else ("", "", "")
    if name not in (*_TEXTS, *_NUMBERS, "since", "reason") or (name == "reason") != (sign == "~"):
        raise typer.BadParameter(f"{condition!r} is none of {_FORMS}", param_hint="--where")
    return name, text


def _value(name: str, text: str) -> str | int:
    if name in _NUMBERS and not text.isdigit():
        raise typer.BadParameter(f"{name} takes a number, not {text!r}", param_hint="--where")
    known = _words(name)
    if known and text not in known:
        raise typer.BadParameter(f"{name} is one of {', '.join(known)}, not {text!r}", param_hint="--where")
    return int(text) if name in _NUMBERS else text


def _words(name: str) -> list[str]:
    """The words that a condition takes; none where it takes any."""
    from headgate.failures import Cause, Class
    from headgate.replay.message import UNKNOWN

    return {"cause": [*map(str, Cause), UNKNOWN], "class": [*map(str, Class)]}.get(name, [])


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise typer.BadParameter(
            f"{text!r} is no regular expression: {error}", param_hint="--where"
        ) from None
