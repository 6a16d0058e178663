"""``headgate put``, ``run`` and ``backfill``: files to the bucket, runs through Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.errors import Fatal

if TYPE_CHECKING:
    from headgate.cli.airflow_api import Airflow
    from headgate.contract import Contract
    from headgate.store import ObjectStore

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="Name of a contract in dags/datasets.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until it has ended, show progress, then the books.")]
Timeout = Annotated[
    float, typer.Option("--timeout", help="Seconds to wait at most; the run goes on without you.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("put", help="Upload files to a dataset's landing prefix.")(put)
    app.command("run", help="Start a dataset's DAG in Airflow; with --wait follow it and show the books.")(
        run
    )
    app.command(
        "backfill", help="Run the DAG for past periods: what arrived in each; of a source, what it lacks."
    )(backfill)


def put(
    dataset: Dataset,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", exists=True, dir_okay=False, readable=True)],
    key: Annotated[
        str, typer.Option("--as", help="Key below the dataset's prefix instead of the file name.")
    ] = "",
    json: Json = False,
) -> None:
    """Upload files; the same bytes under the same key are not uploaded again."""
    from headgate.cli.output import errors, print_json, table
    from headgate.settings import settings
    from headgate.store import ObjectStore

    contract = contract_of(dataset)
    if key and len(files) > 1:
        raise typer.BadParameter("--as names one key: give one file", param_hint="--as")
    store = ObjectStore.from_settings(settings(), patience=10.0)
    done = [put_file(store, contract, path, key or path.name, quiet=json) for path in files]
    if json:
        print_json(done)
        return
    lines = [
        [e["key"], f"{e['bytes']:,}", "yes" if e["uploaded"] else "no, it is there already"] for e in done
    ]
    table(("key", "bytes", "uploaded"), lines, numeric=("bytes",))
    errors.print(f"Next: headgate run {dataset} --wait", highlight=False, soft_wrap=True)


def put_file(store: ObjectStore, contract: Contract, path: Path, name: str, *, quiet: bool) -> dict[str, Any]:
    """Upload one file unless the object holds the same bytes already; what is now in the bucket."""
    from headgate.cli.progress import bytes_bar

    key = name if name.startswith(contract.prefix) else contract.prefix + name
    digest, size = digest_of(path)
    present = store.find(contract.bucket, key)
    same = present is not None and present.size == size and store.sha256(present) == digest
    if present is not None and same:
        stored = present
    else:
        with bytes_bar(key, size, quiet=quiet) as advance:
            stored = store.put_file(contract.bucket, key, path, progress=advance)
    return {
        "dataset": contract.dataset,
        "bucket": stored.bucket,
        "key": stored.key,
        "bytes": stored.size,
        "etag": stored.etag,
        "sha256": digest,
        "uploaded": not same,
    }


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def contract_of(dataset: str) -> Contract:
    """The contract of a dataset; ``Fatal`` lists the datasets that there are."""
    from headgate.contract import load_contract
    from headgate.paths import datasets_dir

    path = datasets_dir() / f"{dataset}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in datasets_dir().glob("*.yaml"))) or "none"
        raise Fatal(f"there is no dataset {dataset!r}. Datasets: {known}. See `headgate contract draft`.")
    return load_contract(path)


def run(
    dataset: Dataset,
    wait: Wait = False,
    objects: Annotated[
        list[str] | None, typer.Option("--object", help="Take this key only; may be repeated.")
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", help="Only keys that start so, below the dataset's prefix.")
    ] = "",
    reload: Annotated[
        bool, typer.Option("--reload", help="Read loaded objects again as if they were new.")
    ] = False,
    accept_rejects: Annotated[
        bool, typer.Option("--accept-rejects", help="Let objects pass that have too many bad rows.")
    ] = False,
    accept_removals: Annotated[
        bool, typer.Option("--accept-removals", help="Let an object remove rows above its removeThreshold.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Stop after the gate: nothing is published.")
    ] = False,
    start: Annotated[
        str, typer.Option("--from", help="Of a source: ask for windows from this day or moment on, UTC.")
    ] = "",
    end: Annotated[str, typer.Option("--to", help="Of a source: to this day (all of it) or moment.")] = "",
    refetch: Annotated[
        bool, typer.Option("--refetch", help="Of a source: ask also for what is landed for good.")
    ] = False,
    timeout: Timeout = 86_400.0,
    json: Json = False,
) -> None:
    """Start a run; with --wait the exit code is 0 for success and 1 for a failed run or a held object."""
    from headgate.cli.follow import follow
    from headgate.steps.fetch import span_of

    contract = contract_of(dataset)
    dates = {"from": start or None, "to": end or None, "refetch": refetch}
    if contract.source is None and any(dates.values()):
        raise Fatal(f"{dataset} is not fetched, so it takes no dates; see `headgate backfill`")
    if contract.source and (start or end):
        span_of(contract.source, start, end, datetime.now(UTC))  # wrong dates are told before a run starts
    api = ready(dataset)
    ahead = api.unfinished(dataset)
    conf = {
        "objects": objects or None,
        "prefix": prefix or None,
        "reload": reload,
        "accept_rejects": accept_rejects,
        "accept_removals": accept_removals,
        "dry_run": dry_run,
        **(dates if contract.source else {}),
    }
    dag_run_id = api.trigger(dataset, conf)
    say_started(dataset, dag_run_id, [other.dag_run_id for other in ahead])
    if not wait:
        show_started(api, dataset, dag_run_id, json=json)
        return
    books = follow(api, dataset, dag_run_id, timeout=timeout, quiet=json)
    show_books([books], json=json, one=True)


def ready(dataset: str) -> Airflow:
    """Airflow with the dataset's DAG parsed and not paused."""
    from headgate.cli.airflow_api import Airflow
    from headgate.settings import settings

    api = Airflow.from_settings(settings())
    api.wait_for_dag(dataset)
    api.unpause(dataset)
    return api


