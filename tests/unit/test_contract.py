"""Contracts: what the eGRID files say, how headers are matched, what a broken contract is told."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate import topology
from headgate.contract import (
    Contract,
    contract_from_document,
    load_contract,
    load_contracts,
    match_header,
    refusal,
)
from headgate.contract.check import check_file, contract_problems, table_problems
from headgate.contract.registry import column_names
from headgate.contract.table import evolve_ddl, table_ddl
from headgate.errors import Fatal
from headgate.paths import datasets_dir
from tests import tiny


@pytest.fixture(scope="module")
def plants() -> Contract:
    return load_contract(datasets_dir() / "egrid_plants.yaml")


@pytest.fixture(scope="module")
def generators() -> Contract:
    return load_contract(datasets_dir() / "egrid_generators.yaml")


def edited(contract: Contract, **changes: Any) -> dict[str, Any]:
    """The contract's document with top-level parts replaced."""
    document = deepcopy(dict(contract.document))
    document.update(changes)
    return document


def column_edited(contract: Contract, column_name: str, /, **changes: Any) -> dict[str, Any]:
    """The contract's document with one column's elements replaced."""
    document = edited(contract)
    columns = document["schema"][0]["properties"]
    next(column for column in columns if column["name"] == column_name).update(changes)
    return document


def custom(**values: Any) -> list[Mapping[str, Any]]:
    return [{"property": name, "value": value} for name, value in values.items()]


class TestEgrid:
    def test_all_contracts_pass_their_own_check(self) -> None:
        for path in sorted(datasets_dir().glob("*.yaml")):
            _, problems = check_file(path)
            assert problems == [], path.name

    def test_they_use_tables_and_prefixes_of_their_own(self) -> None:
        contracts = load_contracts(datasets_dir())
        assert not table_problems(contracts.values())
        plants = contracts["egrid_plants"]
        second = replace(contracts["egrid_generators"], table=plants.table, schema=plants.schema)
        told = "table egrid.plants is used by egrid_plants, egrid_generators"
        assert table_problems([plants, second]) == {"egrid_plants": [told], "egrid_generators": [told]}

    @pytest.mark.parametrize(
        ("value", "unit", "limit"),
        [
            (4, "d", timedelta(days=4)),
            (1.5, "Hours", timedelta(minutes=90)),
            ("1", "y", timedelta(days=365.25)),
        ],
    )
    def test_a_service_level_is_a_time(
        self, plants: Contract, value: object, unit: str, limit: timedelta
    ) -> None:
        levels = [{"property": "freshness", "value": value, "unit": unit}]
        contract = contract_from_document(edited(plants, slaProperties=levels))
        assert (contract.sla_limit("freshness"), contract.sla_limit("latency")) == (limit, None)

    def test_keys_tables_and_places(self, plants: Contract, generators: Contract) -> None:
        assert plants.key == ("plant_code", "year")
        assert generators.key == ("plant_code", "generator_id", "prime_mover", "year")
        assert plants.qualified_table == "egrid.plants"
        assert generators.qualified_table == "egrid.generators"
        assert (plants.bucket, plants.prefix) == ("headgate-landing", "egrid_plants/")

    def test_units_and_descriptions_become_comments(self, plants: Contract) -> None:
        assert plants.by_name["net_generation_mwh"].comment.startswith("Annual net generation [MWh]: ")
        assert plants.by_name["plant_name"].comment == "Plant name"
        comment = next(statement for statement in table_ddl(plants) if '"co2_short_tons" IS' in statement)
        assert comment.startswith('COMMENT ON COLUMN "egrid"."plants"."co2_short_tons" IS E\'Annual CO2')

    def test_every_number_tells_its_unit(self, plants: Contract) -> None:
        counts = {"year", "sequence_number", "units_count", "generators_count"}
        without = [c.name for c in plants.columns if c.is_number and not c.unit and c.name not in counts]
        assert without == []

    def test_shares_are_fractions_and_rates_are_per_mwh_in_every_year(self, plants: Contract) -> None:
        shares = [column for column in plants.columns if column.name.endswith("_share")]
        assert len(shares) == 18
        for share in shares:
            by_header, by_year = share.units
            assert (by_header.factor, by_header.header) == (0.01, "PLPRMFL_OLD")
            assert (by_year.factor, by_year.column, by_year.op, by_year.value) == (0.01, "year", "le", 2016)
        rate = plants.by_name["ch4_output_rate_lb_per_mwh"].units[0]
        assert (rate.factor, rate.column, rate.op, rate.value) == (0.001, "year", "lt", 2016)

    def test_the_text_na_is_null_for_numbers_only(self, plants: Contract) -> None:
        for name in ("nerc_region", "balancing_authority_code", "plant_name"):
            assert plants.by_name[name].null_tokens == ("", "N/A", "--")
        assert "NA" in plants.by_name["latitude_deg"].null_tokens


