"""What was measured, for people on the terminal and for programs as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.competitors import lines as competitors
from benchmarks.harness import Figures, Line, Result, Workload, as_json, ratio
from headgate.settings import MIB

if TYPE_CHECKING:
    from benchmarks.bench import Bench

WIDTH = 100  # of the widest table; a terminal that has less breaks its lines
PACKAGES = (
    "headgate",
    "apache-airflow",
    "great-expectations",
    "pyarrow",
    "pandas",
    "pika",
    "psycopg2-binary",
)
SETTINGS = "SELECT name, current_setting(name) FROM pg_settings WHERE source = 'command line'"


def show(results: Sequence[Result], figures: Sequence[Figures]) -> None:
    """One table a workload, then the figures that are no loads."""
    console = Console()
    console.width = max(console.width, WIDTH)
    for workload in dict.fromkeys(result.workload for result in results):
        console.print(load_table(workload, results))
    for each in figures:
        console.print(figures_table(each))


def load_table(workload: Workload, results: Sequence[Result]) -> Table:
    mine = [result for result in results if result.workload == workload]
    table = Table(title=str(workload), title_justify="left", title_style="bold", caption_justify="left")
    table.caption = "\n".join(f"{each.line}: {each.failed or each.skipped}" for each in mine if not each.runs)
    table.add_column("line", no_wrap=True)
    for name in ("rows/s", "ratio", "wall s", "CPU s", "WAL MiB", "largest, MiB"):
        table.add_column(name, justify="right", no_wrap=True)
    group = ""
    for result in (result for result in mine if result.runs):
        if result.group != group:
            group = result.group
            table.add_section()
            table.add_row(group, style="dim italic")
        table.add_row(*cells(result, results))
    return table


def cells(result: Result, results: Sequence[Result]) -> list[str]:
    of_reference = ratio(result, results)
    name, size = next(iter(result.rss.items()), ("", 0))
    return [
        result.line,
        f"{result.rate:,.0f}",
        f"{of_reference:.2f}" if of_reference is not None else "",
        f"{result.median('wall_s'):.1f}",
        f"{result.median('cpu_s'):.1f}",
        f"{result.median('wal_bytes') / MIB:,.0f}",
        f"{size / MIB:,.0f} {name}",
    ]


def figures_table(figures: Figures) -> Table:
    table = Table(title=figures.name, title_justify="left", caption=figures.notes, caption_justify="left")
    for name in figures.columns:
        table.add_column(name)
    for row in figures.rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    return table


def document(
    bench: Bench, lines: Sequence[Line], results: Sequence[Result], figures: Sequence[Figures]
) -> dict[str, Any]:
    """Everything that was measured, and on what."""
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(bench),
        "postgres": dict(bench.sql(SETTINGS)),
        "lines": [{"name": line.name, "group": line.group, "config": line.config} for line in lines],
        "results": as_json(results),
        "figures": [asdict(each) for each in figures],
    }


def write(path: Path, new: dict[str, Any], *, add: bool) -> None:
    """Write the file; with ``add`` it keeps what it has of workloads and figures not measured now."""
    if add and path.exists():
        old = json.loads(path.read_text())
        for part, key in (("results", "workload"), ("figures", "name")):
            measured = [item[key] for item in new[part]]
            new[part] = [item for item in old[part] if item[key] not in measured] + new[part]
        names = {line["name"] for line in new["lines"]}
        new["lines"] = [line for line in old["lines"] if line["name"] not in names] + new["lines"]
    path.write_text(json.dumps(new, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """What it ran on; ``load``: how busy it was, of the last minute before the end."""
    info = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    names = {name.strip(): value.strip() for name, value in info.items()}
    return {
        "processor": names.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "load": os.getloadavg()[0],
    }


def versions(bench: Bench) -> dict[str, str]:
    [(postgres,)] = bench.sql("SHOW server_version")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    return {
        "python": platform.python_version(),
        "postgres": postgres,
        "commit": commit,
        **competitors.versions(),
        **{name: version(name) for name in PACKAGES},
    }
