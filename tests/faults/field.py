"""The usual ground of a drill: a fresh database and vhost, consumers, and the check after a round."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pika
import psycopg2
from psycopg2.extensions import connection as Connection

from headgate import topology
from headgate.message import RowBatch
from tests.conftest import Broker, Database, Servers, fresh_broker, fresh_database, migrated_template
from tests.faults.crew import Crew, GaveUpError, Member
from tests.faults.drill import Round
from tests.faults.load import Load, Sender, Shape, make_load
from tests.faults.patience import TooLongError, until
from tests.faults.servers import Server
from tests.integration.lab import Lab

SCHEMA = Path(__file__).with_name("field.sql")
OUTCOMES = "inserted + updated + unchanged + superseded + quarantined"
SETTLE_SECONDS = 120.0
HIT_LOADS = 20
HIT_PAUSE = 0.002  # seconds
# Small transactions, so that a load is many of them; failed messages come back soon, and more often than a
# round of a busy machine has seconds.
CONSUMER_SETTINGS = {
    "HEADGATE_LOG_FORMAT": "json",
    "HEADGATE_IDLE_SECONDS": "0.05",
    "HEADGATE_PREFETCH": "4",
    "HEADGATE_RETRY_DELAYS": " ".join(["1"] * 60),
}


@dataclass
class Field:
    """What a drill works with. ``admin`` and ``sql`` act as the superuser in the drill's database."""

    servers: Servers
    database: Database
    broker: Broker
    lab: Lab
    crew: Crew
    disk: Path = field(default_factory=Path)  # where the table lies, for drills that care
    versions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    damaged: set[bytes] = field(default_factory=set)  # bodies that were sent, and what was found in parking
    parked: set[bytes] = field(default_factory=set)
    _kept: Connection | None = None

    def next_version(self) -> int:
        return next(self.versions)

    def server(self, name: str) -> Server:
        return Server(self.servers, name)

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """A cursor in one transaction of a connection of its own."""
        with closing(psycopg2.connect(self.database.admin_url)) as conn, conn, conn.cursor() as cursor:
            yield cursor

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement, committed at once; its rows. The connection is kept while it holds."""
        kept = self._kept is not None
        try:
            return self._execute(statement, values)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            self.disconnect()
            if not kept:
                raise
        return self._execute(statement, values)

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if self._kept is None:
            self._kept = psycopg2.connect(self.database.admin_url)
            self._kept.autocommit = True
        with self._kept.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def disconnect(self) -> None:
        """Let go of the kept connection."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    # -- load ---------------------------------------------------------------------------------

    def load(self, rng: Random, shape: Shape | None = None) -> Load:
        """Published objects, not sent yet."""
        return make_load(self, rng, shape or Shape())

    def send(self, batches: Sequence[RowBatch], *, pause: float = 0.0, hold_at: int | None = None) -> Sender:
        """Begin to send them, in a thread, so many seconds apart; see ``Sender``."""
        return Sender(self.broker.url, batches, pause, hold_at)

    def send_part(self, load: Load, rng: Random) -> Sender:
        """Begin to send a random part of it; ``go`` sends the rest, which a fault is to meet."""
        return self.send(load.batches, hold_at=rng.randrange(1, len(load.batches) - 3))

    def warm_up(self, rng: Random, pause: float = 0.0) -> None:
        """The first time: one load without a fault, then so many seconds."""
        if not self.sql("SELECT 1 FROM headgate.receipt LIMIT 1"):
            load = self.load(rng)
            self.settle(load, self.send(load.batches))
            time.sleep(pause)

    def receipts(self, load: Load) -> int:
        """Messages of it that were applied."""
        [(count,)] = self.sql(
            "SELECT count(*) FROM headgate.receipt WHERE object_id = ANY (%s)", load.object_ids
        )
        return int(count)

    def receipts_of(self, member: Member) -> int:
        """Messages that this consumer has applied."""
        [(count,)] = self.sql("SELECT count(*) FROM headgate.receipt WHERE consumer = %s", member.name)
        return int(count)

    def is_applied(self, load: Load) -> bool:
        """Whether all of its messages are; ends the round when a consumer has given up."""
        self.crew.require_alive()
        return self.receipts(load) >= len(load.batches)

    def reaches(self, load: Load, share: float) -> None:
        """Wait until this share of its messages is applied."""
        wanted = max(1, round(share * len(load.batches)))
        until(lambda: self.receipts(load) >= wanted, f"{wanted} of {len(load.batches)} messages applied")

    def hit(self, rng: Random, fault: Callable[[Load], object], shape: Shape, *, pause: float = 0.0) -> Round:
        """Try the fault again and again on a load that is under way, until it says that it has hit.

        A busy machine may look away for too long: then on another load.
        """
        hits: list[object] = []

        def is_over(load: Load) -> bool:
            hits.append(fault(load))
            return bool(hits[-1]) or self.is_applied(load)

        for _ in range(HIT_LOADS):
            load = self.load(rng, shape)
            sender = self.send(load.batches, pause=pause)
            until(
                lambda load=load: is_over(load), "a load is hit or applied", SETTLE_SECONDS, rarest=HIT_PAUSE
            )
            round_ = self.settle(load, sender)
            if hits[-1] or not round_.clean:
                return round_
        raise TooLongError(f"nothing was hit in {HIT_LOADS} loads")

    @contextmanager
    def met(self, words: str) -> Iterator[None]:
        """The block ends when a consumer has logged these words since its beginning: the fault was met."""
        before = self.crew.mentions(words)
        yield
        until(lambda: self.crew.mentions(words) > before, f"a consumer meets {words!r}")

    # -- the end of a round ---------------------------------------------------------------------

    def settle(self, load: Load, *senders: Sender, damaged: Sequence[RowBatch] = ()) -> Round:
        """Wait until all of it is applied, then look at everything. Call it when the fault has ended.

        ``damaged``: what must be in parking, and is taken out of it.
        """
        try:
            recover = until(lambda: self.is_applied(load), "every message applied", SETTLE_SECONDS)
            for sender in senders:
                sender.join()
        except (TooLongError, GaveUpError) as error:
            return self.check(load, SETTLE_SECONDS, damaged=damaged).unless(str(error), False)
        return self.check(load, recover, damaged=damaged)

    def check(self, load: Load, recover: float, *, damaged: Sequence[RowBatch] = ()) -> Round:
        """The same questions after every round; see docs/faults.md."""
        problems = [
            *self._queue_problems(damaged),
            *self._error_problems(),
            *self._book_problems(load),
            *self.crew.ended_by_themselves(),
        ]
        accounted, twice = self._accounted(load), self._written_twice()
        wrong = self._wrong_rows()
        return Round(
            rows_in=load.rows,
            accounted=accounted,
            lost=max(0, load.rows - accounted, wrong),
            doubled=max(0, accounted - load.rows, twice),
            recover=recover,
            problems=tuple(problems),
        )

    def _accounted(self, load: Load) -> int:
        [(rows,)] = self.sql(
            f"SELECT coalesce(sum({OUTCOMES}), 0)::bigint FROM headgate.receipt WHERE object_id = ANY (%s)",
            load.object_ids,
        )
        return int(rows)

    def _written_twice(self) -> int:
        """Rows of a file that were written to the table more than once."""
        [(rows,)] = self.sql(
            "SELECT coalesce(sum(times - 1), 0)::bigint FROM"
            " (SELECT count(*) AS times FROM drill.written GROUP BY object_id, row_number) w WHERE times > 1"
        )
        return int(rows)

    def _wrong_rows(self) -> int:
        """Rows of the table that are missing, too many, or not the freshest that was sent under their key."""
        [(rows,)] = self.sql(
            "SELECT count(*) FROM"
            " (SELECT DISTINCT ON (id) * FROM drill.expected ORDER BY id, version DESC) e"
            " FULL JOIN lab.things t ON t.id = e.id"
            " WHERE (e.id, e.amount, e.note, e.version)"
            " IS DISTINCT FROM (t.id, t.amount, t.note, t._object_version)"
        )
        return int(rows)

    def _book_problems(self, load: Load) -> list[str]:
        [(stray,)] = self.sql(
            "SELECT count(*) FROM drill.refused e FULL JOIN headgate.quarantine q"
            " USING (object_id, row_number) WHERE e.object_id IS NULL OR q.object_id IS NULL"
        )
        unbalanced = self.sql("SELECT key FROM headgate.books_object WHERE NOT balanced")
        found = [f"{stray} rows are in quarantine and should not be, or the other way round"] if stray else []
        [(told, written)] = self.sql(
            "SELECT (SELECT coalesce(sum(inserted + updated), 0) FROM headgate.receipt),"
            " (SELECT count(*) FROM drill.written)"
        )
        if told != written:
            found.append(f"receipts tell of {told} written rows, the table of {written}")
        return found + [f"the books of {key} do not balance" for (key,) in unbalanced]

    def _error_problems(self) -> list[str]:
        """Errors that wait for something or somebody though their message was applied, or never came."""
        rows = self.sql(
            "SELECT cause, state, count(*) FROM headgate.error e WHERE state IN ('retrying', 'parked')"
            " AND NOT EXISTS (SELECT FROM headgate.receipt r WHERE r.message_id::text = e.message_id)"
            " GROUP BY cause, state"
        )
        return [f"{count} errors are {state}: {cause}" for cause, state, count in rows]

    def _queue_problems(self, damaged: Sequence[RowBatch]) -> list[str]:
        """Queues that are not empty after everything was applied; damaged messages that are not parked."""
        self.damaged |= {batch.body for batch in damaged}
        try:
            until(self._queues_are_clean, "queues empty")
        except TooLongError:
            left = [f"queue {queue} holds {count} messages" for queue, count in self.waiting().items()]
            missing = len(self.damaged ^ self.parked)
            return [*left, *([f"{missing} messages are parked wrongly or not at all"] if missing else [])]
        return self._cause_problems(damaged)

    def _queues_are_clean(self) -> bool:
        """A message may be parked twice, where the error consumer was killed in between."""
        if self.damaged:
            self.parked |= {body for _, body in self.take(topology.PARKING_QUEUE)}
        return self.parked == self.damaged and not self.waiting()

    def _cause_problems(self, damaged: Sequence[RowBatch]) -> list[str]:
        """Each damaged message has one error that names its cause."""
        ids = [str(batch.message_id) for batch in damaged]
        [(errors,)] = self.sql(
            "SELECT count(*) FROM headgate.error WHERE cause = 'checksum' AND message_id = ANY (%s)", ids
        )
        return [] if errors == len(ids) else [f"{len(ids)} damaged messages have {errors} errors"]

    def waiting(self) -> dict[str, int]:
        """Messages that wait, by queue."""
        with closing(pika.BlockingConnection(pika.URLParameters(self.broker.url))) as connection:
            channel = connection.channel()
            counts = {
                queue: int(channel.queue_declare(queue, passive=True).method.message_count)
                for queue in self._queues()
            }
        return {queue: count for queue, count in counts.items() if count}

    def take(self, queue: str) -> list[tuple[pika.BasicProperties, bytes]]:
        """Everything that is in a queue; it is empty then."""
        found = []
        with closing(pika.BlockingConnection(pika.URLParameters(self.broker.url))) as connection:
            channel = connection.channel()
            while True:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    return found
                found.append((properties, body))

    def _queues(self) -> list[str]:
        with self.api() as api:
            answer = api.get(f"/api/queues/{self.broker.vhost}", params={"columns": "name"})
            return [str(queue["name"]) for queue in answer.raise_for_status().json()]

    def api(self) -> httpx.Client:
        """RabbitMQ's management API."""
        return httpx.Client(base_url=self.broker.api_url, trust_env=False, timeout=60)

    def close(self) -> list[str]:
        """End the crew; what it left unfinished or unacknowledged.

        When the last row is applied, a message that was sent twice may still be in hand. It goes back to the
        queue then, and whoever comes next ends it, if need be after one more delay.
        """
        self.crew.wait_ready()
        problems = self.crew.dismiss()
        for _ in range(5):
            problems += self.crew.finish()
            if self._queues_are_clean():
                break
        return problems + self._queue_problems([])

    def database_crew(self, count: int = 2) -> Sequence[Member]:
        """So many database consumers that read."""
        return self.crew.keep(count)


@contextmanager
def open_field(servers: Servers, name: str) -> Iterator[Field]:
    """A field with one dataset; its consumers' logs are in the servers' log folder under the drill's name."""
    logs = servers.stack.layout.logs / "drills" / name
    logs.mkdir(parents=True, exist_ok=True)
    with fresh_database(servers, migrated_template(servers)) as database, fresh_broker(servers) as broker:
        lab = Lab(database, broker)
        lab.apply_contract()
        variables = {
            **CONSUMER_SETTINGS,
            "HEADGATE_HOME": str(logs / "home"),
            "HEADGATE_LOADER_URL": database.loader_url,
            "HEADGATE_AMQP_URL": broker.url,
        }
        made = Field(servers, database, broker, lab, Crew(variables, logs))
        with made.admin() as cursor:
            cursor.execute(SCHEMA.read_text(encoding="utf-8"))
        try:
            yield made
        finally:
            made.crew.kill_all()
            made.disconnect()
