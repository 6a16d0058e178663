"""A file on Headgate's road up to its messages: the true steps, called as the tasks of the DAG call them."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.synchronize import Barrier
from pathlib import Path

import structlog
from pika.adapters.blocking_connection import BlockingChannel

from benchmarks.bench import Bench
from benchmarks.harness import Workload, Wrong, wait_until
from benchmarks.shapes import suite_of
from headgate import amqp, topology
from headgate.ledger import Run
from headgate.settings import read_settings
from headgate.steps.gate import gate
from headgate.steps.inspect import inspect
from headgate.steps.lanes import Share
from headgate.steps.scan import Request, scan
from headgate.steps.services import Services
from headgate.steps.stream import stream
from headgate.steps.validate import validate

# As Airflow's tasks: processes that share nothing with this one.
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Staged:
    """A file that is validated, staged and let pass by the gate, as often as somebody wants to send it."""

    dataset: str
    object_id: int
    before: int  # the object that the table's rows came from
    batches: int
    shares: tuple[Share, ...]


class Road:
    """Stages each file once and keeps it for all lines."""

    def __init__(self) -> None:
        self._of: tuple[str, int, str] | None = None
        self._staged: Staged | None = None

    def stage(self, bench: Bench, workload: Workload) -> Staged:
        """The workload's file, ready to be sent; whatever its indexes, it is the same."""
        wanted = (workload.shape, workload.rows, workload.change)
        if self._staged is None or self._of != wanted:
            self._of, self._staged = wanted, stage(bench, workload)
        return self._staged


def stage(bench: Bench, workload: Workload) -> Staged:
    """scan, inspect, validate, gate; of an object that succeeds the one whose rows are in the table."""
    dataset = f"bench_{workload.shape}"
    bench.empty_ledger(dataset)
    bench.apply(bench.contract(workload.shape, dataset))
    before = succeeded(bench, workload, dataset) if workload.change != "fresh" else 0
    run = put_and_scan(bench, workload, dataset, bench.source(workload))
    lanes = inspect(bench.services, run.run_id)
    with ProcessPoolExecutor(len(lanes), SPAWN) as pool:
        list(pool.map(validate_lane, lanes, [suite_of(workload.shape)] * len(lanes)))
    shares = gate(bench.services, run.run_id)
    [(object_id, state, batches)] = bench.sql(OBJECT, (run.run_id,))
    if state != "published":
        raise Wrong(f"the gate leaves {workload} {state}")
    return Staged(dataset, object_id, before, batches, tuple(shares))


OBJECT = """\
SELECT object_id, state, (SELECT count(*) FROM headgate.batch JOIN headgate.chunk USING (chunk_id)
                          WHERE chunk.object_id = object.object_id)
FROM headgate.object WHERE run_id = %s AND state <> 'loaded'"""
# As before the file was sent for the first time.
UNSENT = (
    "DELETE FROM headgate.receipt WHERE object_id = %(object)s",
    "UPDATE headgate.batch SET streamed_at = NULL"
    " WHERE chunk_id IN (SELECT chunk_id FROM headgate.chunk WHERE object_id = %(object)s)",
    "UPDATE headgate.chunk SET state = 'staged' WHERE object_id = %(object)s",
)


def succeeded(bench: Bench, workload: Workload, dataset: str) -> int:
    """An object before this one under the same key, as if it had been loaded; its number in the ledger."""
    run = put_and_scan(bench, workload, dataset, bench.base(workload))
    inspect(bench.services, run.run_id)
    statement = "UPDATE headgate.object SET state = 'loaded' WHERE run_id = %s RETURNING object_id"
    [(object_id,)] = bench.sql(statement, (run.run_id,))
    return int(object_id)


def put_and_scan(bench: Bench, workload: Workload, dataset: str, path: Path) -> Run:
    contract = bench.contract(workload.shape, dataset)
    key = f"{contract.prefix}{workload.rows}.csv"
    bench.services.store.put_file(contract.bucket, key, path)
    request = Request(dataset, path.stem, contract.sha256)
    return scan(bench.services, request, is_alive=lambda _: True)


def validate_lane(share: Share, suite: Path) -> None:
    """In a process of its own: the task of this name."""
    from headgate.checks import Suite

    validate(task_services(), share, make_suite=lambda contract: Suite(suite, contract))


def unsend(bench: Bench, staged: Staged) -> None:
    """An empty queue, no receipts: the file as it was after the gate."""
    for statement in UNSENT:
        bench.sql(statement, {"object": staged.object_id})
    with channel_of(bench) as channel:
        topology.declare(channel, [staged.dataset])
        channel.queue_purge(topology.rows_queue(staged.dataset))


@contextmanager
def channel_of(bench: Bench) -> Iterator[BlockingChannel]:
    with closing(amqp.connect(bench.settings.require("amqp_url"), "benchmark")) as connection:
        yield connection.channel()


class Streams:
    """The stream tasks of a file: processes that have started, and wait for the word to send."""

    def __init__(self, shares: Sequence[Share]) -> None:
        self._word = SPAWN.Barrier(len(shares) + 1)
        self._tasks = [SPAWN.Process(target=stream_lane, args=(share, self._word)) for share in shares]
        for task in self._tasks:
            task.start()
        wait_until(self._are_ready, "stream tasks do not start")

    def send(self) -> None:
        """Give the word; the time runs from here."""
        self._word.wait()

    def join(self) -> None:
        """Until the broker has confirmed all."""
        for task in self._tasks:
            task.join()
        self._check()

    def _are_ready(self) -> bool:
        self._check()
        return self._word.n_waiting == len(self._tasks)

    def _check(self) -> None:
        if any(task.exitcode for task in self._tasks):
            raise Wrong("a stream task failed, see above")


def stream_lane(share: Share, word: Barrier) -> None:
    """In a process of its own: the task of this name, from its first line on."""
    from headgate import publisher  # noqa: F401  as everything a task imports

    services = task_services()
    word.wait()
    stream(services, share)


@cache
def task_services() -> Services:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    return Services.of(read_settings())
