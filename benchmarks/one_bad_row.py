"""What one bad row among 10,000 costs the database consumer, against the same batch without it.

    HEADGATE_HOME=.headgate/benchmark .venv/bin/python -m benchmarks.one_bad_row [--rows N] [--rounds N]

Starts the servers of that home and works in a database of its own, dropped at the end. Measured is the
handler's transaction, claim to commit: the processor time of the consumer and of its Postgres backend,
which other programs of the machine do not disturb, summed over the rounds, and the best of the wall
times. The bad row is found inside of it: the message is given to the handler once, nothing is sent
again. Ends with 1 when a row that Postgres names costs three times the clean batch or more; stops when
the other rows are not all loaded.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import logging
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import psutil
import psycopg2
import structlog
import zstandard
from psycopg2.extensions import connection as Connection

from consumers.database.handler import DatabaseHandler
from consumers.delivery import Delivery, Done
from headgate import db, message, topology
from headgate.contract import contract_from_document
from headgate.contract.registry import apply_contract
from headgate.message import RowBatch
from headgate.settings import default_home
from headgate.stack import Part, Stack, connections, postgres

LIMIT = 3.0  # times the clean batch
WHERE = {"first": 0.0, "last": 1.0}  # place of the bad row in the batch
SHAPES = {"narrow": 2, "wide": 40}  # columns besides the key
SEARCHED = "unique index"  # Postgres tells the values, not the row: it is searched for
BEFORE = ("empty table", "every row changed")  # what the batch meets


@dataclass(frozen=True)
class Cost:
    """Of some transactions, in seconds: processor time of all together, wall time of the quickest."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Measured:
    """One line of the result."""

    shape: str
    before: str
    fault: str
    where: str
    clean: Cost
    bad: Cost

    @property
    def ratio(self) -> float:
        return self.bad.cpu / self.clean.cpu


