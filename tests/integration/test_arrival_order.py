"""Clocks of stores are coarse and may be wrong: the order of versions holds nevertheless."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from headgate import ledger
from headgate.db import connect, transaction
from tests.conftest import Database
from tests.integration.lab import Lab
from tests.integration.staged import Road, listed
from tests.polling import eventually


@pytest.fixture
def road(database: Database) -> Iterator[Road]:
    with (
        closing(connect(database.pipeline_url)) as pipeline,
        closing(connect(database.loader_url)) as loader,
    ):
        yield Road(pipeline, loader)


def test_of_two_files_of_the_same_moment_the_later_entry_wins_however_they_arrive(lab: Lab) -> None:
    """Many stores tell the time in whole seconds. The second file confirms a row that is there already."""
    handler = lab.handler()
    lab.handle(handler, lab.batch(lab.thing("b.csv", 1), [("x", 1, "b")]))
    first, second = lab.thing("a.csv", 7), lab.thing("b.csv", 7)

    lab.handle(handler, lab.batch(second, [("x", 1, "b")]))
    lab.handle(handler, lab.batch(first, [("x", 5, "a"), ("y", 5, "a")]))
    handler.close()

    assert lab.rows() == {"x": (1, "b"), "y": (5, "a")}
    assert (lab.counts(second)["unchanged"], lab.counts(first)["superseded"]) == (1, 1)


def test_a_replay_does_not_vouch_for_the_rest_of_its_origin(lab: Lab) -> None:
    """It has the version of its origin, whose other rows may still be on their way."""
    handler = lab.handler()
    origin, replay = lab.thing("a.csv", 7), lab.thing("a.csv", 7)
    lab.sql(
        "UPDATE headgate.object SET replay_of = %s WHERE object_id = %s", origin.object_id, replay.object_id
    )
    lab.handle(handler, lab.batch(lab.thing("a.csv", 1), [("x", 0, "a"), ("y", 0, "a")]))
    lab.handle(handler, lab.batch(replay, [("y", 2, "mended")]))
    lab.handle(handler, lab.batch(origin, [("x", 1, "a")]))
    handler.close()

    assert lab.rows() == {"x": (1, "a"), "y": (2, "mended")}


@pytest.mark.parametrize("minute", [5, 4])
def test_a_key_that_was_written_again_is_newer_whatever_the_clock_says(road: Road, minute: int) -> None:
    _, (before,) = road.loaded(listed("a.csv", etag="e1", minute=5))
    (after,) = road.record(road.run(), listed("a.csv", etag="e2", minute=minute))
    assert after.version > before.version


def test_an_object_that_is_published_meanwhile_is_not_set_aside_as_replaced(
    road: Road, database: Database
) -> None:
    # given an unread object of a run that counts as dead, whose gate is publishing nevertheless
    dead = road.run()
    (old,) = road.record(dead, listed("a.csv", etag="e1"))
    ledger.finish_run(road.pipeline, dead.run_id, "failed")
    run = road.run()
    road.record(run, listed("a.csv", etag="e2", minute=5))
    with closing(connect(database.pipeline_url)) as gate, ThreadPoolExecutor(1) as pool:
        with transaction(gate) as cursor:
            cursor.execute(
                "UPDATE headgate.object SET state = 'published' WHERE object_id = %s", (old.object_id,)
            )
            # when another run takes over
            adopting = pool.submit(ledger.adopt_objects, road.pipeline, run)
            eventually(lambda: waiting(database))
        adopting.result(60)
    # then it stays published
    assert ledger.get_object(road.pipeline, old.object_id).state == "published"


def waiting(database: Database) -> bool:
    """Whether a statement waits for a lock."""
    with closing(connect(database.admin_url, autocommit=True)) as conn, conn.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(cursor.fetchone() == (1,))
