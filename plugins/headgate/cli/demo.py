"""``headgate demo``: the main job from nothing to rows, by the commands a user would type."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from headgate.errors import DataError
from headgate.settings import settings

DATASET_OF_PREFIX = {"plnt": "egrid_plants", "gen": "egrid_generators"}
SAMPLES = (("2016", 9_700, 0), ("2018", 10_900, 25), ("2022", 11_900, 0))  # year, rows, of them bad

TOTALS = (
    "SELECT year, count(*) AS plants, round(sum(net_generation_mwh)::numeric, 3) AS net_generation_mwh, "
    "round(sum(co2_short_tons)::numeric, 3) AS co2_short_tons FROM egrid.plants GROUP BY year ORDER BY year"
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("demo", help="Start the stack, load files, show the books, the quarantine and the table.")(
        demo
    )


def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with real eGRID files plnt_YYYY.csv, gen_YYYY.csv")
    ] = None,
    apis: Annotated[
        bool, typer.Option("--apis", help="Every dataset of the API sources, from stub providers.")
    ] = False,
) -> None:
    """Run the demonstration and leave the stack up to look around in."""
    if apis:
        from headgate.cli.demo_apis import demo_apis

        demo_apis()
        return
    step("Start the private stack (PostgreSQL, RabbitMQ, S3, Airflow, consumers)")
    headgate("up")
    files = real_files(data) if data else generated_files()
    step("Drop the files into the landing bucket")
    for dataset, paths in files.items():
        headgate("put", dataset, *map(str, paths))
    for dataset in files:
        step(f"Run the DAG of {dataset} in Airflow: scan, inspect, validate, gate, stream, settle, report")
        headgate("run", dataset, "--wait")
    look_around(files)


def look_around(datasets: Sequence[str] | dict[str, list[Path]]) -> None:
    """Show what the user would look at next: books, quarantine, table, addresses."""
    step("The books of everything loaded so far")
    for dataset in datasets:
        headgate("books", dataset, "--all")
    step("The bad rows, each with its reason")
    headgate("quarantine", "list", "--limit", "10")
    step("The table, in SQL")
    headgate("sql", TOTALS)
    step("Look around")
    headgate("status", "--logins")


def generated_files() -> dict[str, list[Path]]:
    """Three generated yearly files under the home folder, one of them with bad rows."""
    step("Generate three yearly eGRID-shaped files, one with bad rows")
    folder = settings().home / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return {"egrid_plants": [sample(folder, *spec) for spec in SAMPLES]}


def sample(folder: Path, year: str, rows: int, bad: int) -> Path:
    """One generated file; the same arguments give the same bytes."""
    out = folder / f"plnt_{year}.csv"
    headgate(
        "sample", "egrid_plants", "--rows", str(rows), "--year", year, "--bad", str(bad), "--out", str(out)
    )
    return out


def real_files(folder: Path) -> dict[str, list[Path]]:
    """The eGRID files of a folder by dataset, told by the beginning of their names."""
    found: dict[str, list[Path]] = {}
    for prefix, path in matching(folder):
        found.setdefault(DATASET_OF_PREFIX[prefix], []).append(path)
    if not found:
        raise DataError(f"no plnt_YYYY or gen_YYYY files in {folder}; name the folder that holds them")
    return found


def matching(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir()):
        prefix = path.name.split("_")[0].lower()
        if prefix in DATASET_OF_PREFIX and path.suffix in {".csv", ".xlsx", ".gz", ".zst", ".parquet"}:
            yield prefix, path


def step(title: str) -> None:
    """Print a heading on the terminal, in step with the output of the commands."""
    from headgate.cli.output import console

    console.print()
    console.rule(f"[bold]{title}", align="left")


def headgate(*arguments: str) -> None:
    """Run one headgate command as the user would, shown first; a failure ends the demonstration."""
    print(f"$ headgate {shlex.join(arguments)}", flush=True)
    finished = subprocess.run([sys.executable, "-m", "headgate.cli.app", *arguments], check=False)
    if finished.returncode:
        raise typer.Exit(finished.returncode)
