"""Tasks that die anywhere and are started again: nothing is lost, nothing is there twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pytest

from headgate import ledger
from headgate.checks.result import CheckResult, RowRejects
from headgate.db import connect, transaction
from headgate.errors import DataError
from headgate.failures import Cause, Park, failed
from headgate.ledger import Run
from headgate.ledger.errors import FailedMessage, record_failure
from headgate.steps.gate import gate
from headgate.steps.inspect import inspect
from headgate.steps.report import report
from headgate.steps.services import Ledger, Services
from headgate.steps.settle import settled
from headgate.steps.stream import stream
from headgate.steps.validate import validate, validate_chunk
from headgate.store import ObjectStore
from tests.conftest import Environment
from tests.integration.road import Road, consumer, counts, make_road, many, plant, plants
from tests.polling import eventually

T = TypeVar("T")


class Died(BaseException):
    """The task process is gone: nobody catches this."""


class MortalStore(ObjectStore):
    """Dies once before each different read and once after each different write."""

    def dies_at(self, place: tuple[Any, ...], seen: set[tuple[Any, ...]]) -> None:
        if place not in seen:
            seen.add(place)
            raise Died(place)

    seen: set[tuple[Any, ...]]

    def read_range(self, bucket: str, key: str, offset: int, length: int, **rest: Any) -> bytes:
        self.dies_at(("read", key, offset), self.seen)
        return super().read_range(bucket, key, offset, length, **rest)

    def read(self, bucket: str, key: str) -> bytes:
        self.dies_at(("read", key), self.seen)
        return super().read(bucket, key)

    def put_bytes(self, bucket: str, key: str, body: bytes, metadata: Any = None) -> None:
        super().put_bytes(bucket, key, body, metadata)
        self.dies_at(("put", key), self.seen)


class MortalLedger(Ledger):
    """Dies once after each different transaction was committed."""

    seen: set[str]

    def __call__(self, action: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        result = super().__call__(action, *args, **kwargs)
        place = f"{action.__name__}{[arg for arg in args if isinstance(arg, int | str)]}"
        if place not in self.seen:
            self.seen.add(place)
            raise Died(place)
        return result


@pytest.fixture
def road(environment: Environment) -> Iterator[Road]:
    made = make_road(environment, chunkBytes=4096)
    with consumer(environment):
        yield made


def mortal(services: Services) -> Services:
    """Services that die at every step of the way once."""
    settings = services.settings.model_copy(update={"batch_bytes": 2048})
    store = MortalStore.from_settings(settings, patience=5.0)
    calls = MortalLedger(settings.require("database_url"), patience=5.0)
    store.seen, calls.seen = set(), set()
    return replace(services, settings=settings, store=store, ledger=calls)


def persist(step: Callable[[], T], deaths: list[str]) -> T:
    """Start the step again each time it dies."""
    for _ in range(500):
        try:
            return step()
        except Died as death:
            deaths.append(str(death))
    raise AssertionError("the step never ends")


def test_every_step_takes_up_where_it_died(road: Road) -> None:
    lines = [*many(150), plant(7, name="Again"), plant(151, capacity="x"), plant(9, name="Again")]
    key = road.put("plnt23.csv", plants(*lines))
    deaths: list[str] = []
    road.services = mortal(road.services)

    def same_run() -> Run:
        road.runs = 0
        return road.open()

    run = persist(same_run, deaths)
    services = road.services
    for share in persist(lambda: inspect(services, run.run_id), deaths):
        persist(lambda s=share: validate(services, s, make_suite=road.suite), deaths)
    for share in persist(lambda: gate(services, run.run_id), deaths):
        persist(lambda s=share: stream(services, s), deaths)
    eventually(lambda: persist(lambda: settled(services, run.run_id), deaths))
    books = persist(lambda: report(services, run), deaths)

    assert (books.run.state, books.balanced) == ("success", True)
    counts(books, read=153, inserted=150, quarantined=3)
    assert road.objects(run) == {key: "loaded"}
    assert len(road.rows("SELECT 1 FROM headgate.run")) == 1
    assert road.rows("SELECT row_number, rule FROM headgate.quarantine ORDER BY 1") == [
        (151, "unique_key"),
        (152, "type"),
        (153, "unique_key"),
    ]
    assert len(deaths) > 40


def test_a_run_that_died_is_taken_over_by_the_next_one_but_not_while_it_lives(road: Road) -> None:
    key = road.put("plnt23.csv", plants(*many(20)))
    dead = road.open()
    shares = inspect(road.services, dead.run_id)
    for share in shares:
        validate(road.services, share, make_suite=road.suite)

    road.alive = {dead.dag_run_id}
    counts(road.run())
    assert road.objects(dead) == {key: "inspected"}

    road.alive = set()
    books = road.run()
    counts(books, read=20, inserted=20)
    assert road.objects(dead) == {}


def test_published_objects_of_a_dead_run_are_sent_by_the_next_one(road: Road) -> None:
    road.put("plnt23.csv", plants(*many(20)))
    dead = road.open()
    road.audit(dead)

    counts(road.run(), read=20, inserted=20)


def test_a_row_that_postgres_refuses_gets_its_line_and_text_from_the_landed_object(
    road: Road, environment: Environment
) -> None:
    with closing(connect(environment.database.owner_url, autocommit=True)) as conn, conn.cursor() as cursor:
        cursor.execute("SET ROLE headgate_owner")
        cursor.execute("ALTER TABLE egrid.plants ADD CHECK (nameplate_capacity_mw < 1000)")
    road.put("plnt23.csv", plants(*many(30), plant(31, capacity=2000), *many(5, first=32)))

    books = road.run()

    assert books.balanced
    counts(books, read=36, inserted=35, quarantined=1)
    found = road.rows("SELECT stage, row_number, line, raw, rule FROM headgate.quarantine")
    assert found == [("load", 31, 32, plant(31, capacity=2000), "sqlstate:23514")]


def test_settle_gives_up_on_a_parked_message_and_says_where_it_is(road: Road) -> None:
    road.put("plnt23.csv", plants(*many(5)))
    run = road.open()
    road.audit(run)
    ((message_id,),) = road.rows("SELECT message_id FROM headgate.batch")
    with closing(connect(road.environment.database.loader_url)) as conn, transaction(conn) as cursor:
        known = FailedMessage("egrid_plants", str(message_id), identity=str(message_id))
        failure = failed(
            None, Cause.UNDECODABLE, "not zstd", queue="headgate.rows.egrid_plants", consumer="c"
        )
        record_failure(cursor, known, failure, Park(exhausted=False))

    with pytest.raises(DataError, match=r"parked.*not zstd.*headgate errors show 1"):
        settled(road.services, run.run_id)
    books = report(road.services, run, ["settle"])

    assert books.run.state == "failed"
    assert "step settle failed" in (books.run.reason or "")
    assert "5 rows in 1 of 1 messages have no receipt" in (books.run.reason or "")


def test_a_retried_report_closes_the_run_once(road: Road) -> None:
    road.put("plnt23.csv", plants(*many(5)))
    books = road.run()
    run = road.services.ledger(ledger.get_run, books.run.run_id)
    assert replace(report(road.services, run).run, finished_at=None) == replace(books.run, finished_at=None)


def test_a_late_attempt_of_validate_does_not_write_over_what_was_published(road: Road) -> None:
    # given a published object, and an attempt of its validation that hung before, under a stricter suite
    road.put("plnt23.csv", plants(*many(20)))
    run = road.open()
    (share,) = inspect(road.services, run.run_id)
    (late,) = road.services.ledger(ledger.chunk_work, run.run_id, 0, 1)
    (found,) = road.services.ledger(ledger.objects_of_run, run.run_id)
    validate(road.services, share, make_suite=road.suite)
    shares = gate(road.services, run.run_id)
    # when it goes on
    validate_chunk(road.services, road.contract, found, late, RejectsTheFirstRow())
    # then what was published is sent, and all of it
    road.publish(run, shares)
    counts(report(road.services, run), read=20, inserted=20)


class RejectsTheFirstRow:
    """A suite that the first row of every chunk breaks."""

    def run(self, table: pa.Table) -> CheckResult:
        value, reason = pa.array(["?"]), pa.array(["too odd"])
        return CheckResult((RowRejects("strict", "plant_name", np.array([0]), value, reason),))


def test_a_cleared_run_says_who_took_its_objects_over(road: Road) -> None:
    # given a run that died and whose object the next one loaded
    road.put("plnt23.csv", plants(*many(20)))
    road.open()
    books = road.run()
    # when its DAG run is cleared and goes through again
    road.runs = 0
    again = road.run()
    # then it has no rows and says where they are
    counts(books, read=20, inserted=20)
    counts(again)
    assert again.run.state == "success"
    assert again.run.reason == (
        f"objects of this run were taken over: 1 by run {books.run.run_id} (test__2); "
        "their rows are in the books of those runs"
    )


def test_a_dry_run_sends_nothing_that_was_published_before(road: Road) -> None:
    # given a run that died between gate and stream
    road.put("plnt23.csv", plants(*many(20)))
    road.audit(road.open())
    # when a dry run follows
    dry = road.open(dry_run=True)
    # then it sends nothing, and the run after it does
    assert road.audit(dry) == []
    assert report(road.services, dry).run.state == "dry_run"
    counts(road.run(), read=20, inserted=20)
