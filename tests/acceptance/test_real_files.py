"""Real EPA files against their published totals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Headgate

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def books(headgate: Headgate, egrid: Path) -> dict[str, Any]:
    """All real files of both datasets, loaded."""
    patterns = {"egrid_plants": "plnt_*.csv", "egrid_generators": "gen_*.csv"}
    files = {dataset: sorted(egrid.glob(pattern)) for dataset, pattern in patterns.items()}
    for dataset, paths in files.items():
        headgate("put", dataset, *paths)
    return {dataset: headgate.run(dataset) for dataset in files}


@pytest.fixture(scope="module")
def truth(egrid: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((egrid / "ground_truth.json").read_text())
    return found


def test_the_books_balance_and_nothing_is_quarantined(books: dict[str, Any]) -> None:
    for book in books.values():
        assert (book["state"], book["balanced"]) == ("success", True)
        assert book["rows"]["read"] == book["rows"]["inserted"] > 0


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("year", ["2010", "2014", "2018"])
def test_a_year_equals_the_published_totals(headgate: Headgate, truth: dict[str, Any], year: str) -> None:
    true = truth[year]
    [row] = headgate.sql(
        "SELECT count(*) AS n, sum(net_generation_mwh) AS mwh, sum(nameplate_capacity_mw) AS mw, "
        f"sum(co2_short_tons) AS co2 FROM egrid.plants WHERE year = {year}"
    )
    assert row["n"] == true["rows"]
    assert row["mwh"] == pytest.approx(true["net_generation_mwh"], abs=0.01)
    if "co2_short_tons" in true:
        assert row["co2"] == pytest.approx(true["co2_short_tons"], abs=0.01)
    top = headgate.sql(
        f"SELECT plant_code FROM egrid.plants WHERE year = {year} AND net_generation_mwh IS NOT NULL "
        "ORDER BY net_generation_mwh DESC LIMIT 5"
    )
    assert [plant["plant_code"] for plant in top] == [plant["orispl"] for plant in true["top5"]]


@pytest.mark.usefixtures("books")
def test_a_messy_export_gives_the_sums_of_its_clean_twin(headgate: Headgate, egrid: Path) -> None:
    sums = (
        "SELECT count(*) AS n, sum(net_generation_mwh) AS mwh, sum(co2_short_tons) AS co2, "
        "sum(nameplate_capacity_mw) AS mw FROM egrid.plants WHERE year = 2018"
    )
    [clean] = headgate.sql(sums)
    headgate("put", "egrid_plants", egrid / "messy" / "plnt_2018_epa_explorer.csv")
    book = headgate.run("egrid_plants")
    assert book["balanced"]
    assert book["rows"]["read"] == clean["n"] + 1
    assert (book["rows"]["blank"], book["rows"]["quarantined"]) == (1, 1)  # a stray total below the data
    [messy] = headgate.sql(sums)
    assert messy == pytest.approx(clean, abs=0.01)


@pytest.mark.usefixtures("books")
def test_an_export_without_plant_codes_is_refused_with_a_reason(headgate: Headgate, egrid: Path) -> None:
    headgate("put", "egrid_plants", egrid / "messy" / "plnt_2010_yazrey.csv")
    book = headgate.run("egrid_plants", check=False)
    assert book["state"] == "failed"
    assert book["rows"]["read"] == 0
    assert "ORISPL" in book["held"][0]["reason"]
