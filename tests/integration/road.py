"""The whole road without Airflow: real database, broker and store, the steps called in their order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from headgate import ledger
from headgate.books import RunBooks, run_books
from headgate.checks import Suite
from headgate.contract import Contract, contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.ledger import Run
from headgate.paths import datasets_dir, expectations_dir
from headgate.steps.gate import gate
from headgate.steps.inspect import inspect
from headgate.steps.report import report
from headgate.steps.scan import Params, Request, scan
from headgate.steps.services import Services
from headgate.steps.settle import settled
from headgate.steps.stream import stream
from headgate.steps.validate import validate
from tests.conftest import Environment
from tests.polling import eventually

CONSUMER = Path(sys.executable).with_name("headgate-consumer")
HEADER = "SEQPLT23,YEAR,PSTATABB,PNAME,ORISPL,NAMEPCAP,PLNGENAN"
COUNTS = ("read", "inserted", "updated", "unchanged", "superseded", "quarantined", "blank", "removed")
ZERO = dict.fromkeys(COUNTS, 0)


def plant(code: object, *, year: int = 2023, name: str = "", capacity: object = 10.5) -> str:
    """A good line of a plants file."""
    return f"{code},{year},TX,{name or f'Plant {code}'},{code},{capacity},100"


def plants(*lines: str, header: str = HEADER) -> bytes:
    """A plants file."""
    return "".join(f"{line}\n" for line in (header, *lines)).encode()


def many(count: int, *, first: int = 1, **values: Any) -> list[str]:
    """Good lines with the codes ``first`` to ``first + count - 1``."""
    return [plant(code, **values) for code in range(first, first + count)]


@dataclass
class Road:
    """One dataset's road in one test environment."""

    environment: Environment
    contract: Contract
    services: Services
    runs: int = 0
    alive: set[str] = field(default_factory=set)
    suites: Path = field(default_factory=expectations_dir)

    @property
    def bucket(self) -> str:
        return self.contract.bucket

    def put(self, name: str, body: bytes) -> str:
        """Drop an object; its key."""
        key = self.contract.prefix + name
        self.services.store.put_bytes(self.bucket, key, body)
        return key

    def open(self, **params: Any) -> Run:
        """scan of a new run."""
        self.runs += 1
        interval = params.pop("interval", None)
        request = Request(
            dataset=self.contract.dataset,
            dag_run_id=f"test__{self.runs}",
            contract_sha256=self.contract.sha256,
            kind="backfill" if interval else "manual",
            params=Params(**params),
            interval=interval,
        )
        return scan(self.services, request, is_alive=self.alive.__contains__)

    def audit(self, run: Run) -> list[Any]:
        """inspect, validate, gate; the lanes to stream."""
        for share in inspect(self.services, run.run_id):
            validate(self.services, share, make_suite=self.suite)
        return gate(self.services, run.run_id)

    def suite(self, contract: Contract) -> Suite:
        return Suite(self.suites / f"{contract.dataset}.json", contract)

    def publish(self, run: Run, shares: list[Any]) -> None:
        """stream, and wait for the receipts."""
        for share in shares:
            stream(self.services, share)
        eventually(lambda: settled(self.services, run.run_id), 180)

    def run(self, **params: Any) -> RunBooks:
        """All steps."""
        run = self.open(**params)
        self.publish(run, self.audit(run))
        return report(self.services, run)

    def books(self, run: Run) -> RunBooks:
        return self.services.ledger(run_books, run)

    def objects(self, run: Run) -> dict[str, str]:
        """State of each object of a run by key."""
        return {o.key: o.state for o in self.services.ledger(ledger.objects_of_run, run.run_id)}

    def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, as the reader role."""
        with (
            closing(connect(self.environment.database.reader_url, autocommit=True)) as conn,
            conn.cursor() as cursor,
        ):
            cursor.execute(sql, arguments)
            return list(cursor.fetchall())

    def events(self) -> list[str]:
        """Kinds of the events so far, in order."""
        return [kind for (kind,) in self.rows("SELECT kind FROM headgate.event ORDER BY number")]

    def table(self) -> list[tuple[Any, ...]]:
        """The target table: code, year, name, capacity."""
        return self.rows(
            "SELECT plant_code, year, plant_name, nameplate_capacity_mw FROM egrid.plants ORDER BY 2, 1"
        )


def make_road(environment: Environment, **changes: Any) -> Road:
    """Apply the plants contract with the test's bucket and with these custom properties changed."""
    contract = plants_contract(environment.buckets.landing, changes)
    with closing(connect(environment.database.owner_url)) as conn:
        apply_contract(conn, contract)
    return Road(environment, contract, Services.of(environment.settings, patience=5.0))


def plants_contract(bucket: str, changes: Mapping[str, Any]) -> Contract:
    """The plants contract for another landing bucket."""
    document = yaml.safe_load((datasets_dir() / "egrid_plants.yaml").read_bytes())
    document["servers"][0]["location"] = f"s3://{bucket}/egrid_plants/"
    for entry in document["customProperties"]:
        entry["value"] = changes.get(entry["property"], entry["value"])
    return contract_from_document(document, "test contract")


def counts(books: RunBooks, **expected: int) -> None:
    """The rows of the books are exactly these; what is not named is zero."""
    assert books.as_json()["rows"] == ZERO | expected


def balanced(books: RunBooks, **expected: int) -> None:
    """The run went well and its books add up to exactly these rows."""
    assert (books.state, books.balanced) == ("success", True), books.as_json()
    counts(books, **expected)


@contextmanager
def consumer(environment: Environment) -> Iterator[subprocess.Popen[bytes]]:
    """A database consumer for the test's environment."""
    import os

    process = subprocess.Popen([CONSUMER, "database"], env={**os.environ, **environment.variables})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
