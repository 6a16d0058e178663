"""The main job through the real Airflow scheduler: generated files, one year a test."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Headgate

pytestmark = pytest.mark.timeout(3600)
ZERO = dict.fromkeys(("read", "inserted", "updated", "unchanged", "superseded", "quarantined"), 0)


def sample(headgate: Headgate, path: Path, year: int, rows: int, bad: int = 0) -> Any:
    """A generated file of plants and the truth about it."""
    return headgate.json(
        "sample", "egrid_plants", "--rows", rows, "--year", year, "--bad", bad, "--seed", year, "--out", path
    )


def counts(books: Any, **expected: int) -> None:
    """The rows of the books are exactly these; what is not named is zero."""
    assert {name: books["rows"][name] for name in ZERO} == ZERO | expected


def correct(path: Path, plants: int) -> None:
    """Give the first plants another name, as a corrected file would."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        header, *rows = csv.reader(stream)
    column = header.index("PNAME")
    for row in rows[:plants]:
        row[column] += " (corrected)"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


def test_rows_arrive_bad_ones_are_explained_and_the_books_balance(headgate: Headgate, tmp_path: Path) -> None:
    path = tmp_path / "plnt_2019.csv"
    truth = sample(headgate, path, 2019, rows=3_000, bad=12)
    headgate("put", "egrid_plants", path)

    books = headgate.run("egrid_plants")

    assert (books["state"], books["balanced"]) == ("success", True)
    counts(books, read=3_000, inserted=2_988, quarantined=12)
    assert headgate.sql("SELECT count(*) AS n FROM egrid.plants WHERE year = 2019") == [{"n": 2_988}]
    totals = headgate.sql("SELECT sum(net_generation_mwh) AS mwh FROM egrid.plants WHERE year = 2019")
    assert totals[0]["mwh"] == pytest.approx(truth["net_generation_mwh"], abs=0.01)
    bad = headgate.json("quarantine", "list", "--object", "egrid_plants/plnt_2019.csv")
    assert len(bad) == 12
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    for row in bad:
        assert row["dataset"] == "egrid_plants"
        assert all((row["rule"], row["reason"]))
        assert row["raw"].strip() == lines[row["line"] - 1]
        assert row["row_number"] == row["line"] - 1


def test_again_the_same_bytes_a_correction_and_an_old_copy(headgate: Headgate, tmp_path: Path) -> None:
    path, original = tmp_path / "plnt_2020.csv", tmp_path / "original.csv"
    sample(headgate, path, 2020, rows=2_000)
    original.write_bytes(path.read_bytes())
    headgate("put", "egrid_plants", path)
    counts(headgate.run("egrid_plants"), read=2_000, inserted=2_000)
    state = (
        "SELECT md5(string_agg(p::text, '' ORDER BY plant_code)) AS digest "
        "FROM egrid.plants p WHERE year = 2020"
    )
    first = headgate.sql(state)

    counts(headgate.run("egrid_plants"))
    headgate("put", "egrid_plants", path)
    counts(headgate.run("egrid_plants"))
    assert headgate.sql(state) == first

    correct(path, plants=7)
    headgate("put", "egrid_plants", path)
    counts(headgate.run("egrid_plants"), read=2_000, updated=7, unchanged=1_993)
    corrected = headgate.sql(state)

    path.write_bytes(original.read_bytes())
    headgate("put", "egrid_plants", path)
    counts(headgate.run("egrid_plants"), read=2_000, superseded=2_000)
    assert headgate.sql(state) == corrected

    counts(headgate.run("egrid_plants", "--reload", "--object", "egrid_plants/plnt_2020.csv"),
           read=2_000, updated=7, unchanged=1_993)  # fmt: skip


def test_a_held_object_fails_the_run_and_does_not_stop_the_others(headgate: Headgate, tmp_path: Path) -> None:
    good, refused = tmp_path / "plnt_2021.csv", tmp_path / "plnt_2021_nokey.csv"
    sample(headgate, good, 2021, rows=500)
    refused.write_text("PSTATABB,PNAME\nAL,Bankhead Dam\n")
    headgate("put", "egrid_plants", good, refused)

    books = headgate.run("egrid_plants", check=False)

    assert books["state"] == "failed"
    counts(books, read=500, inserted=500)
    assert [held["key"] for held in books["held"]] == ["egrid_plants/plnt_2021_nokey.csv"]
    assert "plant_code" in books["held"][0]["reason"]
    assert headgate.run("egrid_plants")["state"] == "success"


def test_a_fixed_row_is_replayed_once(headgate: Headgate, tmp_path: Path) -> None:
    path, fixed = tmp_path / "plnt_2023.csv", tmp_path / "fixed.csv"
    path.write_text(
        "SEQPLT23,YEAR,PSTATABB,PNAME,ORISPL,NAMEPCAP,PLNGENAN\n"
        + "".join(f"{n},2023,TX,Plant {n},{n},{n}.5,{n}00\n" for n in range(1, 100))
        + "100,2023,TX,Plant 100,100,ten,10000\n"
    )
    headgate("put", "egrid_plants", path)
    counts(headgate.run("egrid_plants"), read=100, inserted=99, quarantined=1)

    headgate("quarantine", "export", "--object", "egrid_plants/plnt_2023.csv", "--out", fixed)
    fixed.write_text(fixed.read_text().replace(",ten,", ",10.5,"))
    headgate("quarantine", "replay", "--file", fixed)

    books = headgate.run("egrid_plants")
    assert books["balanced"]
    counts(books, read=1, inserted=1)
    row = "SELECT nameplate_capacity_mw AS mw FROM egrid.plants WHERE year = 2023 AND plant_code = '100'"
    assert headgate.sql(row) == [{"mw": 10.5}]
    again = headgate("quarantine", "replay", "--file", fixed, check=False)
    assert "0 rows are on their way" in again.stdout
    counts(headgate.run("egrid_plants"))


def test_a_backfill_of_loaded_objects_changes_nothing(headgate: Headgate) -> None:
    before = headgate.sql("SELECT count(*) AS n, max(_loaded_at)::text AS t FROM egrid.plants")
    headgate("backfill", "egrid_plants", "--from", "2026-01-01", "--to", "2026-01-02", "--wait")
    assert headgate.sql("SELECT count(*) AS n, max(_loaded_at)::text AS t FROM egrid.plants") == before
