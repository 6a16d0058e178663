"""Suites and their runner, on Great Expectations itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headgate.checks import Suite, SuiteFile, check_suite, load_suite
from headgate.contract import Contract, load_contract
from headgate.errors import Fatal
from headgate.paths import datasets_dir, expectations_dir

DATASETS = ("egrid_plants", "egrid_generators")


def contract(dataset: str) -> Contract:
    return load_contract(datasets_dir() / f"{dataset}.yaml")


@pytest.fixture(scope="module")
def plants() -> Suite:
    return Suite(expectations_dir() / "egrid_plants.json", contract("egrid_plants"))


def rows(*changes: dict[str, Any]) -> pa.Table:
    """A good row for each of the changes, with the change."""
    good = {
        "plant_code": "3265",
        "year": 2018,
        "plant_name": "Oconee",
        "state": "SC",
        "latitude_deg": 34.79,
        "longitude_deg": -82.9,
        "fuel_category": "NUCLEAR",
        "nameplate_capacity_mw": 2666.7,
        "capacity_factor": 0.9,
        "net_generation_mwh": 21_294_245.0,
    }
    types = {"year": pa.int64(), "plant_code": pa.string(), "plant_name": pa.string(), "state": pa.string()}
    types |= {"fuel_category": pa.string()}
    table = [good | change for change in changes]
    return pa.table(
        {name: pa.array([r[name] for r in table], types.get(name, pa.float64())) for name in good}
    )


def suite_of(expectation: dict[str, Any], **meta: Any) -> dict[str, Any]:
    common = {"severity": "critical", "meta": {"rule": "the_rule", "reason": "{value} is wrong"}}
    return {"name": "egrid_plants", "meta": meta, "expectations": [common | expectation]}


class TestFiles:
    @pytest.mark.parametrize("dataset", DATASETS)
    def test_suites_pass_their_check(self, dataset: str) -> None:
        suite = load_suite(expectations_dir() / f"{dataset}.json")
        assert check_suite(suite, contract(dataset)) == []

    def check(self, expectation: dict[str, Any], **meta: Any) -> list[str]:
        return check_suite(load_suite(suite_of(expectation, **meta)), contract("egrid_plants"))

    def test_an_unknown_type_is_found_that_gx_drops_in_silence(self) -> None:
        told = self.check({"type": "expect_column_values_to_be_betwen", "kwargs": {"column": "year"}})
        assert told == [
            "rule the_rule: Great Expectations knows no expectation type 'expect_column_values_to_be_betwen'"
        ]

    def test_an_unknown_column(self) -> None:
        told = self.check({"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "yeer"}})
        assert told == ["rule the_rule: 'yeer' is no column of the contract"]

    def test_a_wrong_argument(self) -> None:
        kwargs = {"column": "state", "value_sett": ["SC"]}
        told = self.check({"type": "expect_column_values_to_be_in_set", "kwargs": kwargs})
        assert any(problem.startswith("rule the_rule: value_set") for problem in told)

    def test_a_rule_that_cannot_be_computed_on_the_columns_type(self) -> None:
        kwargs = {"column": "plant_name", "min_value": 0}
        (told,) = self.check({"type": "expect_column_values_to_be_between", "kwargs": kwargs})
        assert told.startswith("rule the_rule (expect_column_values_to_be_between) cannot be run")

    def test_a_critical_rule_judges_rows_and_not_shares_of_them(self) -> None:
        kwargs = {"column": "state", "mostly": 0.9}
        (told,) = self.check({"type": "expect_column_values_to_not_be_null", "kwargs": kwargs})
        assert "take out mostly" in told

    def test_a_computed_column_needs_numbers(self) -> None:
        kwargs = {"column": "gap", "min_value": 0}
        expectation = {"type": "expect_column_values_to_be_between", "kwargs": kwargs}
        told = self.check(expectation, computed={"gap": {"plus": ["state"]}})
        assert told[0] == "computed column gap: 'state' is no numeric column of the contract"

    def test_an_expectation_without_a_rule_id(self) -> None:
        with pytest.raises(Fatal, match="the key 'rule' is missing"):
            load_suite(suite_of({"type": "x", "kwargs": {}, "meta": {}}))


class TestRun:
    def test_good_rows_pass(self, plants: Suite) -> None:
        result = plants.run(rows({}, {"plant_code": "1", "net_generation_mwh": None, "fuel_category": None}))
        assert len(result.rejected) == 0
        assert result.warnings == {}

    @pytest.mark.parametrize(
        ("change", "rule", "reason"),
        [
            (
                {"nameplate_capacity_mw": -3.5},
                "nameplate_capacity_not_negative",
                "capacity of -3.5 MW is below 0",
            ),
            ({"year": 1066}, "year_range", "The data year 1066 is outside 1996 to 2035"),
            ({"state": "ZZ"}, "state_known", "ZZ is no state"),
            ({"plant_code": None}, "plant_code_present", "There is no plant code"),
        ],
    )
    def test_a_bad_row_is_rejected_with_rule_column_value_and_reason(
        self, plants: Suite, change: dict[str, Any], rule: str, reason: str
    ) -> None:
        result = plants.run(rows({}, change, {"plant_code": "46"}))
        (reject,) = result.rejects
        assert reject.rule == rule
        assert reject.column in change
        assert reject.rows.tolist() == [1]
        (value,) = change.values()
        assert reject.values.to_pylist() == [None if value is None else str(value)]
        assert reason in reject.reasons[0].as_py()

    def test_a_row_with_several_violations_counts_once(self, plants: Suite) -> None:
        result = plants.run(rows({"state": "ZZ", "year": 1066}, {"state": "XX"}))
        assert result.rejected.tolist() == [0, 1]
        assert {reject.rule for reject in result.rejects} == {"state_known", "year_range"}

    def test_what_is_only_odd_is_counted(self, plants: Suite) -> None:
        odd = {"longitude_deg": 82.9, "capacity_factor": 1.69, "fuel_category": "MUD"}
        result = plants.run(rows(odd, odd, {}))
        assert len(result.rejected) == 0
        assert result.warnings == {"longitude_range": 2, "capacity_factor_range": 2, "fuel_category_known": 2}

    def test_rules_on_absent_columns_are_named(self, plants: Suite) -> None:
        result = plants.run(rows({}).drop_columns(["longitude_deg"]))
        assert "longitude_range" in result.skipped
        assert "generation_adds_up" in result.skipped  # the fuels it is computed from are not there
        assert "latitude_range" not in result.skipped

    def test_a_total_is_compared_with_its_parts(self, plants: Suite) -> None:
        fuels = plants.file.computed["net_generation_gap_mwh"].plus
        table = rows({"net_generation_mwh": 10.0}, {"net_generation_mwh": 15.0}, {"net_generation_mwh": None})
        for fuel in fuels:
            cells = [10.0, 10.0, 10.0] if fuel == "nuclear_generation_mwh" else [None, 0.0, None]
            table = table.append_column(fuel, pa.array(cells, pa.float64()))
        assert plants.run(table).warnings == {"generation_adds_up": 1}

    def test_a_rule_about_the_whole_table(self) -> None:
        kwargs = {"column": "year", "min_value": 2018, "max_value": 2018}
        suite = Suite(
            suite_of({"type": "expect_column_max_to_be_between", "kwargs": kwargs}), contract("egrid_plants")
        )
        assert suite.run(rows({})).failures == ()
        (failure,) = suite.run(rows({}, {"year": 2019})).failures
        assert failure.rule == "the_rule"

    def test_an_empty_table(self, plants: Suite) -> None:
        result = plants.run(rows({}).slice(0, 0))
        assert result.rejects == ()

    def test_a_rule_that_cannot_be_run_is_our_mistake(self) -> None:
        kwargs = {"column": "plant_name", "min_value": 0}
        suite = Suite(
            suite_of({"type": "expect_column_values_to_be_between", "kwargs": kwargs}),
            contract("egrid_plants"),
        )
        with pytest.raises(Fatal, match="rule the_rule"):
            suite.run(rows({}))

    def test_many_bad_rows_are_all_listed(self, plants: Suite) -> None:
        table = rows(*[{"state": "ZZ" if number % 3 else "SC"} for number in range(3000)])
        (reject,) = plants.run(table).rejects
        assert reject.rows.tolist() == [number for number in range(3000) if number % 3]


def test_the_severity_decides(plants: Suite) -> None:
    suite: SuiteFile = plants.file
    critical = {rule.id for rule in suite.rules if rule.is_critical}
    assert critical == {
        "plant_code_present",
        "year_present",
        "year_range",
        "state_known",
        "nameplate_capacity_not_negative",
    }


def test_generator_suite_rejects_what_is_truly_wrong() -> None:
    suite = Suite(Path(expectations_dir() / "egrid_generators.json"), contract("egrid_generators"))
    table = pa.table(
        {
            "plant_code": ["3612", "3612"],
            "generator_id": ["1", "1"],
            "prime_mover": ["ST", "CT"],
            "year": pa.array([2018, 2018], pa.int64()),
            "nameplate_capacity_mw": [225.0, -1.0],
        }
    )
    (reject,) = suite.run(table).rejects
    assert (reject.rule, reject.rows.tolist()) == ("nameplate_capacity_not_negative", [1])


def test_what_gx_imports_in_vain_stays_out_until_it_is_used() -> None:
    program = (
        "import sys\n"
        "from headgate.checks.engine import engine\n"
        "engine()\n"
        "assert not {'scipy.stats', 'altair'} & sys.modules.keys()\n"
        "from great_expectations.expectations import core\n"
        "user = core.expect_column_kl_divergence_to_be_less_than\n"
        "assert user.stats.entropy([1.0]) == 0.0\n"
        "import scipy.stats, altair\n"
        "assert altair.Chart is user.alt.Chart\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
