"""Quarantined rows go down the whole road again: mended, as they are, late, and from every kind of file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headgate import quarantine
from headgate.quarantine import Filter
from tests.integration.road import HEADER, Road, consumer, counts, make_road, many, plant, plants
from tests.integration.shell import headgate

if TYPE_CHECKING:
    from tests.conftest import Environment


@pytest.fixture
def road(environment: Environment) -> Iterator[Road]:
    with consumer(environment):
        yield make_road(environment)


def open_rows(road: Road) -> list[quarantine.Entry]:
    return road.services.ledger(lambda conn: list(quarantine.entries(conn, Filter())))


def mend(path: Path, column: str, value: str) -> None:
    """What a person does in a spreadsheet."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = [row | {column: value} for row in reader]
        names = reader.fieldnames or []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def test_a_mended_row_arrives_once_and_the_books_show_it(road: Road, tmp_path: Path) -> None:
    # given a file with a bad row
    road.put("plants2023.csv", plants(*many(99), plant(100, name='"Old, big"', capacity="ten")))
    counts(road.run(), read=100, inserted=99, quarantined=1)
    # when it is exported, mended and replayed
    file = tmp_path / "bad.csv"
    headgate(road.environment, "quarantine", "export", "--out", file, "-d", "egrid_plants")
    mend(file, "NAMEPCAP", "10.5")
    done = json.loads(headgate(road.environment, "quarantine", "replay", "--file", file, "--json"))
    assert (done["rows"], done["skipped"], done["datasets"]) == (1, 0, ["egrid_plants"])
    # then the next run brings it into the table, in the place of its origin
    books = road.run()
    counts(books, read=1, inserted=1)
    (replayed,) = books.objects
    assert replayed.replay_of is not None
    assert len(road.table()) == 100
    assert ("100", 2023, "Old, big", 10.5) in road.table()
    # and once only
    assert (
        json.loads(headgate(road.environment, "quarantine", "replay", "--file", file, "--json"))["rows"] == 0
    )
    counts(road.run())
    told = json.loads(headgate(road.environment, "row", "egrid_plants", "plants2023.csv", 100, "--json"))
    assert [fate["outcome"] for fate in told] == ["quarantined", "applied"]


def test_a_row_that_is_still_bad_comes_back(road: Road) -> None:
    road.put("plants2023.csv", plants(*many(99), plant(100, capacity="ten")))
    road.run()
    headgate(road.environment, "quarantine", "replay", "-d", "egrid_plants")
    counts(road.run(), read=1, quarantined=1)
    (entry,) = open_rows(road)
    assert (entry.row_number, entry.line, entry.raw) == (1, 2, plant(100, capacity="ten"))
    # and can go again
    headgate(road.environment, "quarantine", "replay", "--id", entry.id)
    counts(road.run(), read=1, quarantined=1)


def test_a_replay_does_not_overwrite_what_came_since(road: Road, tmp_path: Path) -> None:
    # given a bad row, exported
    road.put("plants2023.csv", plants(*many(99), plant(100, capacity="ten")))
    road.run()
    file = tmp_path / "bad.csv"
    headgate(road.environment, "quarantine", "export", "--out", file)
    mend(file, "NAMEPCAP", "1")
    # when the provider's corrected file arrives first
    road.put("plants2023.csv", plants(*many(99), plant(100, capacity="12.5")))
    counts(road.run(), read=100, inserted=1, unchanged=99)
    headgate(road.environment, "quarantine", "replay", "--file", file)
    # then the replay is history
    counts(road.run(), read=1, superseded=1)
    assert ("100", 2023, "Plant 100", 12.5) in road.table()


def test_rows_of_a_workbook_come_back_as_text(road: Road, tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "PLNT23"
    for line in (HEADER, *many(99), plant(100, capacity="ten")):
        sheet.append(line.split(","))
    body = BytesIO()
    book.save(body)
    road.put("egrid2023.xlsx", body.getvalue())
    counts(road.run(), read=100, inserted=99, quarantined=1)
    file = tmp_path / "bad.csv"
    headgate(road.environment, "quarantine", "export", "--out", file)
    mend(file, "NAMEPCAP", "10.5")
    done = json.loads(headgate(road.environment, "quarantine", "replay", "--file", file, "--json"))
    assert done["objects"][0].endswith("/egrid2023.xlsx.csv")
    counts(road.run(), read=1, inserted=1)
    assert ("100", 2023, "Plant 100", 10.5) in road.table()


def test_rows_of_json_lines_are_mended_as_json(road: Road, tmp_path: Path) -> None:
    names = HEADER.split(",")
    lines = [json.dumps(dict(zip(names, line.split(","), strict=True))) for line in many(99)]
    lines.append(json.dumps(dict(zip(names, plant(100, capacity="ten").split(","), strict=True))))
    road.put("plants2023.ndjson", "".join(f"{line}\n" for line in lines).encode())
    counts(road.run(), read=100, inserted=99, quarantined=1)
    file = tmp_path / "bad.csv"
    headgate(road.environment, "quarantine", "export", "--out", file)
    mend(file, "_raw", lines[-1].replace("ten", "10.5"))
    headgate(road.environment, "quarantine", "replay", "--file", file)
    counts(road.run(), read=1, inserted=1)
    assert ("100", 2023, "Plant 100", 10.5) in road.table()
