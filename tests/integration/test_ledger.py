"""The ledger: what is new, taken over, staged, published and settled."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from headgate import failures, ledger, receipts, topology
from headgate.db import connect, transaction
from headgate.errors import DataError, Fatal
from headgate.failures import Cause, Delay, Park
from headgate.ledger import StagedCounts
from headgate.ledger.errors import FailedMessage, record_failure
from tests.integration.staged import BUCKET, DATASET, Road, listed

if TYPE_CHECKING:
    from headgate.ledger import Run
    from tests.conftest import Database


def test_opening_a_run_twice_is_one_run(road: Road) -> None:
    first = road.run("manual__a")
    ledger.finish_run(road.pipeline, first.run_id, "failed", "broken")
    again = road.run("manual__a")
    assert (again.run_id, again.state, again.reason, again.finished_at) == (
        first.run_id,
        "running",
        None,
        None,
    )
    assert ledger.find_run(road.pipeline, DATASET, "manual__a") == again


def test_only_new_versions_are_recorded(road: Road) -> None:
    # given a loaded object
    road.loaded(listed("a.csv"))
    # when a listing has it, unchanged, beside a new one
    run = road.run()
    found = road.record(run, listed("a.csv"), listed("b.csv", minute=1))
    # then only the new one is recorded, however often the scan is repeated
    assert [item.key for item in found] == ["plants/b.csv"]
    assert ledger.record_objects(road.pipeline, run, BUCKET, [listed("b.csv", minute=1)]) == 0


def test_an_object_that_is_listed_twice_is_one(road: Road) -> None:
    """A store that does not find the key to go on at may begin anew."""
    run = road.run()
    assert ledger.record_objects(road.pipeline, run, BUCKET, [listed("a.csv"), listed("b.csv")] * 2) == 2


def test_a_changed_etag_or_size_is_a_new_version(road: Road) -> None:
    road.loaded(listed("a.csv"), listed("b.csv"))
    run = road.run()
    found = road.record(run, listed("a.csv", etag="e2", minute=5), listed("b.csv", size=101, minute=5))
    assert sorted(item.key for item in found) == ["plants/a.csv", "plants/b.csv"]
    assert len({item.version for item in found}) == 1


def test_scans_side_by_side_record_a_version_once(database: Database, road: Road) -> None:
    run = road.run()
    listing = [listed(f"{number}.csv") for number in range(300)]

    def scan(_: int) -> int:
        with closing(connect(database.pipeline_url)) as conn:
            return ledger.record_objects(conn, run, BUCKET, listing)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(scan, range(3))) == 300


def test_reload_records_everything_once_a_run_and_as_the_newest(road: Road) -> None:
    _, (before,) = road.loaded(listed("a.csv"))
    run = road.run()
    (again,) = road.record(run, listed("a.csv"), reload=True)
    assert again.version > before.version
    assert ledger.record_objects(road.pipeline, run, BUCKET, [listed("a.csv")], reload=True) == 0


@pytest.mark.parametrize(
    ("options", "contract_version", "tried"),
    [
        ({}, 1, 0),
        ({}, 2, 1),
        ({"named": True}, 1, 1),
        ({"accept_rejects": True}, 1, 1),
        ({"reload": True}, 1, 1),
    ],
)
def test_a_held_object_is_tried_again_for_a_reason(
    road: Road, options: dict[str, bool], contract_version: int, tried: int
) -> None:
    first = road.run()
    (found,) = road.record(first, listed("a.csv"))
    assert ledger.hold_object(road.pipeline, found.object_id, "too bad")
    again = road.run(contract_version=contract_version)
    assert len(road.record(again, listed("a.csv"), **options)) == tried


def test_a_held_object_that_was_put_again_is_tried_again(road: Road) -> None:
    (found,) = road.record(road.run(), listed("a.csv"))
    assert ledger.hold_object(road.pipeline, found.object_id, "gone")
    (again,) = road.record(road.run(), listed("a.csv", minute=9))
    assert again.version > found.version
    assert road.record(road.run(), listed("a.csv", minute=9)) == []


def test_the_same_content_again_is_a_duplicate(road: Road) -> None:
    _, (first,) = road.loaded(listed("a.csv"))
    (again,) = road.record(road.run(), listed("a.csv", etag="other", minute=9))
    inspected = road.inspect(again, sha256=first.sha256)
    assert (inspected.state, ledger.chunks_of(road.pipeline, again.object_id)) == ("duplicate", [])
    assert f"object {first.object_id}" in str(inspected.reason)


def test_an_old_version_that_comes_again_keeps_its_place(road: Road) -> None:
    # given two versions of a key
    _, (old,) = road.loaded(listed("a.csv", etag="e1"))
    _, (new,) = road.loaded(listed("a.csv", etag="e2", minute=5))
    # when the old content arrives again
    (stale,) = road.record(road.run(), listed("a.csv", etag="e3", minute=9))
    inspected = road.inspect(stale, sha256=old.sha256)
    # then it stands where it stood, and its messages are history
    assert (inspected.state, inspected.version) == ("inspected", old.version)
    with transaction(road.loader) as cursor:
        assert receipts.lateness(
            cursor,
            dataset=DATASET,
            object_id=inspected.object_id,
            version=inspected.version,
            lineage=inspected.lineage,
        ) == receipts.Lateness(late=True, superseded=True)
        assert receipts.lateness(
            cursor, dataset=DATASET, object_id=new.object_id, version=new.version, lineage=new.lineage
        ) == receipts.Lateness(late=False, superseded=False)


def test_inspecting_again_after_publishing_changes_nothing(road: Road) -> None:
    _, (found,) = road.loaded(listed("a.csv"))
    again = ledger.record_inspection(road.pipeline, found.object_id, sha256="else", inspection={})
    assert again == ledger.get_object(road.pipeline, found.object_id)
    with pytest.raises(Fatal, match="published"):
        ledger.plan_chunks(road.pipeline, found.object_id, [])


def unfinished(road: Road) -> tuple[Run, dict[str, int]]:
    """A run that left an object in each state."""
    run = road.run()
    found = {item.key: item for item in road.record(run, *(listed(f"{name}.csv") for name in "fivp"))}
    road.inspect(found["plants/i.csv"])
    road.inspect(found["plants/v.csv"])
    (chunk,) = ledger.chunks_of(road.pipeline, found["plants/v.csv"].object_id)
    road.stage(chunk)
    ledger.mark_validated(road.pipeline, found["plants/v.csv"].object_id)
    road.publish(found["plants/p.csv"])
    return run, {key: item.object_id for key, item in found.items()}


def test_unfinished_objects_of_a_dead_run_are_taken_over(road: Road) -> None:
    dead, _ = unfinished(road)
    run = road.run()
    assert ledger.running_runs(road.pipeline, run) == [(dead.run_id, dead.dag_run_id)]
    assert ledger.adopt_objects(road.pipeline, run) == 0, "a run that lives keeps its objects"
    assert ledger.adopt_objects(road.pipeline, run, [dead.run_id]) == 4
    assert road.states(run) == {
        "plants/f.csv": "found",
        "plants/i.csv": "inspected",
        "plants/v.csv": "validated",
        "plants/p.csv": "published",
    }
    assert ledger.get_run(road.pipeline, dead.run_id).state == "failed"


def test_what_another_contract_staged_starts_again(road: Road) -> None:
    dead, objects = unfinished(road)
    ledger.finish_run(road.pipeline, dead.run_id, "failed")
    run = road.run(contract_version=2)
    ledger.adopt_objects(road.pipeline, run)
    assert road.states(run) == {
        "plants/f.csv": "found",
        "plants/i.csv": "found",
        "plants/v.csv": "found",
        "plants/p.csv": "published",
    }
    assert ledger.chunks_of(road.pipeline, objects["plants/v.csv"]) == []
    published = ledger.get_object(road.pipeline, objects["plants/p.csv"])
    assert published.contract_version == 1


def test_an_unread_object_that_was_replaced_is_set_aside(road: Road) -> None:
    dead, objects = unfinished(road)
    run = road.run()
    road.record(run, listed("f.csv", etag="e2", minute=3), listed("p.csv", etag="e2", minute=3))
    ledger.adopt_objects(road.pipeline, run, [dead.run_id])
    replaced = ledger.get_object(road.pipeline, objects["plants/f.csv"])
    assert (replaced.state, replaced.run_id) == ("duplicate", dead.run_id)
    assert ledger.get_object(road.pipeline, objects["plants/p.csv"]).run_id == run.run_id


def test_lanes_share_the_chunks(road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.inspect(found, chunks=[3] * 7)
    size = ledger.work_size(road.pipeline, run.run_id)
    assert (size.chunks, size.chunk_bytes) == (7, 70)
    lanes = [[w.chunk_id for w in ledger.chunk_work(road.pipeline, run.run_id, lane, 3)] for lane in range(3)]
    assert sorted(chain(*lanes)) == [c.chunk_id for c in ledger.chunks_of(road.pipeline, found.object_id)]
    assert all(lanes)


def test_the_first_attempt_to_stage_counts_and_the_gate_may_replace_it(road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.inspect(found, chunks=[10])
    (chunk,) = ledger.chunk_work(road.pipeline, run.run_id, 0, 1)
    road.stage(chunk, batches=3)
    late = StagedCounts(10, 0, 0, 10, {"type": 10})
    assert not ledger.record_staged(road.pipeline, chunk.chunk_id, late, [])
    road.stage(chunk, batches=2, rejected=1, again=True)
    (totals,) = ledger.object_totals(road.pipeline, run.run_id)
    assert (totals.read, totals.accepted, totals.rejected, totals.rule_counts) == (10, 9, 1, {"type": 1})
    ledger.publish_object(road.pipeline, found.object_id, [road.rejects(found.object_id)])
    assert len(list(ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1))) == 2
    assert not ledger.record_staged(road.pipeline, chunk.chunk_id, late, [], again=True)


def test_batches_must_hold_the_accepted_rows(road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.inspect(found)
    (chunk,) = ledger.chunk_work(road.pipeline, run.run_id, 0, 1)
    with pytest.raises(Fatal, match="accepted"):
        ledger.record_staged(road.pipeline, chunk.chunk_id, StagedCounts(5, 0, 5, 0, {}), [])


def test_publishing_needs_every_chunk_and_every_reject(road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.inspect(found, chunks=[5, 5])
    first, second = ledger.chunk_work(road.pipeline, run.run_id, 0, 1)
    road.stage(first, rejected=2)
    with pytest.raises(Fatal, match="1 chunks are not validated"):
        ledger.publish_object(road.pipeline, found.object_id, [road.rejects(found.object_id)])
    road.stage(second)
    with pytest.raises(Fatal, match="2 rows were rejected, 0 are staged"):
        ledger.publish_object(road.pipeline, found.object_id)
    # the rejects come in pieces cut anywhere
    body = road.rejects(found.object_id)
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    assert ledger.publish_object(road.pipeline, found.object_id, pieces)
    assert not ledger.publish_object(road.pipeline, found.object_id, iter([body])), (
        "a retried task changes nothing"
    )


def test_a_crash_while_publishing_leaves_nothing(road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.inspect(found)
    (chunk,) = ledger.chunk_work(road.pipeline, run.run_id, 0, 1)
    road.stage(chunk, rejected=2)
    body = road.rejects(found.object_id)

    def pieces() -> Iterator[bytes]:
        yield body[: body.index(b"\n") + 1]
        raise RuntimeError("the worker died")

    with pytest.raises(Exception, match="died"):
        ledger.publish_object(road.pipeline, found.object_id, pieces())
    assert road.states(run) == {found.key: "inspected"}
    assert ledger.publish_object(road.pipeline, found.object_id, [body])


def test_a_held_object_keeps_examples_until_a_better_one_is_published(database: Database, road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.inspect(found, chunks=[10])
    (chunk,) = ledger.chunk_work(road.pipeline, run.run_id, 0, 1)
    road.stage(chunk, rejected=9)
    body = road.rejects(found.object_id)
    assert ledger.hold_object(road.pipeline, found.object_id, "9 of 10 rows are bad", [body], examples=4)
    assert not ledger.hold_object(road.pipeline, found.object_id, "9 of 10 rows are bad", [body])
    with closing(connect(database.reader_url)) as conn, transaction(conn) as cursor:
        cursor.execute("SELECT count(*) FROM headgate.quarantine WHERE state = 'open'")
        assert cursor.fetchone() == (4,)
        cursor.execute("SELECT kind, severity, body #>> '{data,reason}' FROM headgate.event")
        assert cursor.fetchall() == [("object.held", "critical", "9 of 10 rows are bad")]
    road.loaded(listed("a.csv", etag="mended", minute=1))
    with closing(connect(database.reader_url)) as conn, transaction(conn) as cursor:
        cursor.execute("SELECT DISTINCT state FROM headgate.quarantine")
        assert cursor.fetchall() == [("dismissed",)]
        cursor.execute("SELECT kind FROM headgate.event ORDER BY number")
        assert cursor.fetchall() == [("object.held",), ("object.released",)]


def test_streaming_goes_on_where_it_stopped(road: Road) -> None:
    run = road.run()
    newer, older = road.record(run, listed("b.csv", minute=2), listed("a.csv", minute=1))[::-1]
    for found in (newer, older):
        road.publish(found, batches=2)
    batches = list(ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1))
    assert [batch.object_id for batch in batches] == [older.object_id] * 2 + [newer.object_id] * 2
    ledger.mark_streamed(road.pipeline, [batches[0].message_id, batches[2].message_id])
    rest = list(ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1))
    assert [batch.message_id for batch in rest] == [batches[1].message_id, batches[3].message_id]


def fail(
    road: Road,
    batch: ledger.BatchRef,
    to: Delay | Park,
    *,
    replays: int = 0,
    cause: Cause = Cause.TABLE_MISSING,
) -> ledger.SettleStatus:
    """The batch's message fails; how the run stands then."""
    known = FailedMessage(batch.dataset, str(batch.message_id), identity=str(batch.message_id))
    queue = topology.rows_queue(batch.dataset)
    failure = failures.failed(
        {f"{failures.HEADER}replays": replays},
        cause,
        "the table is gone",
        queue=queue,
        consumer="test",
    )
    with transaction(road.loader) as cursor:
        record_failure(cursor, known, failure, to)
    return ledger.settle_status(road.pipeline, batch.run_id)


