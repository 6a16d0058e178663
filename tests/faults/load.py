"""Rows to send, entered in the ledger as a pipeline would, with what must come of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg2.extras import execute_values

from headgate import db, message
from headgate.message import RowBatch
from headgate.publisher import Publisher
from tests.integration.lab import DATASET, Lab, Row, Thing

if TYPE_CHECKING:
    from tests.faults.field import Field

KEYS = 5_000  # rows of all loads of a drill fight for so many keys


@dataclass(frozen=True)
class Shape:
    """Size of a load: objects of batches of rows; the last row of each is bad, unless ``clean``."""

    objects: int = 2
    batches: int = 10
    rows: int = 200
    note: str = ""  # makes rows wider
    clean: bool = False

    @property
    def rows_of_object(self) -> int:
        return self.batches * self.rows


@dataclass(frozen=True)
class Load:
    """Published objects: ``batches`` are in the order in which they are to be sent."""

    things: tuple[Thing, ...]
    batches: tuple[RowBatch, ...]
    rows: int

    @property
    def object_ids(self) -> list[int]:
        return [thing.object_id for thing in self.things]

    @property
    def message_ids(self) -> list[UUID]:
        return [batch.message_id for batch in self.batches]


def make_load(field: Field, rng: Random, shape: Shape) -> Load:
    """Objects that are published and not sent yet. Later objects are fresher; their keys overlap."""
    made = [_make_object(field, rng, shape) for _ in range(shape.objects)]
    batches = [batch for _, batches in made for batch in batches]
    rng.shuffle(batches)
    return Load(
        things=tuple(thing for thing, _ in made),
        batches=tuple(batches),
        rows=shape.objects * shape.rows_of_object,
    )


def _make_object(field: Field, rng: Random, shape: Shape) -> tuple[Thing, list[RowBatch]]:
    version = field.next_version()
    good, bad = _rows(rng, shape, version)
    rows = [*good, *bad]
    with field.admin() as cursor:
        cursor.execute(db.query("dataset_lock"), {"dataset": DATASET})  # as whoever publishes
        thing = _enter_object(cursor, field.lab, version, len(rows))
        values = [(key, amount, note, version) for key, amount, note in good]
        execute_values(cursor, "INSERT INTO drill.expected VALUES %s", values, page_size=5_000)
        for number in range(len(good) + 1, len(rows) + 1):
            cursor.execute("INSERT INTO drill.refused VALUES (%s, %s)", (thing.object_id, number))
        batches = [
            field.lab.batch(
                thing,
                rows[number * shape.rows : (number + 1) * shape.rows],
                first=number * shape.rows + 1,
                batch=number,
            )
            for number in range(shape.batches)
        ]
        _enter_batches(cursor, batches)
    return thing, batches


def _rows(rng: Random, shape: Shape, version: int) -> tuple[list[Row], list[Row]]:
    """Good rows with distinct keys in any order, and one that Postgres refuses: in COPY or in the merge."""
    count = shape.rows_of_object - (not shape.clean)
    keys = rng.sample(range(max(KEYS, count)), count)
    good: list[Row] = [(f"k{key:07d}", float(version), f"v{version}{shape.note}") for key in keys]
    bad: Row = (f"bad{version}", "a lot", "n") if rng.random() < 0.5 else (f"bad{version}", 1.0, None)
    return good, [] if shape.clean else [bad]


def _enter_object(cursor: Any, lab: Lab, version: int, rows: int) -> Thing:
    cursor.execute(
        "INSERT INTO headgate.run (dataset, dag_run_id, contract_version) VALUES (%s, %s, %s)"
        " RETURNING run_id",
        (DATASET, f"drill {version}", lab.contract_version),
    )
    (run_id,) = cursor.fetchone()
    key = f"{version}.csv"
    cursor.execute(
        "INSERT INTO headgate.object (dataset, bucket, key, etag, size, last_modified, lineage, version,"
        " state, run_id, contract_version, published_at) VALUES (%s, 'landing', %s, %s, 1, now(), %s, %s,"
        " 'published', %s, %s, now()) RETURNING object_id",
        (DATASET, key, key, key, version, run_id, lab.contract_version),
    )
    (object_id,) = cursor.fetchone()
    cursor.execute(
        "INSERT INTO headgate.chunk (object_id, ordinal, source, first_row, first_line, records, state,"
        " rows_read, rows_accepted) VALUES (%s, 0, '{}', 1, 2, %s, 'streamed', %s, %s) RETURNING chunk_id",
        (object_id, rows, rows, rows),
    )
    (chunk_id,) = cursor.fetchone()
    return Thing(object_id, version, key, chunk_id)


def _enter_batches(cursor: Any, batches: Sequence[RowBatch]) -> None:
    execute_values(
        cursor,
        "INSERT INTO headgate.batch (message_id, chunk_id, ordinal, byte_offset, byte_length, rows,"
        " first_row, last_row, sha256, streamed_at) VALUES %s",
        [
            (
                message.message_id(b.object_id, b.chunk, b.batch),
                b.chunk_id,
                b.batch,
                0,
                len(b.body),
                b.rows,
                b.batch * b.rows + 1,
                (b.batch + 1) * b.rows,
                b.sha256,
            )
            for b in batches
        ],
        template="(%s, %s, %s, %s, %s, %s, %s, %s, %s, now())",
    )


@dataclass
class Sender:
    """Publishes batches from a thread of its own, as the stream task does, ``pause`` seconds apart.

    With ``hold_at`` it waits before that batch until ``go`` is called.
    """

    url: str
    batches: Sequence[RowBatch]
    pause: float = 0.0
    hold_at: int | None = None
    deadline: float = 300.0
    confirmed: int = 0
    error: Exception | None = None
    thread: threading.Thread = field(init=False)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self.thread.start()

    def go(self) -> None:
        """Send what was held back."""
        self.gate.set()

    def hurry(self) -> None:
        """Send the rest without pauses."""
        self.pause = 0.0

    def join(self, seconds: float = 300.0) -> None:
        """Until everything is confirmed; raises what went wrong."""
        self.thread.join(seconds)
        if self.error is not None:
            raise self.error
        assert not self.thread.is_alive(), f"{self.confirmed} of {len(self.batches)} sent in {seconds:.0f} s"

    def _run(self) -> None:
        try:
            with Publisher(self.url, name="drill", deadline=self.deadline) as publisher:
                for number, batch in enumerate(self.batches):
                    if number == self.hold_at:
                        self.gate.wait()
                    publisher.publish(batch)
                    self.confirmed += 1
                    time.sleep(self.pause)
        except Exception as error:  # noqa: BLE001  raised in join
            self.error = error