def main() -> int:
    options = arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with fresh_database() as urls:
        found = [line for shape in SHAPES for line in measure(urls, shape, options.rows, options.rounds)]
    if options.json:
        print(json.dumps([asdict(line) | {"ratio": round(line.ratio, 2)} for line in found], indent=2))
    else:
        show(found)
    return int(any(line.ratio >= LIMIT for line in found if line.fault != SEARCHED))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the batch (10,000)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each case is measured (5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def show(found: Sequence[Measured]) -> None:
    heads = f"{'clean ms':>9}{'bad ms':>9}{'clean cpu':>11}{'bad cpu':>9}{'ratio':>7}"
    print(f"{'shape':8}{'table':20}{'fault':14}{'bad row':9}{heads}")
    for line in found:
        times = f"{line.clean.wall * 1000:9.1f}{line.bad.wall * 1000:9.1f}"
        cpu = f"{line.clean.cpu * 1000:11.0f}{line.bad.cpu * 1000:9.0f}{line.ratio:7.2f}"
        print(f"{line.shape:8}{line.before:20}{line.fault:14}{line.where:9}{times}{cpu}")


@contextmanager
def fresh_database() -> Iterator[dict[str, str]]:
    """URLs by setting, of a migrated database in the stack of this home."""
    stack = Stack(default_home())
    stack.up(Part.SERVERS)
    postgres.make_databases(stack.ports, stack.secrets)
    name = f"benchmark_{uuid.uuid4().hex[:8]}"
    with closing(psycopg2.connect(postgres.admin_url(stack.ports, stack.secrets))) as admin:
        admin.autocommit = True
        admin.cursor().execute(f"CREATE DATABASE {name} OWNER headgate_owner")
        try:
            urls = connections.database_urls(stack.ports, stack.secrets, name)
            db.migrate(urls["HEADGATE_OWNER_URL"], stack.secrets.roles)
            yield urls
        finally:
            admin.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


def measure(urls: dict[str, str], shape: str, rows: int, rounds: int) -> Iterator[Measured]:
    """Every fault at every place, in a table of this shape."""
    handler = DatabaseHandler(urls["HEADGATE_LOADER_URL"], "benchmark", max_bytes=1 << 30)
    with closing(psycopg2.connect(urls["HEADGATE_OWNER_URL"])) as owner, closing(handler):
        table = Table(owner, shape)
        for before in BEFORE:
            for fault in table.faults:
                for where, share in WHERE.items():
                    place = round(share * (rows - 1))
                    clean, bad = table.body(rows, None), table.body(rows, (place, fault))
                    costs = [
                        [timed(handler, table, before, body, rows) for body in (clean, bad)]
                        for _ in range(rounds + 1)
                    ][1:]  # the first warms up
                    yield Measured(shape, before, fault, where, *map(total, zip(*costs, strict=True)))


def total(costs: Sequence[Cost]) -> Cost:
    return Cost(sum(cost.cpu for cost in costs), min(cost.wall for cost in costs))


def timed(handler: DatabaseHandler, table: Table, before: str, body: bytes, rows: int) -> Cost:
    """One transaction of the handler with this batch as its only message."""
    table.prepare(before, rows)
    batch = table.batch(body, rows)
    delivery = Delivery(topology.rows_queue(batch.dataset), 1, 1, message.encode(batch), batch.body)
    gc.collect()
    started, used = time.perf_counter(), processor_time(handler)
    outcome = handler.handle([delivery])
    cost = Cost(processor_time(handler) - used, time.perf_counter() - started)
    if list(outcome) != [Done()]:
        raise SystemExit(f"the batch was not applied: {outcome}")
    table.expect(batch, rows)
    return cost


def processor_time(handler: DatabaseHandler) -> float:
    """Seconds of processor time of this process and of the handler's backend so far."""
    with handler._session() as session:
        backend = psutil.Process(session.conn.get_backend_pid()).cpu_times()
    return time.process_time() + backend.user + backend.system


class Table:
    """A dataset of a text key and so many numbers, with a constraint of each kind."""

    faults = ("copy", "check", "not null", SEARCHED)

    def __init__(self, owner: Connection, shape: str) -> None:
        self.owner, self.shape = owner, shape
        self.numbers = [f"n{place}" for place in range(SHAPES[shape])]
        self.columns = (message.ROW_NUMBER, "id", *self.numbers, "mark")
        owner.autocommit = True
        self.contract_version = apply_contract(owner, contract_from_document(self.document()))
        self.run(f"ALTER TABLE lab.{shape} ADD CHECK (n0 < 1e9)")
        self.run(f"CREATE UNIQUE INDEX ON lab.{shape} (mark) WHERE mark <> ''")

    def document(self) -> dict[str, Any]:
        key = {"name": "id", "logicalType": "string", "physicalType": "text", "primaryKey": True}
        number = {"logicalType": "number", "physicalType": "double precision"}
        mark = {"name": "mark", "logicalType": "string", "physicalType": "text", "required": True}
        properties = [key, *(number | {"name": name} for name in self.numbers), mark]
        location = f"s3://landing/{self.shape}/"
        return {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": self.shape,
            "name": self.shape,
            "version": "1.0.0",
            "status": "active",
            "servers": [{"server": "landing", "type": "s3", "location": location, "format": "csv"}],
            "customProperties": [{"property": "drift", "value": "discard"}],
            "schema": [{"name": self.shape, "physicalName": f"lab.{self.shape}", "properties": properties}],
        }

    def run(self, statement: str, values: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        with self.owner.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def body(self, rows: int, fault: tuple[int, str] | None) -> bytes:
        """CSV as pyarrow writes it; the row at the place has the fault."""
        lines = [self.line(number) for number in range(1, rows + 1)]
        if fault is not None:
            place, name = fault
            lines[place] = self.line(place + 1, name)
            if name == SEARCHED:  # a second row takes what the first one has
                other = place - 1 if place else 1
                lines[other] = self.line(other + 1, name)
        return "".join(lines).encode()

    def line(self, number: int, fault: str | None = None) -> str:
        cells = [f"{number * 7 % 1000 + place / 8}" for place in range(len(self.numbers))]
        if fault in ("copy", "check"):
            cells[0] = "1e999" if fault == "copy" else "1e9"
        mark = {"not null": "", SEARCHED: '"same"'}.get(fault or "", '""')
        # As good as random, as the keys of real files are.
        key = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
        return f'{number},"{key}",{",".join(cells)},{mark}\n'

    def prepare(self, before: str, rows: int) -> None:
        """The table as the batch is to meet it."""
        self.run(f"TRUNCATE lab.{self.shape}")
        if before == BEFORE[0]:
            return
        values = ", ".join(["-1"] * len(self.numbers))
        self.run(
            f"INSERT INTO lab.{self.shape} SELECT md5(n::text), {values}, '', 0, n, 0, now()"
            " FROM generate_series(1, %s) n",
            (rows,),
        )
        self.run(f"VACUUM ANALYZE lab.{self.shape}")

    def batch(self, body: bytes, rows: int) -> RowBatch:
        """A batch of a new object in the ledger."""
        [(run_id,)] = self.run(
            "INSERT INTO headgate.run (dataset, dag_run_id, contract_version) VALUES (%s, %s, 1)"
            " RETURNING run_id",
            (self.shape, uuid.uuid4().hex),
        )
        [(object_id,)] = self.run(
            "INSERT INTO headgate.object (dataset, bucket, key, etag, size, last_modified, lineage, version,"
            " state, run_id, contract_version)"
            " VALUES (%s, 'landing', %s, '', 1, now(), %s, %s, 'published', %s, 1) RETURNING object_id",
            (self.shape, str(run_id), str(run_id), run_id, run_id),
        )
        [(chunk_id,)] = self.run(
            "INSERT INTO headgate.chunk (object_id, ordinal, source, first_row, first_line, records)"
            " VALUES (%s, 0, '{}', 1, 2, 1) RETURNING chunk_id",
            (object_id,),
        )
        packed = zstandard.ZstdCompressor().compress(body)
        return RowBatch(
            dataset=self.shape,
            contract_version=self.contract_version,
            object_id=object_id,
            object_version=run_id,
            lineage=str(run_id),
            chunk_id=chunk_id,
            chunk=0,
            batch=0,
            rows=rows,
            columns=self.columns,
            sha256=hashlib.sha256(packed).hexdigest(),
            run_id=run_id,
            traceparent=message.traceparent(run_id),
            body=packed,
        )

    def expect(self, batch: RowBatch, rows: int) -> None:
        """All rows are placed, and not more than one of them in quarantine."""
        [(placed, quarantined)] = self.run(
            "SELECT inserted + updated, quarantined FROM headgate.receipt WHERE message_id = %s",
            (batch.message_id,),
        )
        if placed + quarantined != rows or quarantined > 1:
            raise SystemExit(f"of {rows} rows {placed} are in the table and {quarantined} in quarantine")


if __name__ == "__main__":
    sys.exit(main())
