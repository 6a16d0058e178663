"""The steps of a run, called as tasks call them, with a proxy between them and each of their servers."""

from __future__ import annotations

import copy
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from psycopg2.extras import execute_values
from pydantic import SecretStr

from headgate import db, store
from headgate.checks import Suite
from headgate.contract import Contract, contract_from_document
from headgate.contract.registry import apply_contract
from headgate.errors import Retriable
from headgate.settings import Settings
from headgate.steps.gate import gate
from headgate.steps.inspect import inspect
from headgate.steps.report import report
from headgate.steps.scan import Params, Request, scan
from headgate.steps.services import Services
from headgate.steps.settle import settled
from headgate.steps.stream import stream
from headgate.steps.validate import validate
from tests.conftest import Buckets, Servers, fresh_buckets
from tests.faults.drill import Round, drill
from tests.faults.field import Field, open_field
from tests.faults.load import Load
from tests.faults.network import FAULTS, QUICK_BROKER, QUICK_POSTGRES, SHORT, story
from tests.faults.patience import until
from tests.faults.proxy import Proxy
from tests.integration.lab import DATASET, DOCUMENT, Row, Thing

T = TypeVar("T")

SUITE = {"name": DATASET, "meta": {}, "expectations": []}
PATIENCE = 60.0  # seconds a step waits for a server before its task is tried again
ATTEMPTS = 4  # of a task, as in Airflow
ROWS = 3_000  # of a file; in four chunks, each of a few messages
KEYS = 5_000  # the files of all rounds fight for so many
# Where a run stands: moves with every step that is done.
PROGRESS = """
SELECT (SELECT count(*) FROM headgate.receipt), (SELECT count(streamed_at) FROM headgate.batch),
    (SELECT string_agg(state, ',' ORDER BY chunk_id) FROM headgate.chunk),
    (SELECT string_agg(state, ',' ORDER BY object_id) FROM headgate.object),
    (SELECT string_agg(state, ',' ORDER BY run_id) FROM headgate.run)
"""
# The newest version of a key must be in the table; an older one may have been held when it was replaced.
UNFINISHED = """
SELECT key, state
FROM (SELECT DISTINCT ON (key) key, state FROM headgate.object ORDER BY key, object_id DESC) newest
WHERE state NOT IN ('loaded', 'duplicate')
"""
TASK_SETTINGS: dict[str, Any] = {"batch_bytes": 8_192, "lane_bytes": 1, "lanes": 2}


@dataclass
class File:
    """What was put into the bucket under a key: good rows and the numbers of bad ones."""

    key: str
    body: bytes
    rows: list[Row]
    bad: tuple[int, ...]
    etag: str = ""  # once it was put


@dataclass
class Run:
    """A run in a thread of its own; ``join`` raises what a task failed with."""

    tasks: Callable[[], Any]
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name="tasks", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.tasks()
        except BaseException as error:  # noqa: BLE001  raised in join
            self.error = error

    @property
    def goes_on(self) -> bool:
        return self.thread.is_alive()

    def join(self, seconds: float = 180.0) -> None:
        self.thread.join(seconds)
        if self.error is not None:
            raise self.error
        assert not self.goes_on, f"the run did not end in {seconds:.0f} s"


