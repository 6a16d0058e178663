"""``headgate demo --apis``: every source dataset from nothing to rows, from stub providers."""

from __future__ import annotations

import json
import shlex
import subprocess
import sysconfig
import time
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from headgate.cli.connection import connect_reader
from headgate.cli.demo import headgate, step
from headgate.errors import Fatal
from headgate.settings import settings

if TYPE_CHECKING:
    from headgate.books import RunRow
    from headgate.cli.airflow_api import Airflow

DAYS = 3  # that every dataset is asked for
EXAMPLE = "noaa_cdo", "ghcn_daily"  # a provider that corrects what it has published, and a dataset of it
EARLIER = timedelta(days=60)
STREAM, STREAM_TABLE, STREAM_ROWS = "ais_positions", "maritime.ais_positions", 2_000
TIMEOUT = 900.0  # seconds for the runs of all datasets

TABLE = "SELECT count(*) AS rows, max(_loaded_at) AS last_change FROM climate.ghcn_daily"


def demo_apis() -> None:
    """Fetch all, show the books; a backfill twice, which changes nothing; a correction, which is counted."""
    step("Start the private stack with stub providers in the place of the APIs")
    headgate("up", "--with-stubs")
    settings.cache_clear()  # it has just written them
    headgate("sources", "list")
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=DAYS - 1)
    datasets = source_datasets()
    step(f"Fetch {first} to {last} of {len(datasets)} datasets and load what has landed")
    load_all(datasets, first, last)
    provider, example = EXAMPLE
    step(f"Backfill {DAYS} days two months ago, twice: the second time nothing changes, in books and table")
    for _ in range(2):
        headgate("backfill", example, *span(first - EARLIER, last - EARLIER), "--wait")
        headgate("sql", TABLE)
    step("The provider corrects what it has published; the next run of these days counts it as updated")
    correct(provider)
    headgate("run", example, *span(first, last), "--wait")
    headgate("books", example, "--all")
    step("Follow the live stream of ship positions, from two minutes ago")
    follow_the_stream()
    headgate("books", STREAM, "--all")
    step("Look around")
    headgate("status", "--logins")


def span(first: date, last: date) -> tuple[str, ...]:
    """Days as commands take them."""
    return "--from", str(first), "--to", str(last)


def source_datasets() -> dict[str, str]:
    """Table by dataset, of the contracts that name a provider."""
    from headgate.contract import load_contracts
    from headgate.paths import datasets_dir

    contracts = load_contracts(datasets_dir())
    return {name: contracts[name].qualified_table for name in sorted(contracts) if contracts[name].source}


def load_all(datasets: Mapping[str, str], first: date, last: date) -> None:
    """Start a run of each in Airflow, wait for all, show a line of each; ends the demo when one failed."""
    from headgate.books import counts
    from headgate.cli.airflow_api import Airflow
    from headgate.cli.follow import PATIENCE
    from headgate.cli.output import console, table

    api = Airflow.from_settings(settings())
    api.patience = PATIENCE
    started = {dataset: start(api, dataset, first, last) for dataset in datasets}
    books = ended(api, started)
    in_tables = {dataset: rows_of(name) for dataset, name in datasets.items()}
    counted = ("objects", "read", "inserted", "updated", "unchanged", "quarantined")
    columns = ("dataset", *counted, "balanced", "in table")
    rows = [
        (run.dataset, *counts(run, counted), "yes" if run.balanced else "no", f"{in_tables[run.dataset]:,}")
        for run in books
    ]
    table(columns, rows, numeric=(*counted, "in table"))
    wrong = [run for run in books if run.state != "success" or not run.balanced or not in_tables[run.dataset]]
    for run in wrong:
        console.print(f"{run.dataset}: {run.reason or 'no rows'}", markup=False, highlight=False)
    if wrong:
        raise typer.Exit(1)


def start(api: Airflow, dataset: str, first: date, last: date) -> str:
    """Start a run over these days; its id."""
    print("$", shlex.join(["headgate", "run", dataset, *span(first, last)]), flush=True)
    api.wait_for_dag(dataset)
    api.unpause(dataset)
    return api.trigger(dataset, {"from": first.isoformat(), "to": last.isoformat()})


def ended(api: Airflow, started: Mapping[str, str]) -> list[RunRow]:
    """The sums of the runs' books when all are over; ``Retriable`` when that takes too long."""
    from headgate.cli.follow import books_of, pause
    from headgate.cli.progress import waiting_bar

    deadline = time.monotonic() + TIMEOUT
    with waiting_bar("runs", len(started), quiet=False) as show:
        for done, (dataset, dag_run_id) in enumerate(started.items()):
            show(done)
            while not api.dag_run(dataset, dag_run_id).finished:
                pause(deadline, f"{dataset}: {dag_run_id}")
    return [books_of(api, dataset, dag_run_id).run for dataset, dag_run_id in started.items()]


def rows_of(table: str) -> int:
    """How many the table holds."""
    from psycopg2.sql import Identifier

    from headgate.db import template

    with closing(connect_reader("headgate-demo")) as conn, conn.cursor() as cursor:
        cursor.execute(template("table_rows").format(table=Identifier(*table.split("."))))
        counted: tuple[int] = cursor.fetchone() or (0,)
        return counted[0]


def follow_the_stream() -> None:
    """Run the stream's consumer until some rows of it are in the table."""
    since = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
    command = ["headgate-consumer", "ais-stream", "--since", since.isoformat()]
    print("$", shlex.join(command), "&", flush=True)
    wanted, deadline = rows_of(STREAM_TABLE) + STREAM_ROWS, time.monotonic() + TIMEOUT
    follower = subprocess.Popen([Path(sysconfig.get_path("scripts")) / command[0], *command[1:]])
    try:
        while rows_of(STREAM_TABLE) < wanted:
            if follower.poll() is not None or time.monotonic() > deadline:
                raise Fatal(f"the stream brought no {STREAM_ROWS:,} rows; what it said above tells why")
            time.sleep(0.5)
    finally:
        follower.terminate()
        follower.wait()


def correct(provider: str) -> None:
    """Tell the stub to publish other values under the same keys."""
    from headgate.stack import Stack, stubs

    address = f"{stubs.address(Stack(settings().home).ports)}/control/correct"
    wanted = json.dumps({"provider": provider})
    print(f"$ curl -d '{wanted}' {address}", flush=True)
    request = urllib.request.Request(address, wanted.encode())  # noqa: S310 - our own stub
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()