def test_settling_counts_receipts_and_names_what_is_parked(road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.publish(found, chunks=[4, 4])
    first, second = ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1)
    ledger.mark_streamed(road.pipeline, [first.message_id])
    road.apply(first, receipts.Counts(4, inserted=4))
    status = ledger.settle_status(road.pipeline, run.run_id)
    assert (status.done, status.blocked, status.batches_received) == (False, False, 1)
    assert ledger.mark_loaded(road.pipeline, run.run_id) == 0
    # when a message of before a restore has the id of the other one
    assert not fail(road, second, Park(exhausted=False), cause=Cause.CONFLICT).blocked
    # when the other message fails, is tried again and at last is parked
    assert not fail(road, second, Delay(30.0)).blocked
    status = fail(road, second, Park(exhausted=True))
    assert status.blocked
    assert [parked.reason for parked in status.parked] == ["the table is gone"]
    # and fails once more after a person has replayed it
    assert not fail(road, second, Delay(30.0), replays=1).blocked
    # and a person replays it
    road.apply(second, receipts.Counts(4, superseded=4))
    assert ledger.settle_status(road.pipeline, run.run_id).done
    assert ledger.mark_loaded(road.pipeline, run.run_id) == 1


def test_a_message_is_claimed_once(database: Database, road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.publish(found)
    (batch,) = ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1)

    def consume(_: int) -> bool:
        with closing(connect(database.loader_url)) as conn:
            return Road(road.pipeline, conn).apply(batch, receipts.Counts(5, inserted=5))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(consume, range(8))) == 1


