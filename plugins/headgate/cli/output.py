"""How commands speak: tables for people, JSON for programs, one clear red line for an error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

# Where nobody watches (a log, a pipe) rich would fold everything to 80 columns.
console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 150)
errors = Console(stderr=True)


def print_json(value: object) -> None:
    """One JSON document on standard output, nothing else."""
    print(json.dumps(value, default=plain, ensure_ascii=False, indent=2))


def print_json_list(found: Iterator[object]) -> None:
    """One JSON list, written row by row."""
    print("[", end="")
    for place, entry in enumerate(found):
        document = json.dumps(vars(entry), default=plain, ensure_ascii=False)
        print(f"{',' if place else ''}\n  {document}", end="")
    print("\n]")


def plain(value: object) -> Any:
    """What JSON has no word for, as text or its parts."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", numeric: Iterable[str] = ()
) -> None:
    """Print a table; markup in values has no effect. Columns named in ``numeric`` stand right."""
    right = set(numeric)
    made = Table(header_style="bold", box=box.SIMPLE_HEAD, show_header=any(columns))
    made.padding, made.collapse_padding, made.pad_edge = (0, 1), True, False
    for column in columns:
        is_number = column in right
        justify: JustifyMethod = "right" if is_number else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=is_number)
    for row in rows:
        made.add_row(*("" if value is None else escape(str(value)) for value in row))
    if title:
        console.print(title, style="italic", markup=False, highlight=False)
    console.print(made)
