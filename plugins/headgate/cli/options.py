"""What many commands take: options, points in time, and who it is that asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def moment(text: str) -> datetime:
    """A point in time: ISO (local time where it names no zone), or so long ago: 30m, 2h, 3d."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if text[:-1].isdigit() and text[-1] in units:
        return datetime.now(UTC) - timedelta(**{units[text[-1]]: int(text[:-1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise typer.BadParameter(
            f"since takes 2026-11-22, 2026-11-22T10:00, 30m, 2h or 3d, not {text!r}"
        ) from None


def user() -> str:
    """Who does it, for the record."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