class TestHeader:
    @pytest.mark.parametrize(
        ("header", "key", "year"),
        [
            (["ORISPL", "YEAR"], "egrid_plants/plnt_1999.csv", None),  # the column counts, nothing is derived
            (["SEQPLT14", "ORISPL"], "egrid_plants/whatever.csv", "2014"),
            (["SEQPLT98", "ORISPL"], "egrid_plants/whatever.csv", "1998"),
            (["SEQPLT12", "ORISPL", "SEQPLT04", "SEQPLT10"], "x.csv", "2012"),
            (["ORISPL"], "egrid_plants/2020-01-28/plnt_2018.csv", "2018"),
            (["ORISPL"], "egrid_plants/PLNT18.csv", "2018"),
            (["ORISPL"], "egrid_plants/2016/plants.csv", "2016"),
            (["ORISPL"], "egrid_plants/eGRID2019_data.xlsx", "2019"),
        ],
    )
    def test_the_year_is_found(self, plants: Contract, header: list[str], key: str, year: str | None) -> None:
        match = match_header(plants, header, key)
        assert match.derived.get("year") == year
        assert match.missing_required == ()

    def test_without_any_year_the_column_is_missing(self, plants: Contract) -> None:
        assert match_header(plants, ["ORISPL", "PNAME"], "egrid_plants/data.csv").missing_required == (
            "year",
        )

    def test_renamed_columns_are_one_column(self, plants: Contract) -> None:
        old = match_header(plants, ["ORISPL", "YEAR", "PCANAME", "PCAID", "NUMBLR"])
        new = match_header(plants, ["ORISPL", "YEAR", "BANAME", "BACODE", "NUMUNT"])
        assert old.columns == new.columns

    def test_names_are_compared_without_case_bom_and_double_spaces(self, plants: Contract) -> None:
        match = match_header(plants, ["\ufefforispl ", "Data  year", "Plant\nname"])
        assert match.columns == {"plant_code": 0, "year": 1, "plant_name": 2}

    def test_the_first_alias_wins_and_the_other_is_shadowed(self, plants: Contract) -> None:
        match = match_header(plants, ["ORISPL", "YEAR", "PLPRMFL", "PLPRMFL_OLD", "SECFUEL"])
        assert match.columns["primary_fuel"] == 3
        assert match.shadowed == ((2, "PLPRMFL"),)
        assert match.unknown == ((4, "SECFUEL"),)

    def test_a_name_that_stands_twice_is_told(self, plants: Contract) -> None:
        match = match_header(plants, ["ORISPL", "YEAR", "PNAME", "pname"])
        assert match.duplicates == ("pname",)
        assert match.columns["plant_name"] == 2

    def test_codes_score_higher_than_long_names_and_data_scores_nothing(self, plants: Contract) -> None:
        codes = match_header(plants, ["SEQPLT18", "YEAR", "PSTATABB", "PNAME", "ORISPL", "LAT"])
        names = match_header(
            plants, ["Plant file sequence number", "Data Year", "Plant name", "Plant latitude"]
        )
        data = match_header(plants, ["1", "2018", "AK", "7-Mile Ridge Wind Project", "60814", "63.2"])
        assert codes.score > names.score > data.score == 0

    def test_the_sequence_of_the_files_own_year_wins(self, plants: Contract) -> None:
        match = match_header(plants, ["SEQPLT12", "ORISPL", "SEQPLT04", "SEQPLT10"], "x.csv")
        assert match.columns["sequence_number"] == 0
        assert [name for _, name in match.shadowed] == ["SEQPLT04", "SEQPLT10"]

    @pytest.mark.parametrize(
        ("where", "text"),
        [
            ("key", "egrid_plants/egrid2022_data_metric.xlsx"),
            ("sheet", "Contents metric"),
            ("header", "Plant annual CO2 emissions (metric tons)"),
            ("header", "Plant annual CH4 emissions (kg)"),
            ("header", "Plant annual heat input from combustion (GJ)"),
            ("header", "PLCO2RTA2"),
            ("header", "GENID"),
        ],
    )
    def test_what_the_contract_does_not_take(self, plants: Contract, where: Any, text: str) -> None:
        refused = refusal(plants, where, ["ORISPL", text])
        assert refused is not None
        assert "Put" in refused.reason

    def test_ordinary_files_are_taken(self, plants: Contract) -> None:
        header = ["Plant annual CO2 emissions (tons)", "PLCO2RTA", "Plant nominal heat rate (Btu/kWh)"]
        assert refusal(plants, "header", header) is None
        assert refusal(plants, "key", ["egrid_plants/egrid2022_symmetrical.xlsx"]) is None

    def test_real_headers_are_known_wholly(self, plants: Contract, generators: Contract, egrid: Path) -> None:
        for path in sorted(egrid.glob("*.csv")):
            contract = plants if path.name.startswith("plnt") else generators
            with path.open(encoding="utf-8", newline="") as file:
                header = next(csv.reader(file))
            match = match_header(contract, header, contract.prefix + path.name)
            assert (match.unknown, match.missing_required, match.duplicates) == ((), (), ()), path.name


