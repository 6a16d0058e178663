"""The benchmark's files and its meter: what makes its figures comparable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest

from benchmarks.harness import SHAPES
from benchmarks.meter import Meter, name_of
from benchmarks.rows import block, facts_of, file_of
from benchmarks.shapes import shape_of
from tests.polling import eventually

ROWS = 1_000


@pytest.mark.parametrize("name", SHAPES)
def test_every_change_has_the_same_keys_and_as_many_other_rows_as_it_says(name: str) -> None:
    shape = shape_of(name)
    fresh = block(shape, 0, ROWS, "fresh")
    keys = fresh.group_by(list(shape.key)).aggregate([])
    assert keys.num_rows == ROWS
    assert changed(fresh, block(shape, 0, ROWS, "all"), shape.key) == ROWS
    assert changed(fresh, block(shape, 0, ROWS, "one_percent"), shape.key) == ROWS // 100
    same = block(shape, 0, ROWS, "none")
    assert changed(fresh, same, shape.key) == 0
    assert not same.equals(fresh)


def changed(before: pa.Table, after: pa.Table, key: tuple[str, ...]) -> int:
    """Rows whose key is in both tables with other values."""
    order = [(name, "ascending") for name in key]
    before, after = before.sort_by(order), after.sort_by(order)
    assert before.select(key).equals(after.select(key))
    differs = [pc.not_equal(a, b).fill_null(False) for a, b in zip(before, after, strict=True)]
    return sum(any(row) for row in zip(*(column.to_pylist() for column in differs), strict=True))


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_is_made_once_and_its_facts_are_true(name: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, name, ROWS, "fresh")
    made = path.stat().st_mtime_ns
    assert file_of(tmp_path, name, ROWS, "fresh").stat().st_mtime_ns == made
    shape, facts = shape_of(name), facts_of(path)
    types = {column: pa.string() for column, kind in shape.columns.items() if kind == "text"}
    options = pyarrow.csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
    table = pyarrow.csv.read_csv(path, convert_options=options)
    assert table.column_names == list(shape.columns)
    assert facts.rows == table.num_rows == ROWS
    assert facts.counts == [ROWS - column.null_count for column in table.columns]
    numbers = [place for place, kind in enumerate(shape.columns.values()) if kind != "text"]
    sums = [pc.sum(table.column(place)).as_py() for place in numbers]
    assert [facts.sums[place] for place in numbers] == pytest.approx(sums)


def test_the_time_of_a_child_that_has_ended_is_counted() -> None:
    busy = "import sys, time\nwhile time.process_time() < 0.5: pass\nsys.stdin.read()"
    with Meter([]) as meter, subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE) as child:
        eventually(lambda: any(name.startswith("python") for name in meter.rss))
        child.communicate()
    assert meter.cpu_s >= 0.45  # counted in ticks


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("postgres: headgate_loader headgate 127.0.0.1(4711) COPY", "postgres backend"),
        ("postgres: airflow airflow 127.0.0.1(4711) idle", "postgres airflow"),
        ("postgres: checkpointer ", "postgres checkpointer"),
        ("/venv/bin/python /venv/bin/headgate-consumer database", "consumer"),
        ("airflow worker -- LocalExecutor: egrid_plants.scan scheduled__2026-11-22", "airflow worker"),
        ("airflow worker -- 019aaa1c-7ac5-7fd6-b15d-96b6dd3a9b0b", "airflow task"),
        ("/usr/bin/something", "something"),
    ],
)
def test_processes_have_names_that_people_know(line: str, name: str) -> None:
    assert name_of(line.split(" "), "something") == name
