"""Drafts of contracts and suites, and the commands around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headgate.cli.app import app
from headgate.contract.draft import draft
from headgate.errors import DataError
from headgate.sample import Spec, write_sample

SHIPS = (
    "IMO No.,Name,Flag,Built,Length (m),Active,Last port,Seen at\n"
    '0907,"Star, Evening",NO,1998,210.5,yes,"Oslo",2024-05-01T10:00:00Z\n'
    '0908,Sea Cloud,PA,2004,"1,050.25",no,,2024-05-02T11:30:00Z\n'
    "0909,NA,NO,2011,--,yes,Bergen,2024-05-03T00:00:00Z\n"
)


def headgate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["contract", *map(str, arguments)])


def written(tmp_path: Path, text: str, name: str = "ships.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


class TestDraft:
    def test_types_null_tokens_and_aliases_are_what_the_sample_shows(self, tmp_path: Path) -> None:
        proposal = draft(written(tmp_path, SHIPS))
        columns = {item["name"]: item for item in proposal.contract["schema"][0]["properties"]}
        assert {name: item["physicalType"] for name, item in columns.items()} == {
            "imo_no": "text",  # leading zeros
            "name": "text",
            "flag": "text",
            "built": "bigint",
            "length_m": "double precision",
            "active": "boolean",
            "last_port": "text",
            "seen_at": "timestamptz",
        }
        assert proposal.key == ("imo_no",)
        assert {"property": "nullTokens", "value": ["", "--"]} in proposal.contract["customProperties"]

    @pytest.mark.parametrize("form", ["csv", "csv.gz", "csv.zst", "xlsx", "parquet", "ndjson"])
    def test_a_draft_of_any_format_passes_the_check(self, tmp_path: Path, form: str) -> None:
        sample = tmp_path / f"plants.{form}"
        write_sample(Spec("egrid_plants", 300, sample, format=form.split(".")[0]))
        sheet = ("--sheet", "PLNT18") if form == "xlsx" else ()
        drafted = headgate("draft", sample, "--out", tmp_path, "--json", *sheet)
        assert json.loads(drafted.stdout)["key"] == ["orispl"]
        checked = headgate("check", "--contracts", tmp_path, "--expectations", tmp_path, "--json")
        assert checked.exit_code == 0, checked.stdout
        (report,) = json.loads(checked.stdout)["contracts"]
        assert report["columns"] == 139
        assert report["rules"] > 60

    def test_a_key_of_several_columns_is_found(self, tmp_path: Path) -> None:
        lines = [f"{plant},{unit},{plant * unit}" for plant in range(1, 9) for unit in range(1, 4)]
        proposal = draft(written(tmp_path, "plant,unit,mwh\n" + "\n".join(lines)))
        assert proposal.key == ("plant", "unit")

    def test_a_key_can_be_given_by_header(self, tmp_path: Path) -> None:
        assert draft(written(tmp_path, SHIPS), key=["Name"]).key == ("name",)

    @pytest.mark.parametrize(
        ("text", "key", "told"),
        [
            ("a,b\n1,1\n1,1\n", (), "tell all rows of the sample apart"),
            ("a,b\n1,1\n", ("c",), "no column c; there are a, b"),
            ("a,b\n1,1\n1,2\n", ("a",), "is no key"),
            ("a,b\n", (), "no data below the header"),
            ("a,a\n1,2\n", (), "names a column twice: a"),
        ],
    )
    def test_what_cannot_be_drafted_is_told(
        self, tmp_path: Path, text: str, key: tuple[str, ...], told: str
    ) -> None:
        with pytest.raises(DataError, match=told):
            draft(written(tmp_path, text), key=key)

    def test_a_file_that_is_there_is_not_overwritten(self, tmp_path: Path) -> None:
        sample = written(tmp_path, SHIPS)
        assert headgate("draft", sample, "--out", tmp_path).exit_code == 0
        again = headgate("draft", sample, "--out", tmp_path)
        assert "--force overwrites it" in str(again.exception)
        assert headgate("draft", sample, "--out", tmp_path, "--force").exit_code == 0


class TestCommands:
    def test_check_names_each_problem_and_fails(self, tmp_path: Path) -> None:
        headgate("draft", written(tmp_path, SHIPS), "--out", tmp_path)
        suite = tmp_path / "ships.json"
        document: dict[str, Any] = json.loads(suite.read_text())
        document["expectations"][0]["kwargs"]["column"] = "imo"
        suite.write_text(json.dumps(document))
        checked = headgate("check", "--contracts", tmp_path, "--expectations", tmp_path)
        assert checked.exit_code == 1
        assert "suite: rule imo_no_present: 'imo' is no column of the contract" in checked.stdout

    def test_a_contract_without_a_suite_is_told(self, tmp_path: Path) -> None:
        headgate("draft", written(tmp_path, SHIPS), "--out", tmp_path)
        (tmp_path / "ships.json").unlink()
        checked = headgate("check", "--contracts", tmp_path, "--expectations", tmp_path)
        assert (checked.exit_code, "there is no suite" in checked.stdout.replace("\n", " ")) == (1, True)

    def test_the_projects_own_contracts_pass(self) -> None:
        checked = headgate("check", "--json")
        assert checked.exit_code == 0, checked.stdout
        assert json.loads(checked.stdout)["ok"] is True

    def test_show(self) -> None:
        shown = headgate("show", "egrid_plants", "--json")
        assert json.loads(shown.stdout)["id"] == "egrid_plants"
        assert headgate("show", "egrid_plants").exit_code == 0

    def test_an_unknown_dataset_is_told_with_those_there_are(self) -> None:
        shown = headgate("show", "ships")
        assert "egrid_generators, egrid_plants" in str(shown.exception)