class TestBrokenContracts:
    def told(self, document: Mapping[str, Any]) -> str:
        with pytest.raises(Fatal) as caught:
            contract_from_document(document, "the file")
        return str(caught.value)

    def test_an_unknown_custom_property_is_named(self, plants: Contract) -> None:
        told = self.told(column_edited(plants, "state", customProperties=custom(alias=["ST"])))
        assert "column state: unknown property alias" in told

    def test_a_misspelt_type(self, plants: Contract) -> None:
        assert "physicalType 'strng'" in self.told(column_edited(plants, "state", physicalType="strng"))

    def test_no_key(self, plants: Contract) -> None:
        document = edited(plants)
        for column in document["schema"][0]["properties"]:
            column.pop("primaryKey", None)
        assert "no column is a primaryKey" in self.told(document)

    def test_a_column_twice(self, plants: Contract) -> None:
        assert "columns named twice: state" in self.told(column_edited(plants, "county", name="state"))

    def test_a_unit_rule_on_a_column_that_is_none(self, plants: Contract) -> None:
        rules = [{"factor": 0.1, "column": "yeer", "op": "lt", "value": 1}]
        told = self.told(column_edited(plants, "wind_share", customProperties=custom(unitRules=rules)))
        assert "column wind_share: unitRules compare 'yeer'" in told

    def test_a_pattern_that_is_no_regular_expression(self, plants: Contract) -> None:
        rules = [{"source": "key", "pattern": "(", "add": 0}]
        told = self.told(column_edited(plants, "year", customProperties=custom(derive=rules)))
        assert "column year: derive: '('" in told

    def test_a_reject_threshold_in_percent(self, plants: Contract) -> None:
        told = self.told(edited(plants, customProperties=custom(rejectThreshold=5)))
        assert "give 0 to 1" in told

    def test_a_service_level_without_a_unit(self, plants: Contract) -> None:
        told = self.told(edited(plants, slaProperties=[{"property": "freshness", "value": 2}]))
        assert "freshness '2' is no time" in told

    def test_the_word_for_what_belongs_to_no_dataset(self, plants: Contract) -> None:
        assert "'system' is taken" in self.told(edited(plants, id=topology.SYSTEM))

    def test_a_missing_element(self, plants: Contract) -> None:
        document = edited(plants)
        del document["servers"]
        assert self.told(document) == "the file: 'servers' is missing"

    def test_a_bucket_without_a_prefix_whose_objects_nobody_would_find(self, plants: Contract) -> None:
        document = edited(plants)
        document["servers"][0]["location"] = "s3://landing/"
        assert "'s3://landing/' is not s3://bucket/prefix/" in self.told(document)

    def test_a_file_that_is_no_odcs(self, plants: Contract, tmp_path: Path) -> None:
        path = tmp_path / "egrid_plants.yaml"
        path.write_text(yaml.safe_dump(edited(plants, shema=[])))
        with pytest.raises(Fatal, match=r"egrid_plants\.yaml: not a valid ODCS document at shema"):
            load_contracts(tmp_path)

    def test_an_element_of_another_shape(self, plants: Contract, tmp_path: Path) -> None:
        path = tmp_path / "egrid_plants.yaml"
        path.write_text(yaml.safe_dump(edited(plants, description="Plants of the United States")))
        assert check_file(path)[1] == [
            "ODCS: description: 'Plants of the United States' is not of type 'object'"
        ]
        with pytest.raises(Fatal, match=r"egrid_plants\.yaml: "):
            load_contract(path)

    def test_a_file_of_another_name(self, plants: Contract, tmp_path: Path) -> None:
        path = tmp_path / "plants.yaml"
        path.write_text(yaml.safe_dump(dict(plants.document)))
        with pytest.raises(Fatal, match=r"name the file egrid_plants\.yaml"):
            load_contract(path)

    def test_an_alias_of_two_columns(self, plants: Contract) -> None:
        contract = contract_from_document(
            column_edited(plants, "county", customProperties=custom(aliases=["pname"]))
        )
        assert contract_problems(contract) == [
            "alias 'pname' is used by plant_name, county: a file's column can only be one of them"
        ]


