"""``headgate settings``: every setting, its variable, default and meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from headgate.cli.options import Json
from headgate.settings import Settings, settings


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("settings", help="List every setting with its variable, value and meaning.")(show)


def show(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of docs/settings.md")] = False,
    json: Json = False,
) -> None:
    """Print the settings in force; secrets are never shown."""
    from headgate.cli.output import print_json, table

    if markdown:
        print(markdown_table())
        return
    rows = [
        {"variable": variable(name), "value": shown(getattr(settings(), name)), "meaning": field.description}
        for name, field in Settings.model_fields.items()
    ]
    if json:
        print_json(rows)
        return
    table(("variable", "value", "meaning"), [list(row.values()) for row in rows])


def markdown_table() -> str:
    """The generated page: one row a setting."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{variable(name)}` | {default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(lines)


def variable(name: str) -> str:
    return f"HEADGATE_{name.upper()}"


def default(field: FieldInfo) -> str:
    """The default as a reader of the page needs it: machine paths and empty values left out."""
    if field.default_factory is not None:
        return "`.headgate`"
    text = shown(field.default)
    return f"`{text}`" if text != "" else ""


def shown(value: object) -> str | int | float:
    """A value that may be printed; a secret only says whether it is set."""
    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else ""
    if isinstance(value, dict):
        return "(set)" if value else ""
    if value is None:
        return ""
    return str(value) if isinstance(value, Path) else value  # type: ignore[return-value]
