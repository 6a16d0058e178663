"""Policy ``replace`` on the whole road: files come again with fewer rows, bad rows, hardly any rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headgate import ledger
from headgate.books import remarks
from headgate.steps.report import report
from tests.integration.road import Road, consumer, counts, make_road, many, plant, plants
from tests.integration.shell import headgate

if TYPE_CHECKING:
    from tests.conftest import Environment

NAME = "plnt23.csv"


@pytest.fixture
def road(environment: Environment) -> Iterator[Road]:
    made = make_road(environment, onRewrite="replace")
    with consumer(environment):
        yield made


def put(road: Road, *lines: str) -> str:
    return road.put(NAME, plants(*lines))


def codes(road: Road) -> list[int]:
    return [int(code) for code, *_ in road.table()]


def test_rows_that_the_file_no_longer_has_leave_the_table_and_the_books_tell(road: Road) -> None:
    put(road, *many(100))
    counts(road.run(), read=100, inserted=100)
    # when the file comes again without five of them, one is new and one is corrected
    key = put(road, *many(94), plant(95, capacity=7), plant(200))
    books = road.run()
    # then they are gone
    counts(books, read=96, inserted=1, updated=1, unchanged=94, removed=5)
    assert (books.run.state, books.balanced) == ("success", True)
    assert sorted(codes(road)) == [*range(1, 96), 200]
    told = json.loads(headgate(road.environment, "books", "egrid_plants", "--json"))
    assert [(entry["key"], entry["rows"]["removed"]) for entry in told["objects"]] == [(key, 5)]
    assert " removed" in headgate(road.environment, "books", "egrid_plants")
    # and neither a report that is done again nor another run changes anything
    run = road.services.ledger(ledger.get_run, books.run.run_id)
    counts(report(road.services, run), read=96, inserted=1, updated=1, unchanged=94, removed=5)
    counts(road.run())


def test_the_way_of_a_row_tells_who_removed_it_and_who_took_it_over(road: Road) -> None:
    for codes in ([1, 2, 3], [1, 3], [1]):
        key = put(road, *(plant(code) for code in codes))
        assert road.run().run.state == "success"
    _, second, third = (
        number for (number,) in road.rows("SELECT object_id FROM headgate.object ORDER BY version")
    )

    def told(row: int) -> list[tuple[str, str | None]]:
        fates = json.loads(headgate(road.environment, "row", "egrid_plants", key, row, "--json"))
        return [(fate["outcome"], fate["reason"]) for fate in fates]

    taken_over = "object {} or a later version has it, too, and stands for it"
    gone = "object {}, a later version, no longer has it"
    nothing = ("no such row", None)
    assert told(1) == [("applied", taken_over.format(number)) for number in (second, third)] + [
        ("applied", None)
    ]
    assert told(2) == [("removed", gone.format(second)), ("removed", gone.format(third)), nothing]
    assert told(3) == [("applied", taken_over.format(second)), nothing, nothing]
    shown = headgate(road.environment, "row", "egrid_plants", NAME, 2)
    assert (shown.count("removed, "), shown.count("message ")) == (2, 2)


def test_a_bad_row_keeps_all_others_until_it_is_mended(road: Road, tmp_path: Path) -> None:
    put(road, *many(100))
    road.run()
    put(road, *many(98), plant(99, capacity="ten"))  # nobody knows that this is plant 99
    books = road.run()
    counts(books, read=99, unchanged=98, quarantined=1)
    assert books.run.state == "success"
    assert books.objects[0].reason == (
        "2 rows of the versions before are kept: 1 of its own are in quarantine and may be among them"
    )
    assert len(codes(road)) == 100
    # when the row comes back mended
    file = tmp_path / "bad.csv"
    headgate(road.environment, "quarantine", "export", "--out", file)
    file.write_text(file.read_text(encoding="utf-8").replace("ten", "11"), encoding="utf-8")
    headgate(road.environment, "quarantine", "replay", "--file", file)
    counts(road.run(), read=1, updated=1, removed=1)
    assert sorted(codes(road)) == list(range(1, 100))


def test_a_bad_row_of_an_older_version_that_is_mended_late_brings_nothing_back(
    road: Road, tmp_path: Path
) -> None:
    put(road, *many(99), plant(100, capacity="ten"))
    counts(road.run(), read=100, inserted=99, quarantined=1)
    put(road, *many(98))
    counts(road.run(), read=98, unchanged=98, removed=1)
    headgate(road.environment, "quarantine", "replay", "-d", "egrid_plants")
    counts(road.run(), read=1, quarantined=1)
    file = tmp_path / "bad.csv"
    headgate(road.environment, "quarantine", "export", "--out", file)
    file.write_text(file.read_text(encoding="utf-8").replace("ten", "11"), encoding="utf-8")
    headgate(road.environment, "quarantine", "replay", "--file", file)
    counts(road.run(), read=1, superseded=1)
    assert sorted(codes(road)) == list(range(1, 99))


def test_a_file_with_hardly_any_rows_empties_the_table_only_when_a_person_says_so(road: Road) -> None:
    put(road, *many(100))
    road.run()
    key = put(road, *many(10))
    books = road.run()
    # then nothing is removed, and the run says what and how to go on
    counts(books, read=10, unchanged=10)
    assert books.run.state == "failed"
    for part in (
        "90 of its 100 rows in the table are not in this version (90.0%; 20.0% may be removed)",
        f"`headgate run egrid_plants --object {key} --reload --accept-removals`",
    ):
        assert part in (books.run.reason or "")
    assert sum("may be removed" in line for line in remarks(books)) == 1
    assert len(codes(road)) == 100
    # and so it does when it is told to
    accepted = road.run(objects=(key,), reload=True, accept_removals=True)
    counts(accepted, read=10, unchanged=10, removed=90)
    assert (accepted.run.state, len(codes(road))) == ("success", 10)


def test_an_empty_version_removes_nothing_by_itself(environment: Environment) -> None:
    road = make_road(environment, onRewrite="replace", minimumRows=0)
    with consumer(environment):
        put(road, *many(3))
        road.run()
        put(road)
        books = road.run()
    assert (books.run.state, books.run.removed, len(codes(road))) == ("failed", 0, 3)
    assert "3 of its 3 rows" in (books.run.reason or "")


def test_a_held_version_removes_nothing(road: Road) -> None:
    put(road, *many(100))
    road.run()
    put(road, *many(90), *(plant(code, capacity="x") for code in range(91, 100)))
    books = road.run()
    assert [row.state for row in books.objects] == ["held"]
    assert len(codes(road)) == 100


def test_a_run_that_ends_before_its_report_is_carried_on(road: Road) -> None:
    put(road, *many(100))
    road.run()
    put(road, *many(95))
    dead = road.open()
    road.publish(dead, road.audit(dead))
    assert set(road.objects(dead).values()) == {"published"}
    books = road.run()
    counts(books, read=95, unchanged=95, removed=5)
    assert (books.run.state, len(codes(road))) == ("success", 95)
