"""``headgate sample``: realistic generated input, with or without bad rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from headgate.sample import Spec, Truth


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("sample")(sample)


def sample(
    dataset: Annotated[str, typer.Argument(help="egrid_plants or egrid_generators")],
    rows: Annotated[int, typer.Option("--rows", help="Data rows, bad ones included", min=0)],
    out: Annotated[Path, typer.Option("--out", help="File to write; .gz and .zst compress text formats")],
    year: Annotated[
        int, typer.Option("--year", help="Data year: headers and scales are those of the year")
    ] = 2018,
    bad: Annotated[int, typer.Option("--bad", help="Of the rows, how many are bad", min=0)] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Another seed gives other figures", min=0)] = 0,
    format: Annotated[
        str | None, typer.Option("--format", help="csv, xlsx, ndjson or parquet; else by the file's name")
    ] = None,
    columns: Annotated[str, typer.Option("--columns", help="all or core (about 30)")] = "all",
    json: Annotated[
        bool, typer.Option("--json", help="Print what a loader must find in it, as JSON")
    ] = False,
) -> None:
    """Write an eGRID-shaped file with the quirks of the real ones. Same arguments, same bytes."""
    from headgate.cli.output import console, print_json
    from headgate.sample import Spec
    from headgate.sample.spec import file_format

    spec = Spec(dataset, rows, out, year, bad, seed, format or file_format(out), columns)
    truth = _write(spec, quiet=json)
    facts = {
        "dataset": dataset,
        "file": str(out),
        "bytes": out.stat().st_size,
        "year": year,
        **truth.as_dict(),
    }
    if json:
        print_json(facts)
        return
    size = f"{out.stat().st_size / 1e6:,.1f} MB"
    console.print(f"{out}: {truth.rows:,} rows, {truth.bad.total():,} of them bad, {size}", highlight=False)
    for rule, count in sorted(truth.bad.items()):
        console.print(f"  {count:,} × {rule}", highlight=False)


def _write(spec: Spec, quiet: bool) -> Truth:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from headgate.cli.output import errors
    from headgate.sample import write_sample

    layout = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*layout, console=errors, transient=True, disable=quiet or not errors.is_terminal) as bar:
        task = bar.add_task(f"writing {spec.out.name}", total=spec.rows)
        return write_sample(spec, lambda rows: bar.advance(task, rows))