class TestTable:
    def test_columns_key_and_system_columns(self, generators: Contract) -> None:
        create = table_ddl(generators)[1]
        assert '"plant_code" text NOT NULL' in create
        assert '"net_generation_mwh" double precision,' in create
        assert "_rescued jsonb" in create
        assert "_loaded_at timestamp with time zone NOT NULL DEFAULT now()" in create
        assert 'PRIMARY KEY ("plant_code", "generator_id", "prime_mover", "year")' in create

    def test_only_a_rescuing_contract_has_a_place_for_the_rescued(self, plants: Contract) -> None:
        contract = contract_from_document(edited(plants, customProperties=custom(drift="freeze")))
        assert "_rescued" not in table_ddl(contract)[1]

    def test_texts_are_quoted(self, plants: Contract) -> None:
        document = column_edited(plants, "county", description="It's a \\ back\nslash")
        statements = table_ddl(contract_from_document(document))
        assert any(r"E'County name: It''s a \\ back slash'" in statement for statement in statements)

    def test_a_new_column_is_added_without_not_null(self, plants: Contract) -> None:
        existing = {column.name: column.type for column in plants.columns if column.name != "state"}
        assert evolve_ddl(existing | {"_rescued": "jsonb"}, plants) == [
            'ALTER TABLE "egrid"."plants" ADD COLUMN IF NOT EXISTS "state" text'
        ]

    def test_a_changed_type_is_a_persons_decision(self, plants: Contract) -> None:
        with pytest.raises(Fatal, match=r"year is bigint in egrid\.plants and integer in the contract"):
            evolve_ddl({"year": "bigint"}, plants)

    def test_a_column_that_left_the_contract_takes_nulls(self, plants: Contract) -> None:
        existing = {column.name: column.type for column in plants.columns} | {
            "old": "text",
            "_rescued": "jsonb",
        }
        required = {"old", "year", "plant_code"}
        assert evolve_ddl(existing, plants, required) == [
            'ALTER TABLE "egrid"."plants" ALTER COLUMN "old" DROP NOT NULL'
        ]


def test_column_names_are_plain_and_unlike_each_other() -> None:
    headers = ["Net gen (MWh)", "net gen mwh", "2018", "  ", "état", "state", "x" * 80]
    names = column_names(headers, taken={"state"})
    assert names == ["net_gen_mwh", "net_gen_mwh_2", "column_2018", "column", "tat", "state_2", "x" * 58]


@pytest.mark.parametrize("values", ["a", [], ["a", "a"]])
def test_a_source_without_a_list_of_slices_is_refused(values: object) -> None:
    with pytest.raises(Fatal, match=r"each: place is .*list at least one value, each once"):
        tiny.contract(each={"place": values})


def test_terms_of_a_source_that_no_fetch_could_work_with() -> None:
    terms = {"since": "2024-02-01", "until": "2024-02-01", "each": {"place": ["x" * 900]}}
    found = contract_problems(tiny.contract(**terms))
    assert [problem.split(":")[0] for problem in found] == ["source"] * 3
    assert "no provider 'tiny'" in found[0]
    assert "until 2024-02-01 does not lie behind since" in found[1]
    assert "too long for a bucket" in found[2]
