"""Real EPA data, where it lies beside the checkout: every row, every sum."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from headgate.contract import load_contracts
from headgate.paths import datasets_dir
from headgate.records import Limits
from tests.unit.records_cases import Read, read


def read_file(dataset: str, path: Path) -> Read:
    contract = load_contracts(datasets_dir())[dataset]
    return read(path.read_bytes(), contract, f"{dataset}/{path.name}", Limits(1024 * 1024))


def table_of(found: Read) -> pa.Table:
    return pa.concat_tables(chunk.table for chunk in found.chunks)


@pytest.mark.parametrize("year", [2010, 2014, 2018])
def test_plants_have_the_rows_and_the_generation_of_the_truth(egrid: Path, year: int) -> None:
    found = read_file("egrid_plants", egrid / f"plnt_{year}.csv")
    table = table_of(found)

    totals = {2010: (5587, 4125847023.491), 2014: (8503, 4079690473.912), 2018: (10964, 4168370117.667)}
    rows, generation = totals[year]
    assert (table.num_rows, found.rejects, found.blank) == (rows, [], 0)
    assert pc.sum(table["net_generation_mwh"]).as_py() == pytest.approx(generation, abs=0.01)
    assert pc.unique(table["year"]).to_pylist() == [year]
    assert found.balanced


def test_an_export_of_another_publisher_has_the_same_generation(egrid: Path) -> None:
    found = read_file("egrid_plants", egrid / "messy" / "plnt_2018_epa_explorer.csv")

    generation = pc.sum(table_of(found)["net_generation_mwh"]).as_py()
    assert generation == pytest.approx(4168370117.667, abs=0.01)
    assert found.rules == [(10966, "required")]  # a stray total without a plant
    assert found.blank == 1


@pytest.mark.parametrize(("year", "rows"), [(2010, 17_699), (2018, 27_944)])
def test_generators_are_all_read(egrid: Path, year: int, rows: int) -> None:
    found = read_file("egrid_generators", egrid / f"gen_{year}.csv")

    assert (table_of(found).num_rows, found.rejects) == (rows, [])


def test_the_truth_file_agrees_with_the_figures_above(egrid: Path) -> None:
    assert "4168370117.667" in json.dumps(json.loads((egrid / "ground_truth.json").read_text()))
