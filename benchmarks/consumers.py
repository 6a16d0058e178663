"""Headgate's consumers, as a user starts them: on a queue that is full, and while it is being filled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

from benchmarks.bench import Bench
from benchmarks.harness import Line, Workload, Wrong, wait_until
from benchmarks.road import Road, Staged, Streams, channel_of, unsend
from headgate import topology
from headgate.db import query

PROGRAM = Path(sys.executable).with_name("headgate-consumer")
# What every row of the file must have become.
BECOME = {"fresh": "inserted", "all": "updated", "none": "unchanged"}


class Consumers(Line):
    """So many consumer processes on a queue that holds the whole file."""

    group = "consumers"

    def __init__(self, road: Road, count: int) -> None:
        self.road, self.count = road, count
        self.name = f"{count} consumer{'s' if count > 1 else ''}"
        self.config = (
            f"{count} processes `headgate-consumer database --dataset …` with default settings, on a queue "
            "that holds the whole file, brought there by the true steps (scan to stream). They have their "
            "first messages; the lock of the dataset, which publishing takes, keeps them from their first "
            "transaction until the clock starts. It stops at the last receipt."
        )
        self.begun = ExitStack()

    def prepare(self, bench: Bench, workload: Workload) -> None:
        self.start(bench, workload)
        hold(self.ledger, self.staged)
        streams = Streams(self.staged.shares)
        streams.send()
        streams.join()
        wait_until_held(bench, min(self.count, self.staged.batches))

    def start(self, bench: Bench, workload: Workload) -> None:
        """The table as it was, an empty queue, and consumers that wait at it."""
        self.staged = self.road.stage(bench, workload)
        unsend(bench, self.staged)
        self.table = bench.headgate_table(workload, self.staged.dataset, self.staged.before)
        self.ledger = self.begun.enter_context(closing(psycopg2.connect(bench.url)))
        self.begun.enter_context(consumers(bench, self.staged, self.count))

    def run(self, bench: Bench, workload: Workload) -> None:
        self.ledger.rollback()  # lets go
        wait_for_receipts(self.ledger, self.staged)

    def check(self, bench: Bench, workload: Workload) -> None:
        bench.expect(self.table, workload)
        expect_receipts(bench, workload, self.staged)

    def finish(self, bench: Bench) -> None:
        self.begun.close()


class StreamAndConsumers(Consumers):
    """Two consumers while the file is being sent."""

    def __init__(self, road: Road) -> None:
        super().__init__(road, 2)
        self.name = "stream + 2 consumers"
        self.config = (
            "2 consumers as above, at an empty queue; the stream tasks, as many processes as the DAG has. "
            "They read the staged bytes from the store and publish them with confirms. From the tasks' first "
            "line, their imports done, to the last receipt."
        )

    def prepare(self, bench: Bench, workload: Workload) -> None:
        self.start(bench, workload)
        self.streams = Streams(self.staged.shares)

    def run(self, bench: Bench, workload: Workload) -> None:
        self.streams.send()
        wait_for_receipts(self.ledger, self.staged)
        self.streams.join()


@contextmanager
def consumers(bench: Bench, staged: Staged, count: int) -> Iterator[None]:
    """Consumer processes that have subscribed to the dataset's queue; ended with the block."""
    command = [str(PROGRAM), "database", "--dataset", staged.dataset]
    environment = {**os.environ, "HEADGATE_LOG_FORMAT": "json", "MALLOC_ARENA_MAX": "2"}
    with open(bench.home / "logs" / "bench-consumers.log", "ab") as log:
        started = [subprocess.Popen(command, env=environment, stderr=log, stdout=log) for _ in range(count)]
    try:
        wait_until_subscribed(bench, staged, started)
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def wait_until_subscribed(bench: Bench, staged: Staged, started: list[subprocess.Popen[bytes]]) -> None:
    queue = topology.rows_queue(staged.dataset)

    def subscribed() -> bool:
        if any(process.poll() is not None for process in started):
            raise Wrong(f"a consumer did not start: see {bench.home}/logs/bench-consumers.log")
        return channel.queue_declare(queue, passive=True).method.consumer_count == len(started)

    with channel_of(bench) as channel:
        wait_until(subscribed, "consumers do not subscribe")


def hold(ledger: Connection, staged: Staged) -> None:
    """Keep consumers from this dataset until the end of the transaction."""
    with ledger.cursor() as cursor:
        cursor.execute(query("dataset_lock"), {"dataset": staged.dataset})


def wait_until_held(bench: Bench, count: int) -> None:
    """Until so many consumers stand at the lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    wait_until(lambda: bench.sql(waiting)[0][0] >= count, "consumers do not come to the lock")


def wait_for_receipts(ledger: Connection, staged: Staged) -> None:
    """Until every batch of the file is applied."""
    ledger.autocommit = True

    def received() -> bool:
        cursor.execute("SELECT count(*) FROM headgate.receipt WHERE object_id = %s", (staged.object_id,))
        return cursor.fetchone() == (staged.batches,)

    with ledger.cursor() as cursor:
        wait_until(received, f"there are receipts missing of the {staged.batches} batches")


def expect_receipts(bench: Bench, workload: Workload, staged: Staged) -> None:
    """``Wrong`` unless the receipts say of every row what had to become of it."""
    [counts] = bench.sql(
        "SELECT sum(inserted)::bigint, sum(updated)::bigint, sum(unchanged)::bigint FROM headgate.receipt"
        " WHERE object_id = %s",
        (staged.object_id,),
    )
    found = dict(zip(("inserted", "updated", "unchanged"), counts, strict=True))
    expected = dict.fromkeys(found, 0)
    if workload.change == "one_percent":
        expected["updated"] = len(range(37, workload.rows, 100))
        expected["unchanged"] = workload.rows - expected["updated"]
    else:
        expected[BECOME[workload.change]] = workload.rows
    if found != expected:
        raise Wrong(f"the receipts of {workload} say {found}, not {expected}")


def lines() -> list[Line]:
    road = Road()
    return [*(Consumers(road, count) for count in (1, 2, 4)), StreamAndConsumers(road)]
