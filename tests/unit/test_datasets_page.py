"""docs/datasets.md: the datasets that come with the project, as their contracts are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import groupby

from headgate.contract import Contract, Source, load_contract
from headgate.paths import CHECKOUT, datasets_dir
from headgate.sources.catalogue import provider

PAGE = CHECKOUT / "docs" / "datasets.md"
REMAKE = "HEADGATE_WRITE_DATASETS=1 pytest tests/unit/test_datasets_page.py"
INTRODUCTION = f"""# Datasets

What comes with the project, as the contracts in `dags/datasets` say it; each is there to be edited. Units,
flags and time zones stand in the comments of tables and columns (`\\d+ climate.ghcn_daily` in psql), what to
mind on the DAG's page. How a window is asked for, and asked for again: [sources.md](sources.md). Schedules
are cron lines in UTC; DAGs of sources wait until you unpause them.

Made by `{REMAKE}`.
"""


def test_the_page_is_current() -> None:
    contracts = [load_contract(file) for file in sorted(datasets_dir().glob("*.yaml"))]
    page = "\n".join([INTRODUCTION, *sections(contracts)])
    if os.environ.get("HEADGATE_WRITE_DATASETS"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, f"run: {REMAKE}"


def sections(contracts: Iterable[Contract]) -> Iterator[str]:
    """A table for each provider, files last."""
    for (_, title, note), found in groupby(
        sorted(contracts, key=lambda one: (place(one), one.dataset)), place
    ):
        yield f"## {title}\n"
        yield f"{note}\n"
        yield "| dataset | one row is | table (key) | asked for | schedule |"
        yield "|---|---|---|---|---|"
        yield from (line(contract) for contract in found)
        yield ""


def place(contract: Contract) -> tuple[bool, str, str]:
    """Where its section stands, what this is called, and what it begins with."""
    if contract.source is None:
        return (
            True,
            "Files and the live stream",
            "Nobody is asked: files are put there, the stream is followed.",
        )
    asked = provider(contract.source.provider)
    limits = ", ".join(f"{limit.requests:,} in {limit.seconds:,.0f} s" for limit in asked.limits)
    return False, f"{asked.title} (`{asked.name}`)", f"Requests at most: {limits}."


def line(contract: Contract) -> str:
    grain = contract.document["schema"][0]["dataGranularityDescription"]
    key = ", ".join(contract.key)
    asked = when(contract.source) if contract.source else ""
    table = f"`{contract.schema}.{contract.table}` ({key})"
    return f"| `{contract.dataset}` {contract.name} | {grain} | {table} | {asked} | {schedule(contract)} |"


def when(source: Source) -> str:
    """By which windows, since when, for how long again, and for what."""
    span = "each run" if source.window == "interval" else f"by {source.window}"
    since = f", since {source.since}" if source.since else ""
    reread = f", again for {source.reread} days" if source.reread else ""
    each = f"; for each {', '.join(source.each)}" if source.each else ""
    return span + since + reread + each


def schedule(contract: Contract) -> str:
    return f"`{contract.schedule}`" if contract.schedule else "by hand"