@dataclass
class Tasks:
    """A field whose rows come from files, through all steps."""

    field: Field
    buckets: Buckets
    contract: Contract
    suite: Path
    proxies: Mapping[str, Proxy]
    settings: Settings
    runs: int = 0
    files: list[File] = field(default_factory=list)

    def close(self) -> list[str]:
        return self.field.close()

    def services(self) -> Services:
        """As a task makes them when it starts."""
        return Services.of(self.settings, patience=PATIENCE, reread=lambda: self.settings)

    # -- files --------------------------------------------------------------------------------

    def fresh_files(self, rng: Random) -> list[File]:
        """Two new ones, in the bucket."""
        files = [self.file(rng), self.file(rng)]
        self.put(*files)
        return files

    def file(self, rng: Random, key: str = "") -> File:
        """Content that was never there before, for a new key or for this one."""
        version = self.field.next_version()
        bad = sorted(rng.sample(range(1, ROWS + 1), ROWS // 200))
        rows: list[Row] = [
            (f"k{number:07d}", float(version), f"v{version}") for number in rng.sample(range(KEYS), ROWS)
        ]
        lines = ["id,amount,note"]
        for number, (name, amount, note) in enumerate(rows, 1):
            lines.append(f"{name},{'many' if number in bad else amount},{note}")
        good = [row for number, row in enumerate(rows, 1) if number not in bad]
        body = "".join(f"{line}\n" for line in lines).encode()
        return File(key or f"{self.contract.prefix}{version}.csv", body, good, tuple(bad))

    def put(self, *files: File) -> None:
        """Drop them into the bucket, in this order."""
        for file in files:
            put = self.buckets.client.put_object(
                self.contract.bucket, file.key, io.BytesIO(file.body), len(file.body)
            )
            file.etag = str(put.etag)

    def remove(self, *files: File) -> None:
        """Delete their objects."""
        for file in files:
            self.buckets.client.remove_object(self.contract.bucket, file.key)

    # -- runs ---------------------------------------------------------------------------------

    def start(self) -> Run:
        """A run of the dataset."""
        self.runs += 1
        return Run(lambda: self._run(f"drill__{self.runs}"))

    def _run(self, dag_run_id: str) -> None:
        request = Request(DATASET, dag_run_id, self.contract.sha256, "manual", Params())
        run = task(lambda: scan(self.services(), request, is_alive=lambda _: False))
        for share in task(lambda: inspect(self.services(), run.run_id)):
            task(lambda share=share: validate(self.services(), share, make_suite=self._suite))
        for share in task(lambda: gate(self.services(), run.run_id)):
            task(lambda share=share: stream(self.services(), share))
        task(lambda: self._settle(run.run_id))
        task(lambda: report(self.services(), run))

    def _suite(self, contract: Contract) -> Suite:
        return Suite(self.suite, contract)

    def _settle(self, run_id: int) -> None:
        services = self.services()
        until(lambda: settled(services, run_id), "the run has its receipts", 120)

    def progress(self) -> list[tuple[Any, ...]]:
        """Where the run stands."""
        return self.field.sql(PROGRESS)

    # -- the end of a round ---------------------------------------------------------------------

    def settle(self, run: Run, *files: File) -> Round:
        """Until the run has ended, then the check. ``recover``: seconds until the run had got on."""
        stood, begun = self.progress(), time.monotonic()
        until(lambda: self.progress() != stood or not run.goes_on, "the run gets on", 120)
        recover = time.monotonic() - begun
        run.join()
        return self.check(recover, *files)

    def check(self, recover: float, *files: File) -> Round:
        """The check of every round: these files were loaded. A bad row has no receipt, but its quarantine."""
        things = [self._enter(file) for file in files]
        good, bad = sum(len(file.rows) for file in files), sum(len(file.bad) for file in files)
        round_ = self.field.check(Load(tuple(things), (), good), recover)
        aside = self._quarantined(things)
        unfinished = [f"{key} is {state}" for key, state in self.field.sql(UNFINISHED)]
        return replace(
            round_,
            rows_in=round_.rows_in + bad,
            accounted=round_.accounted + aside,
            lost=round_.lost + max(0, bad - aside),
            doubled=round_.doubled + max(0, aside - bad),
        ).unless("; ".join(unfinished), not unfinished)

    def was_loaded(self, file: File) -> bool:
        """Whether this very content was, under its key."""
        return bool(self._loaded(file))

    def _loaded(self, file: File) -> list[tuple[Any, ...]]:
        return self.field.sql(
            "SELECT object_id, version, lineage FROM headgate.object"
            " WHERE (key, etag, state) = (%s, %s, 'loaded')",
            file.key,
            file.etag,
        )

    def _enter(self, file: File) -> Thing:
        """What must have come of a file, under the number and version that it got when it was found."""
        loaded = self._loaded(file)
        assert len(loaded) == 1, f"{file.key} was loaded {len(loaded)} times"
        object_id, version, lineage = loaded[0]
        with self.field.admin() as cursor:
            expected = [(*row, version) for row in file.rows]
            execute_values(cursor, "INSERT INTO drill.expected VALUES %s", expected, page_size=5_000)
            refused = [(object_id, number) for number in file.bad]
            execute_values(cursor, "INSERT INTO drill.refused VALUES %s", refused)
        return Thing(object_id, version, lineage, 0)

    def _quarantined(self, things: Sequence[Thing]) -> int:
        [(rows,)] = self.field.sql(
            "SELECT count(*) FROM headgate.quarantine WHERE object_id = ANY (%s)",
            [thing.object_id for thing in things],
        )
        return int(rows)


def task(call: Callable[[], T]) -> T:
    """A task: what a server's absence ended is tried again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except Retriable:
            if attempt == ATTEMPTS:
                raise
            time.sleep(1)
    raise AssertionError


# -- ground ------------------------------------------------------------------------------------


@contextmanager
def open_tasks(servers: Servers, name: str) -> Iterator[Tasks]:
    """Buckets, a contract that names them, and a proxy to each server."""
    with open_field(servers, name) as made, fresh_buckets(servers) as buckets, ExitStack() as stack:
        servers_of = {
            "task-postgres": made.database.pipeline_url,
            "task-broker": made.broker.url,
            "task-store": buckets.endpoint,
        }
        proxies = {pair: stack.enter_context(Proxy.to(url)) for pair, url in servers_of.items()}
        contract = contract_of(buckets)
        with closing(db.connect(made.database.owner_url)) as conn:
            apply_contract(conn, contract)
        suite = made.crew.logs / "suite.json"
        suite.write_text(json.dumps(SUITE))
        stack.enter_context(quick_to_notice())
        yield Tasks(made, buckets, contract, suite, proxies, settings_of(made, buckets, proxies))


@contextmanager
def quick_to_notice() -> Iterator[None]:
    """A store that vanished is given up after seconds, as URLs make it with the other servers."""
    usual, store.VANISHED_SECONDS = store.VANISHED_SECONDS, 2.0
    try:
        yield
    finally:
        store.VANISHED_SECONDS = usual


def contract_of(buckets: Buckets) -> Contract:
    """The contract of the three columns, of files in this bucket, cut into small chunks."""
    document = copy.deepcopy(DOCUMENT)
    document["servers"][0]["location"] = f"s3://{buckets.landing}/{DATASET}/"
    document["customProperties"] = [
        {"property": "chunkBytes", "value": 20_000},
        {"property": "rejectThreshold", "value": 0.05},
    ]
    return contract_from_document(document, "the drill's contract")


def settings_of(made: Field, buckets: Buckets, proxies: Mapping[str, Proxy]) -> Settings:
    """Settings of a task."""
    return Settings.model_validate(
        {
            "home": made.crew.logs / "home",
            "database_url": SecretStr(
                proxies["task-postgres"].url(made.database.pipeline_url, QUICK_POSTGRES)
            ),
            "amqp_url": SecretStr(proxies["task-broker"].url(made.broker.url, QUICK_BROKER)),
            "s3_endpoint": proxies["task-store"].url(buckets.endpoint),
            "s3_access_key": buckets.access_key,
            "s3_secret_key": SecretStr(buckets.secret_key),
            "s3_region": buckets.region,
            "staging_bucket": buckets.staging,
            **TASK_SETTINGS,
        }
    )


# -- drills ------------------------------------------------------------------------------------

# Bytes that pass between them in a run at least, in both directions.
TRAFFIC = {"task-postgres": 125_000, "task-broker": 41_000, "task-store": 610_000}


def begin(tasks: Tasks, rng: Random, pair: str, share: float = 0.9, *, held: bool = False) -> Run:
    """A run that has got to a random byte of what passes between the pair, in this first part of it.

    ``held``: nothing passes between them until the proxy is told to go on.
    """
    tasks.field.database_crew()
    proxy = tasks.proxies[pair]
    proxy.hold_at(int(share * rng.random() * TRAFFIC[pair]))
    run = tasks.start()
    until(lambda: proxy.held.is_set() or not run.goes_on, "the run gets to the point")
    assert proxy.held.is_set() or run.error, "the run had ended before the fault"
    if not held:
        proxy.go_on()
    return run


def drill_of(pair: str, kind: str) -> None:
    """Register the drill of a pair and a kind of fault."""
    fault, times = FAULTS[kind]
    name = f"net-{pair}-{kind}"

    def run(tasks: Tasks, rng: Random) -> Round:
        files = tasks.fresh_files(rng)
        going = begin(tasks, rng, pair)
        fault(tasks.proxies[pair], rng)
        return tasks.settle(going, *files)

    run.__doc__ = story(pair, fault)
    drill(name, times=times, short=int(name in SHORT), ground=open_tasks)(run)


for _pair in TRAFFIC:
    for _kind in FAULTS:
        drill_of(_pair, _kind)