def test_a_receipt_that_leaves_a_row_out_is_refused_and_the_message_is_free_again(road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.publish(found)
    (batch,) = ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1)
    for counts, right in ((receipts.Counts(5, inserted=4), False), (receipts.Counts(5, inserted=5), True)):
        with nullcontext() if right else pytest.raises(DataError, match="receipt_check"):
            assert road.apply(batch, counts)


def test_publishing_waits_for_the_consumers_transactions(database: Database, road: Road) -> None:
    """Else a message could be judged `not late` and merged after the newer object's rows."""
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.inspect(found)
    (chunk,) = ledger.chunk_work(road.pipeline, run.run_id, 0, 1)
    road.stage(chunk)
    with closing(connect(database.pipeline_url)) as hurried:
        with transaction(hurried) as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        with transaction(road.loader) as consumer:
            receipts.lock_datasets(consumer, [DATASET])
            with pytest.raises(Exception, match="lock timeout"):
                ledger.publish_object(hurried, found.object_id)
        assert ledger.publish_object(hurried, found.object_id)


def test_rows_that_postgres_refused_are_completed_later(database: Database, road: Road) -> None:
    run = road.run()
    (found,) = road.record(run, listed("a.csv"))
    road.publish(found)
    (batch,) = ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1)
    refused = receipts.RefusedRow(3, "sqlstate:22003", "out of range", "3,9e999")
    road.apply(batch, receipts.Counts(5, inserted=4, quarantined=1), [refused])
    (reject,) = ledger.load_rejects(road.pipeline, run.run_id)
    assert (reject.row_number, reject.chunk_id) == (3, batch.chunk_id)
    ledger.complete_rejects(road.pipeline, {reject.quarantine_id: (4, '"3","9e999"')})
    assert ledger.load_rejects(road.pipeline, run.run_id) == []


