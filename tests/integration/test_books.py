"""The books: every row that was read is somewhere, or the books say where it is missing."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate import ledger, receipts
from headgate.books import latest_runs, recent_runs, row_history, run_books
from headgate.db import connect, query, transaction
from tests.integration.staged import DATASET, Road, listed

if TYPE_CHECKING:
    from headgate.books import RunBooks
    from headgate.ledger import BatchRef
    from tests.conftest import Database

KINDS = ("inserted", "updated", "unchanged", "superseded", "quarantined")


def apply_split(road: Road, batch: BatchRef, cuts: list[int]) -> None:
    """Apply a batch with its rows split among the kinds; refused rows go to quarantine."""
    points = sorted(cut % (batch.rows + 1) for cut in cuts)
    sizes = [after - before for before, after in zip([0, *points], [*points, batch.rows], strict=True)]
    counts = receipts.Counts(batch.rows, **dict(zip(KINDS, sizes, strict=True)))
    with transaction(road.pipeline) as cursor:
        cursor.execute("SELECT first_row FROM headgate.batch WHERE message_id = %s", (batch.message_id,))
        ((first_row,),) = cursor.fetchall()
    refused = [
        receipts.RefusedRow(first_row + place, "sqlstate:22003", "out of range", "x")
        for place in range(counts.quarantined)
    ]
    assert road.apply(batch, counts, refused)


def sums_agree(books: RunBooks) -> None:
    """Read = the five kinds + what is missing, for the run, and it is the sum of its objects."""
    run = books.run
    assert run.read == sum(getattr(run, kind) for kind in KINDS) + run.missing
    for name in ("read", *KINDS, "blank", "missing", "batches_missing"):
        assert getattr(run, name) == sum(getattr(row, name) for row in books.objects)
    for row in books.objects:
        assert row.read == sum(getattr(row, kind) for kind in KINDS) + row.missing


objects = (
    st.lists(  # chunks of each object: (records, rejected of them, batches, is each batch applied, how split)
        st.lists(
            st.tuples(
                st.integers(1, 30),
                st.integers(0, 5),
                st.integers(1, 3),
                st.lists(st.booleans(), min_size=3, max_size=3),
                st.lists(st.integers(0, 100), min_size=4, max_size=4),
            ),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=3,
    )
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(shape=objects)
def test_the_books_balance_exactly_when_every_message_was_applied(
    road: Road, shape: list[list[tuple[int, int, int, list[bool], list[int]]]]
) -> None:
    # given published objects with rejected rows
    run = road.run()
    found = road.record(run, *(listed(f"{run.run_id}-{number}.csv") for number in range(len(shape))))
    chosen: dict[int, tuple[list[bool], list[int]]] = {}
    for item, chunks in zip(found, shape, strict=True):
        road.inspect(item, chunks=[chunk[0] for chunk in chunks], sha256=f"{run.run_id}-{item.key}")
        for chunk, (records_, rejected, batches, applied, cuts) in zip(
            ledger.chunks_of(road.pipeline, item.object_id), chunks, strict=True
        ):
            road.stage(chunk, rejected=min(rejected, records_), batches=batches)
            chosen[chunk.chunk_id] = (applied, cuts)
        ledger.publish_object(road.pipeline, item.object_id, [road.rejects(item.object_id)])
    # when some of their messages are applied, in one way or another
    everything = True
    for batch in list(ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1)):
        applied, cuts = chosen[batch.chunk_id]
        if applied[batch.batch]:
            apply_split(road, batch, cuts)
        everything &= applied[batch.batch]
    # then no row is unaccounted for, and the missing ones are named
    books = run_books(road.pipeline, run)
    sums_agree(books)
    assert books.run.read == sum(chunk[0] for chunks in shape for chunk in chunks)
    assert books.balanced == everything == ledger.settle_status(road.pipeline, run.run_id).done
    assert sum(gap.missing for gap in books.gaps) == books.run.missing
    assert bool(books.gaps) != everything


def test_a_lost_quarantine_row_unbalances_the_books(road: Road, database: Database) -> None:
    run, (found,) = road.loaded(listed("a.csv"), rejected=2)
    assert run_books(road.pipeline, run).balanced
    with closing(connect(database.admin_url)) as conn, transaction(conn) as cursor:
        cursor.execute("DELETE FROM headgate.quarantine WHERE row_number = 5")
    books = run_books(road.pipeline, run)
    assert not books.balanced
    (gap,) = books.gaps
    assert str(gap) == (
        f"chunk 0 of plants/a.csv (chunk_id {gap.chunk_id}): 2 rows rejected, 1 of them in quarantine"
    )
    assert found.state == "loaded"


def test_held_objects_stand_apart(road: Road) -> None:
    run = road.run()
    good, bad = road.record(run, listed("good.csv"), listed("bad.csv", minute=1))
    road.publish(good, rejected=1)
    road.inspect(bad)
    (chunk,) = ledger.chunk_work(road.pipeline, run.run_id, 0, 1)
    road.stage(chunk, rejected=5)
    ledger.hold_object(road.pipeline, bad.object_id, "all rows are bad", [road.rejects(bad.object_id)])
    road.load(run)
    ledger.finish_run(road.pipeline, run.run_id, "failed", "plants/bad.csv is held")
    books = run_books(road.pipeline, run)
    assert books.balanced
    assert (books.run.read, books.run.inserted, books.run.quarantined) == (5, 4, 1)
    document = books.as_json()
    assert document["state"] == "failed"
    assert document["rows"] == {
        "read": 5,
        "inserted": 4,
        "updated": 0,
        "unchanged": 0,
        "superseded": 0,
        "quarantined": 1,
        "blank": 0,
        "removed": 0,
    }
    assert document["held"] == [{"key": bad.key, "object_id": bad.object_id, "reason": "all rows are bad"}]
    assert [entry["state"] for entry in document["objects"]] == ["loaded", "held"]


def test_an_unfinished_object_is_not_balanced(road: Road) -> None:
    run = road.run()
    road.record(run, listed("a.csv"))
    assert not run_books(road.pipeline, run).balanced


def test_runs_are_listed_newest_first(road: Road) -> None:
    first, _ = road.loaded(listed("a.csv"))
    second, _ = road.loaded(listed("a.csv"))
    assert [row.run_id for row in recent_runs(road.pipeline, DATASET)] == [second.run_id, first.run_id]
    assert [run.run_id for run in latest_runs(road.pipeline)] == [second.run_id]


def outcomes(road: Road, key: str, row: int) -> list[str]:
    return [fate.outcome for fate in row_history(road.pipeline, DATASET, key, row)]


def test_the_way_of_one_row_can_be_told(road: Road) -> None:
    # given a version with a bad last row, one that is held, one on its way
    road.loaded(listed("a.csv"), rejected=1)
    held = road.run()
    (bad,) = road.record(held, listed("a.csv", etag="e2", minute=1))
    ledger.hold_object(road.pipeline, bad.object_id, "wrong delimiter")
    run = road.run()
    (found,) = road.record(run, listed("a.csv", etag="e3", minute=2))
    road.publish(found, chunks=[3, 3], batches=2)
    assert outcomes(road, found.key, 5) == ["quarantined", "not published", "on its way"]
    assert outcomes(road, found.key, 1) == ["applied", "not published", "on its way"]
    assert outcomes(road, found.key, 99) == ["no such row", "not published", "no such row"]
    fates = row_history(road.pipeline, DATASET, found.key, 5)
    assert [fate.reason for fate in fates] == ["not a name, row 5", "wrong delimiter", None]
    (batch,) = [
        b for b in ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1) if (b.chunk, b.batch) == (1, 0)
    ]
    assert fates[2].message_id == batch.message_id


def test_books_of_a_run_read_only_its_own_receipts(road: Road, database: Database) -> None:
    """Else the books would get slower with every run."""
    run, _ = road.loaded(listed("a.csv"))
    with closing(connect(database.owner_url)) as conn, transaction(conn) as cursor:
        cursor.execute(
            "INSERT INTO headgate.receipt (message_id, object_id, chunk_id, rows, consumer) "
            "SELECT gen_random_uuid(), 100 + n, 100 + n, 0, 'old' FROM generate_series(1, 50000) n"
        )
        cursor.execute("ANALYZE headgate.receipt")
    with transaction(road.pipeline) as cursor:
        cursor.execute("EXPLAIN " + query("books_run"), {"run_id": run.run_id})
        plan = "\n".join(line for (line,) in cursor)
    assert "receipt_of_chunk" in plan
    assert "Seq Scan on receipt" not in plan


def test_a_finished_run_knows_its_seconds(road: Road) -> None:
    run, _ = road.loaded(listed("a.csv"))
    assert (run_books(road.pipeline, run).seconds or 0) > 0
    assert run_books(road.pipeline, road.run()).seconds is None
