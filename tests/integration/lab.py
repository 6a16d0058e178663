"""A dataset of three columns with its table, ledger and queue."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pika
import psycopg2
import zstandard

from consumers.broker import Broker as ConsumerBroker
from consumers.database.handler import DatabaseHandler
from consumers.delivery import Delivery, Handler
from consumers.errors.handler import ErrorHandler
from consumers.handover import Handover
from consumers.inbox import Limits
from consumers.runner import Options, Runner
from headgate import message, topology
from headgate.contract import contract_from_document
from headgate.contract.registry import apply_contract
from headgate.message import RowBatch
from headgate.publisher import Publisher
from tests.polling import eventually

if TYPE_CHECKING:
    from tests.conftest import Broker, Database

DATASET = "things"
COLUMNS = ("_row_number", "id", "amount", "note")
Row = tuple[str, float | str | None, str | None]  # id, amount, note

DOCUMENT: dict[str, Any] = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": DATASET,
    "name": "Things",
    "version": "1.0.0",
    "status": "active",
    "servers": [{"server": "landing", "type": "s3", "location": "s3://landing/things/", "format": "csv"}],
    "schema": [
        {
            "name": "things",
            "physicalName": "lab.things",
            "properties": [
                {"name": "id", "logicalType": "string", "physicalType": "text", "primaryKey": True},
                {"name": "amount", "logicalType": "number", "physicalType": "double precision"},
                {"name": "note", "logicalType": "string", "physicalType": "text", "required": True},
            ],
        }
    ],
}


@dataclass(frozen=True)
class Thing:
    """An object version in the ledger."""

    object_id: int
    version: int
    lineage: str
    chunk_id: int


@dataclass
class Lab:
    """What the tests do with it."""

    database: Database
    broker: Broker
    contract_version: int = 0
    sent: list[RowBatch] = field(default_factory=list)

    def apply_contract(self, *properties: Mapping[str, Any]) -> None:
        """With these custom properties."""
        contract = contract_from_document({**DOCUMENT, "customProperties": list(properties)})
        with closing(psycopg2.connect(self.database.owner_url)) as conn:
            self.contract_version = apply_contract(conn, contract)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement as the owner; its rows."""
        with closing(psycopg2.connect(self.database.admin_url)) as conn, conn, conn.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def sql_elsewhere(self, statement: str, *values: object) -> None:
        """Run one statement as the superuser, not in the lab's database."""
        elsewhere = self.database.admin_url.rpartition("/")[0] + "/postgres"
        with closing(psycopg2.connect(elsewhere)) as conn:
            conn.autocommit = True
            conn.cursor().execute(statement, values or None)

    def thing(self, lineage: str, version: int, *, state: str = "published") -> Thing:
        """A new object version of a lineage, in the ledger in this state."""
        [(run_id,)] = self.sql(
            "INSERT INTO headgate.run (dataset, dag_run_id, contract_version) VALUES (%s, %s, %s) ON CONFLICT"
            " (dataset, dag_run_id) DO UPDATE SET dag_run_id = excluded.dag_run_id RETURNING run_id",
            DATASET,
            "test",
            self.contract_version,
        )
        [(object_id,)] = self.sql(
            "INSERT INTO headgate.object (dataset, bucket, key, etag, size, last_modified, lineage, version,"
            " state, run_id, contract_version)"
            " VALUES (%s, 'landing', %s, %s, 1, now(), %s, %s, %s, %s, %s) RETURNING object_id",
            DATASET,
            lineage,
            str(version),
            lineage,
            version,
            state,
            run_id,
            self.contract_version,
        )
        [(chunk_id,)] = self.sql(
            "INSERT INTO headgate.chunk (object_id, ordinal, source, first_row, first_line, records)"
            " VALUES (%s, 0, '{}', 1, 2, 1) RETURNING chunk_id",
            object_id,
        )
        return Thing(object_id, version, lineage, chunk_id)

    def publish_state(self, thing: Thing, state: str) -> None:
        self.sql("UPDATE headgate.object SET state = %s WHERE object_id = %s", state, thing.object_id)

    def batch(self, thing: Thing, rows: Sequence[Row], *, first: int = 1, batch: int = 0) -> RowBatch:
        """A batch of this object; ``first`` is its first row number."""
        return self.raw_batch(thing, body_of(rows, first), len(rows), batch=batch)

    def raw_batch(
        self, thing: Thing, body: bytes, rows: int, *, batch: int = 0, columns: tuple[str, ...] = COLUMNS
    ) -> RowBatch:
        """A batch of this object with this CSV."""
        packed = zstandard.ZstdCompressor().compress(body)
        return RowBatch(
            dataset=DATASET,
            contract_version=self.contract_version,
            object_id=thing.object_id,
            object_version=thing.version,
            lineage=thing.lineage,
            chunk_id=thing.chunk_id,
            chunk=0,
            batch=batch,
            rows=rows,
            columns=columns,
            sha256=hashlib.sha256(packed).hexdigest(),
            run_id=1,
            traceparent=message.traceparent(1),
            body=packed,
        )

    def send(self, *batches: RowBatch) -> None:
        """Publish these, in order, with confirms."""
        with Publisher(self.broker.url) as publisher:
            for batch in batches:
                publisher.publish(batch)
                self.sent.append(batch)

    def handler(self, name: str = "lab") -> DatabaseHandler:
        return DatabaseHandler(self.database.loader_url, name, max_bytes=64 << 20)

    def handle(self, handler: DatabaseHandler, *batches: RowBatch) -> list[Any]:
        """Give batches to a handler as one transaction, without a broker."""
        deliveries = [
            Delivery(topology.rows_queue(DATASET), 1, tag, message.encode(batch), batch.body)
            for tag, batch in enumerate(batches, 1)
        ]
        return list(handler.handle(deliveries))

    def consume(self, *, name: str = "lab", idle: float = 0.6, messages: int = 4) -> int:
        """Run a consumer in this process until nothing has come for ``idle`` seconds; its exit code."""
        return self.run(self.handler(name), name, idle=idle, messages=messages)

    def judge(self, *, delays: Sequence[float] = (), idle: float = 0.4) -> int:
        """Run an error consumer in this process until nothing has come for ``idle`` seconds."""
        relay = Publisher(self.broker.url, deadline=10)
        return self.run(
            ErrorHandler(self.database.loader_url, "judge", relay, delays=delays), "judge", idle=idle
        )

    def run(self, handler: Handler, name: str, *, idle: float, messages: int = 4) -> int:
        """Run this handler until nothing has come for ``idle`` seconds; the exit code."""
        runner = Runner(
            handler,
            ConsumerBroker(self.broker.url, name, prefetch=2 * messages),
            Handover(Publisher(self.broker.url, deadline=10), name),
            Options(Limits(32 << 20, messages, 0.05), tick=0.1, until_idle=idle),
        )
        return runner.run()

    def start_consumer(
        self, *arguments: str, kind: str = "database", **variables: str
    ) -> subprocess.Popen[bytes]:
        """A consumer process."""
        environment = os.environ | {
            "HEADGATE_LOADER_URL": self.database.loader_url,
            "HEADGATE_AMQP_URL": self.broker.url,
            "HEADGATE_LOG_FORMAT": "json",
            "HEADGATE_IDLE_SECONDS": "0.05",
        }
        command = [sys.executable, "-m", "consumers.app", kind, *arguments]
        return subprocess.Popen(command, env=environment | variables, stderr=subprocess.PIPE)

    def rows(self) -> dict[str, tuple[float | None, str]]:
        """The table by key."""
        return {
            key: (amount, note) for key, amount, note in self.sql("SELECT id, amount, note FROM lab.things")
        }

    def counts(self, *things: Thing) -> dict[str, int]:
        """Sums of the receipts, of these objects or of all."""
        names = ("rows", "inserted", "updated", "unchanged", "superseded", "quarantined")
        sums = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in names)
        ids = [thing.object_id for thing in things]
        [row] = self.sql(
            f"SELECT {sums} FROM headgate.receipt WHERE object_id = ANY (%s) OR %s", ids, not ids
        )
        return dict(zip(names, row, strict=True))

    def ready(self, queue: str) -> int:
        """Messages that wait in a queue. Those that a consumer held come back some time after it has gone."""
        return int(self._declared(queue).message_count)

    def readers(self, queue: str) -> int:
        """Consumers that take messages of a queue."""
        return int(self._declared(queue).consumer_count)

    def _declared(self, queue: str) -> Any:
        with closing(pika.BlockingConnection(pika.URLParameters(self.broker.url))) as connection:
            channel = connection.channel()
            topology.declare(channel, [DATASET])
            return channel.queue_declare(queue, passive=True).method

    def parked(self) -> list[tuple[pika.BasicProperties, bytes]]:
        """Take everything out of the parking queue."""
        found = []
        with closing(pika.BlockingConnection(pika.URLParameters(self.broker.url))) as connection:
            channel = connection.channel()
            topology.declare(channel)
            while True:
                method, properties, body = channel.basic_get(topology.PARKING_QUEUE, auto_ack=True)
                if method is None:
                    return found
                found.append((properties, body))

    def hasten(self, queue: str) -> None:
        """Put what waits in a delay on its rows queue, as the broker does when the time has come."""
        rows = topology.rows_queue(DATASET)
        wanted = self.ready(rows) + self.ready(queue)
        with closing(pika.BlockingConnection(pika.URLParameters(self.broker.url))) as connection:
            channel = connection.channel()
            while (found := channel.basic_get(queue))[0] is not None:
                channel.basic_reject(found[0].delivery_tag, requeue=False)
        eventually(lambda: self.ready(rows) == wanted)

    def drop_broker_connections(self) -> int:
        """Have the broker close the connections to this vhost that it knows of; how many were open."""
        with self.broker.api() as api:
            found = api.get(f"/api/vhosts/{self.broker.vhost}/connections").json()
            answers = [api.delete(f"/api/connections/{connection['name']}") for connection in found]
            return sum(answer.is_success for answer in answers)


def body_of(rows: Sequence[Row], first: int = 1) -> bytes:
    """CSV as pyarrow writes it: text quoted, NULL empty."""
    text = io.StringIO()
    for number, (key, amount, note) in enumerate(rows, first):
        cells = [str(number), quoted(key), "" if amount is None else str(amount), quoted(note)]
        text.write(",".join(cells) + "\n")
    return text.getvalue().encode()


def quoted(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'


def many(count: int, *, start: int = 0, note: str = "n") -> list[Row]:
    """Rows with keys k<start> and on."""
    return [(f"k{number:07d}", float(number), note) for number in range(start, start + count)]


def lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What a consumer logged."""
    assert process.stderr is not None
    yield from (line.decode() for line in process.stderr)
