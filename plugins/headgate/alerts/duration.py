"""Spans of time as Prometheus writes them: ``30s``, ``5m``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_FORM: Final = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")


def parse_duration(value: object) -> timedelta:
    """The span. ``ValueError`` when it is none; 0 needs no unit."""
    if isinstance(value, timedelta):
        return value
    text = str(value)
    if text == "0":
        return timedelta(0)
    found = _FORM.fullmatch(text)
    if found is None or not text:
        raise ValueError(f"{text!r} is no span of time: write 30s, 5m, 1h30m or 2d")
    amounts = zip(found.groups(), _UNITS.values(), strict=True)
    return timedelta(milliseconds=sum(int(amount) * unit for amount, unit in amounts if amount))


def format_duration(span: timedelta) -> str:
    """The two largest units of it: ``1h30m``; below a second in milliseconds."""
    rest = round(span.total_seconds() * 1000)
    parts: list[str] = []
    for unit, size in _UNITS.items():
        amount, rest = divmod(rest, size)
        if amount and (unit != "ms" or not parts):
            parts.append(f"{amount}{unit}")
    return "".join(parts[:2]) or "0s"
