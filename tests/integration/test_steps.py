"""The main road: what arrives, what is counted, and what doing it again does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headgate.errors import DataError, Fatal
from headgate.steps.scan import Request, scan
from tests.conftest import Environment
from tests.integration.road import Road, consumer, counts, make_road, many, plant, plants


@pytest.fixture
def road(environment: Environment) -> Iterator[Road]:
    made = make_road(environment)
    with consumer(environment):
        yield made


def test_good_rows_arrive_and_bad_ones_are_in_quarantine_with_line_and_reason(road: Road) -> None:
    road.put("plnt23.csv", plants(*many(99), plant(100, capacity="ten"), ",,,,,,"))

    books = road.run()

    assert (books.run.state, books.balanced) == ("success", True)
    counts(books, read=100, inserted=99, quarantined=1, blank=1)
    assert len(road.table()) == 99
    bad = road.rows("SELECT row_number, line, rule, column_name, value, raw, stage FROM headgate.quarantine")
    assert bad == [(100, 101, "type", "nameplate_capacity_mw", "ten", plant(100, capacity="ten"), "validate")]


def test_a_row_that_breaks_a_rule_of_the_suite_is_quarantined_with_its_text(road: Road) -> None:
    road.put("plnt23.csv", plants(*many(98), plant(99, capacity=-5), plant(100, year=1800)))

    books = road.run()

    counts(books, read=100, inserted=98, quarantined=2)
    bad = road.rows("SELECT row_number, raw, column_name FROM headgate.quarantine ORDER BY row_number")
    assert [(row, raw) for row, raw, _ in bad] == [(99, plant(99, capacity=-5)), (100, plant(100, year=1800))]
    assert bad[0][2] == "nameplate_capacity_mw"


def test_running_again_and_the_same_bytes_again_change_nothing(road: Road) -> None:
    body = plants(*many(50))
    road.put("plnt23.csv", body)
    road.run()
    before = road.rows("SELECT plant_code, xmin::text, _loaded_at FROM egrid.plants ORDER BY 1")

    counts(road.run())
    road.put("plnt23.csv", body)
    counts(road.run())

    assert road.rows("SELECT plant_code, xmin::text, _loaded_at FROM egrid.plants ORDER BY 1") == before


def test_a_corrected_file_updates_what_changed_and_the_older_one_is_superseded(road: Road) -> None:
    original, corrected = plants(*many(50)), plants(*many(47), *many(3, first=48, name="Corrected"))
    road.put("plnt23.csv", original)
    counts(road.run(), read=50, inserted=50)

    road.put("plnt23.csv", corrected)
    counts(road.run(), read=50, updated=3, unchanged=47)
    state = road.table()

    road.put("plnt23.csv", original)
    counts(road.run(), read=50, superseded=50)
    assert road.table() == state

    counts(road.run(reload=True), read=50, updated=3, unchanged=47)


def test_the_same_bytes_under_the_same_key_with_another_etag_are_a_duplicate(road: Road) -> None:
    """A multipart upload has another ETag on many stores: only the content tells."""
    key = road.put("plnt23.csv", plants(*many(5)))
    road.run()
    road.put("plnt23.csv", plants(*many(6)))
    run = road.open()
    road.put("plnt23.csv", plants(*many(5)))
    # The scan saw the six rows; they are gone when the object is read.
    road.publish(run, road.audit(run))
    assert road.objects(run) == {key: "held"}


def test_an_object_in_several_chunks_and_batches_is_read_in_lanes(environment: Environment) -> None:
    road = make_road(environment, chunkBytes=4096)
    settings = environment.settings.model_copy(update={"lane_bytes": 1, "lanes": 3, "batch_bytes": 1024})
    road.services = replace(road.services, settings=settings)
    road.put("plnt23.csv", plants(*many(400), plant(7, name="Again"), plant(401, capacity="x")))
    with consumer(environment):
        run = road.open()
        shares = road.audit(run)
        road.publish(run, shares)

    books = road.books(run)
    counts(books, read=402, inserted=400, quarantined=2)
    assert len(shares) == 3
    chunks, batches = road.rows("SELECT count(DISTINCT chunk_id), count(*) FROM headgate.batch")[0]
    assert chunks > 3
    assert batches > chunks
    rules = road.rows("SELECT row_number, rule, reason, raw FROM headgate.quarantine ORDER BY row_number")
    assert rules[0] == (401, "unique_key", "same key as row 7", plant(7, name="Again"))
    assert rules[1][:2] == (402, "type")


def test_keys_that_repeat_keep_their_first_row(road: Road) -> None:
    road.put(
        "plnt23.csv",
        plants(*many(97), plant(1, name="Second"), plant(2, name="Second"), plant(1, name="Third")),
    )

    books = road.run()

    counts(books, read=100, inserted=97, quarantined=3)
    reasons = road.rows("SELECT row_number, reason, value FROM headgate.quarantine ORDER BY row_number")
    assert reasons == [
        (98, "same key as row 1", "1, 2023"),
        (99, "same key as row 2", "2, 2023"),
        (100, "same key as row 1", "1, 2023"),
    ]
    assert road.table()[0][2] == "Plant 1"


def test_too_many_bad_rows_hold_the_object_and_the_others_go_on(road: Road) -> None:
    bad = road.put("bad.csv", plants(*many(5), *[plant(n, capacity="x") for n in range(6, 11)]))
    good = road.put("good.csv", plants(*many(10, first=100)))

    books = road.run()

    assert books.run.state == "failed"
    counts(books, read=10, inserted=10)
    assert {row.key: row.state for row in books.objects} == {bad: "held", good: "loaded"}
    assert "5 of 10 rows are bad" in (books.run.reason or "")
    assert "--accept-rejects" in books.held[0].reason
    assert road.events() == ["object.held", "run.finished", "run.failed"]
    assert road.rows("SELECT count(*) FROM headgate.quarantine WHERE rule = 'type'") == [(5,)]

    assert road.run().run.state == "success"  # held objects are not tried again by themselves

    books = road.run(objects=("bad.csv",), accept_rejects=True)
    counts(books, read=10, inserted=5, quarantined=5)
    states = road.rows("SELECT state, count(*) FROM headgate.quarantine GROUP BY 1 ORDER BY 1")
    assert states == [("dismissed", 5), ("open", 5)]  # the examples made room for the rows themselves
    assert road.events()[-3:] == ["object.released", "run.finished", "quarantine.high"]


def test_a_wrong_structure_holds_the_object_with_what_to_do(road: Road) -> None:
    road.put("nokey.csv", b"PSTATABB,PNAME\nAL,Bankhead Dam\n")
    road.put("empty.csv", b"")

    books = road.run()

    assert books.run.state == "failed"
    reasons = {row.key.split("/")[-1]: row.reason for row in books.held}
    assert "plant_code" in (reasons["nokey.csv"] or "")
    assert "empty" in (reasons["empty.csv"] or "")
    counts(books)


def test_an_object_rewritten_or_deleted_between_scan_and_read_is_held(road: Road) -> None:
    rewritten, vanished = road.put("a.csv", plants(*many(5))), road.put("b.csv", plants(*many(5, first=10)))
    run = road.open()
    road.put("a.csv", plants(*many(6)))
    road.services.store.delete(road.bucket, vanished)

    road.publish(run, road.audit(run))

    held = {row.key: row.reason for row in road.books(run).held}
    assert "rewritten" in (held[rewritten] or "")
    assert "gone" in (held[vanished] or "")
    counts(road.run(), read=6, inserted=6)  # the new content is a new version


def test_an_object_rewritten_after_inspection_is_held_by_validation(road: Road) -> None:
    from headgate.steps.gate import gate
    from headgate.steps.inspect import inspect
    from headgate.steps.validate import validate

    key = road.put("a.csv", plants(*many(5)))
    run = road.open()
    shares = inspect(road.services, run.run_id)
    road.put("a.csv", plants(*many(6)))

    for share in shares:
        validate(road.services, share, make_suite=road.suite)

    assert gate(road.services, run.run_id) == []
    assert road.objects(run) == {key: "held"}


def test_a_dry_run_publishes_nothing_and_the_next_run_takes_over(road: Road) -> None:
    key = road.put("plnt23.csv", plants(*many(50)))

    books = road.run(dry_run=True)

    assert books.run.state == "dry_run"
    assert {row.key: row.state for row in books.objects} == {key: "validated"}
    assert road.rows("SELECT count(*) FROM egrid.plants") == [(0,)]
    counts(road.run(), read=50, inserted=50)


def test_a_run_may_be_limited_to_objects_or_a_prefix(road: Road) -> None:
    for name in ("2021/a.csv", "2022/b.csv", "2022/c.csv"):
        road.put(name, plants(plant(name.replace("/", "").replace(".csv", ""))))

    assert [row.key for row in road.run(objects=("2022/b.csv",)).objects] == ["egrid_plants/2022/b.csv"]
    assert [row.key for row in road.run(prefix="2022/").objects] == ["egrid_plants/2022/c.csv"]
    with pytest.raises(DataError, match=r"no object egrid_plants/none\.csv"):
        road.run(objects=("none.csv",))


def test_a_backfill_takes_what_arrived_in_its_interval(road: Road) -> None:
    road.put("a.csv", plants(*many(5)))
    now = datetime.now(UTC)

    counts(road.run(interval=(now - timedelta(days=9), now - timedelta(days=8))))
    counts(road.run(interval=(now - timedelta(hours=1), now + timedelta(hours=1))), read=5, inserted=5)
    counts(road.run(interval=(now - timedelta(hours=1), now + timedelta(hours=1))))


def test_a_contract_that_was_not_applied_stops_the_run_before_it_reads(road: Road) -> None:
    request = Request("egrid_plants", "test__other", contract_sha256="0" * 64)
    with pytest.raises(Fatal, match="headgate contract apply"):
        scan(road.services, request, is_alive=lambda _: False)


def test_the_columns_of_an_evolving_contract_grow_with_the_files(environment: Environment) -> None:
    road = make_road(environment, drift="evolve")
    with consumer(environment):
        road.put("plnt22.csv", plants(plant(1, year=2022)))
        road.run()
        header = "SEQPLT23,YEAR,PSTATABB,PNAME,ORISPL,NAMEPCAP,PLNGENAN,New Column"
        road.put("plnt23.csv", plants(*(f"{line},x{n}" for n, line in enumerate(many(3))), header=header))
        books = road.run()
        road.put("plnt24.csv", plants(plant(1, year=2024)))
        assert road.run().run.state == "success"

    counts(books, read=3, inserted=3)
    assert road.rows("SELECT year, new_column FROM egrid.plants WHERE plant_code = '1' ORDER BY 1") == [
        (2022, None),
        (2023, "x0"),
        (2024, None),
    ]
