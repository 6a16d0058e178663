"""Generated samples: bytes that repeat, unique keys, truth that holds, the drift of the years."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from headgate.cli.app import app
from headgate.contract import Contract, load_contract, match_header
from headgate.errors import DataError
from headgate.paths import datasets_dir
from headgate.sample import Spec, Truth, write_sample
from headgate.sample.rows import BLOCK, Pools, blocks, pools
from headgate.sample.spec import file_format

DATASETS = ("egrid_plants", "egrid_generators")
YEARS = (2000, 2005, 2010, 2012, 2014, 2016, 2018, 2020, 2022)


def made(folder: Path, **changes: Any) -> tuple[Path, Truth]:
    values: dict[str, Any] = {"dataset": "egrid_plants", "rows": 200} | changes
    suffix = values.get("format", "csv")
    spec = Spec(out=folder / f"sample.{suffix}", **values)
    return spec.out, write_sample(spec)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="ascii", newline="") as file:
        return list(csv.DictReader(file, restkey="_more", restval="_less"))


def contract(dataset: str) -> Contract:
    return load_contract(datasets_dir() / f"{dataset}.yaml")


def number(cell: str) -> float:
    return float(cell.replace(",", "")) if cell not in ("", "N/A") else 0.0


class TestFile:
    def test_the_same_specification_gives_the_same_bytes(self, tmp_path: Path) -> None:
        first, _ = made(tmp_path / "a", rows=BLOCK + 10, bad=7)
        second, _ = made(tmp_path / "b", rows=BLOCK + 10, bad=7)
        other, _ = made(tmp_path / "c", rows=BLOCK + 10, bad=7, seed=1)
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second, other)]
        assert digests[0] == digests[1] != digests[2]

    def test_no_part_is_left_when_writing_fails(self, tmp_path: Path) -> None:
        spec = Spec("egrid_plants", 10, tmp_path / "sample.csv")

        def stop(_: int) -> None:
            raise RuntimeError("stop")

        with pytest.raises(RuntimeError):
            write_sample(spec, stop)
        assert list(tmp_path.iterdir()) == []

    def test_no_rows_is_a_header_only(self, tmp_path: Path) -> None:
        path, truth = made(tmp_path, rows=0)
        assert (read(path), truth.rows) == ([], 0)

    @pytest.mark.parametrize(
        "changes",
        [
            {"dataset": "ships"},
            {"year": 1066},
            {"rows": 10, "bad": 6},
            {"format": "doc"},
            {"format": "xlsx", "rows": 2_000_000},
            {"columns": "some"},
        ],
    )
    def test_what_cannot_be_made_is_told(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        with pytest.raises(DataError):
            made(tmp_path, **changes)

    @pytest.mark.parametrize(
        ("name", "form"),
        [("a.csv", "csv"), ("a.csv.gz", "csv"), ("a.jsonl.zst", "ndjson"), ("a.XLSX", "xlsx"), ("a", "csv")],
    )
    def test_the_name_says_the_format(self, name: str, form: str) -> None:
        assert file_format(Path(name)) == form

    def test_compressed_files_hold_the_same(self, tmp_path: Path) -> None:
        plain, _ = made(tmp_path)
        for suffix in ("gz", "zst"):
            write_sample(Spec("egrid_plants", 200, tmp_path / f"sample.csv.{suffix}"))
        assert gzip.decompress((tmp_path / "sample.csv.gz").read_bytes()) == plain.read_bytes()
        packed = (tmp_path / "sample.csv.zst").read_bytes()
        assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == plain.read_bytes()


class TestTruth:
    @settings(max_examples=20, deadline=None)
    @given(
        rows=st.integers(1, 3 * BLOCK),
        share=st.floats(0, 0.5),
        seed=st.integers(0, 99),
        dataset=st.sampled_from(DATASETS),
    )
    def test_keys_are_unique_but_for_the_rows_said_to_repeat_one(
        self, rows: int, share: float, seed: int, dataset: str
    ) -> None:
        spec = Spec(dataset, rows, Path("unused.csv"), seed=seed, bad=int(rows * share))
        pool, truth = _pools(dataset), Truth()
        keys: Counter[tuple[Any, ...]] = Counter()
        for block in blocks(spec, pool, truth):
            columns = [block.cells["ORISPL"].to_pylist()]
            if dataset == "egrid_generators":
                movers = pool.energy.column("PRMVR").to_pylist()
                columns += [block.cells["GENID"].to_pylist(), [movers[place] for place in block.energy]]
            keys.update(key for key in zip(*columns, strict=True) if key[0] is not None)
        assert truth.rows == rows
        assert truth.bad.total() == spec.bad
        assert sum(count - 1 for count in keys.values()) == truth.bad["unique_key"]

    @pytest.mark.parametrize("year", YEARS)
    def test_sums_are_those_of_the_good_rows(self, tmp_path: Path, year: int) -> None:
        path, truth = made(tmp_path, rows=700, bad=60, year=year)
        rows = read(path)
        good = [row for row in rows if not _is_bad(row)]
        first = list({row["ORISPL"]: row for row in reversed(good)}.values())  # of equal keys the first
        assert len(rows) == truth.rows == 700
        assert len(first) == 640
        facts = truth.as_dict()
        assert facts["net_generation_mwh"] == pytest.approx(
            math.fsum(number(r["PLNGENAN"]) for r in first), abs=1e-3
        )
        assert facts["co2_short_tons"] == pytest.approx(
            math.fsum(number(r["PLCO2AN"]) for r in first), abs=1e-3
        )

    def test_bad_rows_take_the_rules_in_turn(self, tmp_path: Path) -> None:
        _, truth = made(tmp_path, rows=100, bad=14)
        assert set(truth.bad.values()) == {2}
        assert len(truth.bad) == 7


class TestYears:
    @pytest.mark.parametrize("dataset", DATASETS)
    @pytest.mark.parametrize("year", YEARS)
    def test_the_contract_knows_the_header(self, tmp_path: Path, dataset: str, year: int) -> None:
        path, _ = made(tmp_path, dataset=dataset, year=year, rows=1)
        with path.open(newline="") as file:
            header = next(csv.reader(file))
        match = match_header(contract(dataset), header, "anything.csv")
        assert (match.unknown, match.missing_required, match.duplicates) == ((), (), ())
        assert match.derived.get("year", str(year)) == str(year)

    def test_2018_has_the_header_of_the_real_sheet(self, tmp_path: Path, egrid: Path) -> None:
        path, _ = made(tmp_path, rows=1)
        real = (egrid / "plnt_2018.csv").open(encoding="ascii").readline()
        assert path.open().readline().strip() == real.strip()

    def test_scales_are_those_of_the_year(self, tmp_path: Path) -> None:
        before, after = (read(made(tmp_path / str(year), year=year)[0]) for year in (2014, 2018))
        assert max(number(row["PLSOPR"]) for row in before) == 100
        assert max(number(row["PLSOPR"]) for row in after) == 1
        rates = [max(number(row["PLCH4RTA"]) for row in rows) for rows in (before, after)]
        assert rates[0] > 100 * rates[1] > 0

    def test_quirks(self, tmp_path: Path) -> None:
        rows = read(made(tmp_path, rows=3000)[0])
        assert {row["NERC"] for row in rows if row["PSTATABB"] == "AK"} == {"NA"}
        assert any("," in row["PNAME"] for row in rows)
        assert any(row["PNAME"] == "NA 1" for row in rows)
        assert any(row["PNAME"].endswith(" ") for row in rows)
        assert {row["FIPSST"] for row in rows if row["PSTATABB"] == "AL"} == {"01"}
        assert {row["UNHGSRC"] for row in rows} == {"--"}
        assert any(number(row["PLNGENAN"]) < 0 for row in rows)
        assert any(row["PLNGENAN"] == "" for row in rows)

    def test_quirks_of_older_years(self, tmp_path: Path) -> None:
        old = read(made(tmp_path / "2010", year=2010)[0])
        assert {"6204.1", "6204.2"} <= {row["ORISPL"] for row in old}
        assert {row["COALFLAG"] for row in old} <= {"0", "1"}
        assert "SEQPLT09" in old[0]
        thousands = read(made(tmp_path / "2016", year=2016, rows=2000)[0])
        assert any("," in row["NAMEPCAP"] for row in thousands)
        oldest = read(made(tmp_path / "2000", year=2000)[0])
        assert min(number(row["LON"]) for row in oldest if row["LON"] != "N/A") > 0
        assert "N/A" in {row["PLNGENAN"] for row in oldest}


class TestFormats:
    @pytest.mark.parametrize("dataset", DATASETS)
    def test_all_formats_hold_the_same_values(self, tmp_path: Path, dataset: str) -> None:
        paths = {form: made(tmp_path, dataset=dataset, rows=60, format=form)[0] for form in ("csv", "ndjson")}
        paths |= {
            form: made(tmp_path, dataset=dataset, rows=60, format=form)[0] for form in ("parquet", "xlsx")
        }
        expected = [list(row.values()) for row in read(paths["csv"])]
        lines = [json.loads(line) for line in paths["ndjson"].read_text().splitlines()]
        assert [[_text(cell) for cell in line.values()] for line in lines] == expected
        table = pq.read_table(paths["parquet"]).to_pylist()
        assert [[_text(cell) for cell in row.values()] for row in table] == expected
        workbook = openpyxl.load_workbook(paths["xlsx"], read_only=True)
        sheet = workbook[workbook.sheetnames[1]]
        width = len(expected[0])
        rows = [[_text(cell) for cell in row] for row in sheet.iter_rows(max_col=width, values_only=True)]
        assert rows[1] == list(read(paths["csv"])[0])
        assert rows[2:] == expected

    def test_bad_rows_that_a_format_cannot_hold_are_left_out(self, tmp_path: Path) -> None:
        _, truth = made(tmp_path, rows=100, bad=20, format="parquet")
        assert truth.bad.total() == 20
        assert not {"type", "structure"} & set(truth.bad)

    def test_core_columns(self, tmp_path: Path) -> None:
        path, _ = made(tmp_path, columns="core")
        assert 25 <= len(read(path)[0]) <= 35


@cache
def _pools(dataset: str) -> Pools:
    return pools(Spec(dataset, 1, Path("unused.csv")))


def _is_bad(row: dict[str, str]) -> bool:
    return (
        "_less" in row.values()
        or row["ORISPL"] == ""
        or row["PSTATABB"] == "ZZ"
        or row.get("YEAR") == "1066"
        or row["PLNGENAN"] == "n.a."
        or number(row["NAMEPCAP"]) < 0
    )


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:g}" if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e6 else _plain(cell)


def _plain(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


class TestCommand:
    def test_json_is_the_truth_and_nothing_else_is_printed(self, tmp_path: Path) -> None:
        out = tmp_path / "plnt_2016.csv"
        arguments = [
            "sample",
            "egrid_plants",
            "--rows",
            "90",
            "--bad",
            "9",
            "--year",
            "2016",
            "--out",
            str(out),
        ]
        printed = CliRunner().invoke(app, [*arguments, "--json"])
        facts = json.loads(printed.stdout)
        assert (facts["rows"], facts["good"], facts["bad"], facts["year"]) == (90, 81, 9, 2016)
        assert sum(facts["bad_by_rule"].values()) == 9
        assert facts["bytes"] == out.stat().st_size

    def test_people_read_a_line_a_rule(self, tmp_path: Path) -> None:
        out = tmp_path / "gen.ndjson"
        arguments = ["sample", "egrid_generators", "--rows", "90", "--bad", "6", "--out", str(out)]
        printed = CliRunner().invoke(app, arguments).stdout
        assert "90 rows, 6 of them bad" in printed.replace("\n", " ")
        assert "1 × state_known" in printed
