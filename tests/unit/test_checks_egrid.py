"""The eGRID suites over real and generated files, read as the pipeline reads them."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headgate.checks import Suite
from headgate.contract import Contract, load_contract
from headgate.paths import datasets_dir, expectations_dir
from headgate.records import Limits, inspect_object, parse_chunk
from headgate.sample import Spec, write_sample


@dataclass
class Reading:
    """What came out of a file: accepted rows, rejected ones by rule, sums over the accepted."""

    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)


def read(path: Path, dataset: str) -> Reading:
    contract: Contract = load_contract(datasets_dir() / f"{dataset}.yaml")
    suite = Suite(expectations_dir() / f"{dataset}.json", contract)
    data, stored = path.read_bytes(), dict[int, bytes]()

    def sink(ordinal: int, payload: bytes) -> dict[str, Any]:
        stored[ordinal] = payload
        return {"ordinal": ordinal}

    inspection = inspect_object(
        io.BytesIO(data),
        key=contract.prefix + path.name,
        size=len(data),
        contract=contract,
        limits=Limits(chunk_bytes=2 * 1024 * 1024),
        sink=sink,
    )
    reading = Reading()
    for chunk in inspection.chunks:
        payload = stored.get(chunk.ordinal, data[chunk.offset : chunk.offset + chunk.length])
        parsed = parse_chunk(payload, chunk, inspection, contract)
        result = suite.run(parsed.table)
        reading.rejected.update(parsed.rejects.column("rule").to_pylist())
        reading.rejected.update({reject.rule: len(reject.rows) for reject in result.rejects})
        reading.warnings.update(result.warnings)
        kept = np.delete(np.arange(parsed.table.num_rows), result.rejected)
        add(reading, parsed.table.take(pa.array(kept)))
    return reading


def add(reading: Reading, accepted: pa.Table) -> None:
    reading.rows += accepted.num_rows
    for name in ("net_generation_mwh", "co2_short_tons"):
        if name in accepted.column_names:
            reading.sums[name] += math.fsum(accepted.column(name).drop_null().to_pylist())  # type: ignore[assignment]


@pytest.mark.parametrize("year", ["2010", "2014", "2018"])
def test_no_real_plant_is_rejected_and_the_sums_are_epas(egrid: Path, year: str) -> None:
    truth = json.loads((egrid / "ground_truth.json").read_text())[year]
    reading = read(egrid / f"plnt_{year}.csv", "egrid_plants")
    assert reading.rejected == {}
    assert reading.rows == truth["rows"]
    for name in ("net_generation_mwh", "co2_short_tons"):
        assert reading.sums[name] == pytest.approx(truth.get(name, 0), abs=0.01)


@pytest.mark.parametrize(("year", "rows"), [("2010", 17_699), ("2018", 27_944)])
def test_no_real_generator_is_rejected(egrid: Path, year: str, rows: int) -> None:
    reading = read(egrid / f"gen_{year}.csv", "egrid_generators")
    assert (reading.rows, reading.rejected) == (rows, {})


def test_another_publishers_export_gives_the_same_and_leaves_its_stray_total_aside(egrid: Path) -> None:
    messy = read(egrid / "messy" / "plnt_2018_epa_explorer.csv", "egrid_plants")
    clean = read(egrid / "plnt_2018.csv", "egrid_plants")
    assert (messy.rows, messy.warnings) == (clean.rows, clean.warnings)  # shares add up to 1 in both
    assert messy.sums == pytest.approx(clean.sums, abs=0.01)
    assert messy.rejected == {"required": 1}


@pytest.mark.parametrize("dataset", ["egrid_plants", "egrid_generators"])
@pytest.mark.parametrize(
    ("year", "form"),
    [
        (2000, "csv"),
        (2010, "csv"),
        (2012, "csv"),
        (2014, "xlsx"),
        (2016, "csv"),
        (2018, "ndjson"),
        (2022, "csv.gz"),
    ],
)
def test_of_a_generated_file_the_bad_rows_and_only_they_are_rejected(
    tmp_path: Path, dataset: str, year: int, form: str
) -> None:
    path = tmp_path / f"sample.{form}"
    truth = write_sample(Spec(dataset, 600, path, year, bad=40, format=form.removesuffix(".gz")))
    reading = read(path, dataset)
    repeated = truth.bad.pop("unique_key")  # found across chunks, by the gate
    assert reading.rejected == truth.bad
    assert reading.rows == truth.rows - truth.bad.total()
    assert repeated > 0