def test_a_long_history_does_not_slow_a_scan_down(road: Road, database: Database) -> None:
    """The newest version of each listed key is one index lookup."""
    run = road.run()
    with closing(connect(database.owner_url)) as conn, transaction(conn) as cursor:
        cursor.execute(
            "INSERT INTO headgate.object (dataset, bucket, key, etag, size, last_modified, lineage, version, "
            "state, run_id, contract_version) "
            "SELECT %s, %s, 'plants/' || n %% 2000, 'e', 1, now(), 'plants/' || n %% 2000, n, 'loaded', %s, 1"
            " FROM generate_series(1, 60000) n",
            (DATASET, BUCKET, run.run_id),
        )
        cursor.execute("ANALYZE headgate.object")
    keys = [f"plants/{number}" for number in range(1000)]
    listing = (keys, ["e"] * 1000, [1] * 1000, ["2026-01-01"] * 1000, [None] * 1000)
    with transaction(road.pipeline) as cursor:
        cursor.execute(
            "EXPLAIN SELECT * FROM headgate.new_objects(%s, %s, %s, 1, false, false, "
            "%s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::text[])",
            (DATASET, BUCKET, run.run_id, *listing),
        )
        plan = "\n".join(line for (line,) in cursor)
    assert "object_of_key" in plan
    assert "Seq Scan" not in plan