def say_started(dataset: str, dag_run_id: str, ahead: list[str]) -> None:
    """On standard error, so that --json stays clean."""
    from headgate.cli.output import errors

    errors.print(f"{dataset}: started {dag_run_id}", highlight=False, markup=False)
    if ahead:
        errors.print(f"it queues behind {', '.join(ahead)}", highlight=False, markup=False)


def show_started(api: Airflow, dataset: str, dag_run_id: str, *, json: bool) -> None:
    """Where to look at a run that nobody waits for."""
    from headgate.cli.output import errors, print_json

    url = f"{api.url}/dags/{dataset}/runs/{dag_run_id}"
    if json:
        print_json({"dataset": dataset, "dag_run_id": dag_run_id, "url": url})
    else:
        errors.print(url, soft_wrap=True)


def show_books(books: list[Any], *, json: bool, one: bool = False) -> None:
    """The books of ended runs; exit code 1 when one of them did not succeed."""
    from headgate.books import render
    from headgate.cli.output import console, print_json

    if json:
        print_json(books[0].as_json() if one else [entry.as_json() for entry in books])
    else:
        for entry in books:
            console.print(render(entry))
    if any(entry.run.state not in ("success", "dry_run") for entry in books):
        raise typer.Exit(1)


def backfill(
    dataset: Dataset,
    start: Annotated[datetime, typer.Option("--from", help="First day or moment, UTC.")],
    end: Annotated[datetime, typer.Option("--to", help="Last day (all of it) or moment, UTC.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the periods.")] = False,
    wait: Wait = False,
    timeout: Timeout = 86_400.0,
    json: Json = False,
) -> None:
    """Backfill past periods; objects that are loaded change nothing."""
    from headgate.cli.follow import follow_backfill
    from headgate.cli.output import errors, print_json

    contract_of(dataset)
    start, end = in_utc(start), in_utc(end)
    end = end + timedelta(days=1) if end == end.replace(hour=0, minute=0, second=0) else end
    if end < start:
        raise typer.BadParameter("--to lies before --from", param_hint="--to")
    api = ready(dataset)
    periods, due = periods_that_touch(api, dataset, start, end)
    if dry_run or not periods:
        show_periods(periods, json=json)
        return
    backfill_id = api.backfill(dataset, start, due)
    errors.print(f"{dataset}: backfill {backfill_id} of {len(periods)} periods started", highlight=False)
    if wait:
        show_books(
            follow_backfill(api, dataset, backfill_id, periods, timeout=timeout, quiet=json), json=json
        )
    elif json:
        print_json({"dataset": dataset, "backfill_id": backfill_id, "periods": periods})


def in_utc(moment: datetime) -> datetime:
    """A moment without a zone is UTC."""
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def periods_that_touch(
    api: Airflow, dataset: str, start: datetime, end: datetime
) -> tuple[list[datetime], datetime]:
    """Beginnings of the ended periods that have a moment from ``start`` to ``end``; when the last was due.

    Airflow counts by the moment at which a run is due, which is the end of its period: the period that
    holds ``end`` is due later, with a yearly schedule up to a year.
    """
    now = datetime.now(UTC)
    if start >= now:
        return [], start
    listed = api.periods(dataset, start, min(end + timedelta(days=370), now))
    touching = [period for period in listed if period < end]
    after = listed[len(touching) :]  # a period begins where the one before it is due
    return touching, after[0] if after else now


def show_periods(periods: list[datetime], *, json: bool) -> None:
    """The periods that a backfill would run."""
    from headgate.cli.output import console, print_json

    if json:
        print_json(periods)
        return
    if not periods:
        console.print("no period of the schedule that touches these dates has ended")
        return
    console.print(f"{len(periods)} ended periods, beginning at:", highlight=False)
    for moment in periods:
        console.print(f"  {moment:%Y-%m-%d %H:%M} UTC", highlight=False)
