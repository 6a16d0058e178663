"""Rows that Great Expectations is not asked about are good to it: the outcome is that of asking about all."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headgate.checks import Rule, Suite
from headgate.checks.engine import POSITIONS, engine
from headgate.checks.frame import checked_columns, frame_of
from headgate.checks.screen import doubtful_rows
from headgate.contract import load_contract
from headgate.errors import Fatal
from headgate.paths import datasets_dir

CONTRACT = load_contract(datasets_dir() / "egrid_plants.yaml")
WORDS = ["", " ", "a", "A", "12", "12\n", "1.5", "-3", "é", "\u0663", "NaN", "None", "a b"]
EDGES = [0, 1, -1, 2, 3, 2**15 - 1, 2**53 - 1, 2**53, 2**53 + 1, -(2**53), 2**62]
FLOATS = st.sampled_from([0.0, -0.0, 0.1, 1.0, 2.5, float("nan"), float("inf"), float("-inf"), 1e300])
BOUNDS = st.one_of(st.none(), st.sampled_from(EDGES), st.sampled_from([0.1, 1.5, 2.5, -0.5]), st.just("1"))


def _columns() -> st.SearchStrategy[pa.Array]:
    def of(kind: pa.DataType, values: st.SearchStrategy[Any]) -> st.SearchStrategy[pa.Array]:
        cells = st.lists(st.one_of(st.none(), values), min_size=1, max_size=8)
        return cells.map(lambda listed: pa.array(listed, kind))

    whole = st.one_of(st.integers(-3, 5), st.sampled_from(EDGES))
    return st.one_of(
        of(pa.string(), st.sampled_from(WORDS)),
        of(pa.int64(), whole),
        st.lists(whole, min_size=1, max_size=8).map(lambda listed: pa.array(listed, pa.int64())),
        of(pa.int32(), st.integers(-3, 5)),
        of(pa.float64(), FLOATS),
        of(pa.float32(), st.sampled_from([0.1, 1.5, 2.5])),
        of(pa.decimal128(6, 2), st.sampled_from([Decimal("0.10"), Decimal("1.50"), Decimal("-3")])),
        of(pa.bool_(), st.booleans()),
    )


def _kinds() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    def kind(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.tuples(st.just(f"expect_column_{name}"), st.fixed_dictionaries({}, optional=arguments))

    sets = st.lists(st.one_of(st.sampled_from(WORDS), st.integers(0, 3)), max_size=4)
    bounds = {"min_value": BOUNDS, "max_value": BOUNDS}
    strict = {"strict_min": st.booleans(), "strict_max": st.booleans()}
    mostly = {"mostly": st.just(0.5)}
    return st.one_of(
        kind("values_to_not_be_null", **mostly),
        kind("values_to_be_between", **bounds, **strict, **mostly),
        kind("value_lengths_to_be_between", **bounds, **strict),
        kind("values_to_be_in_set", value_set=sets),
        kind("values_to_not_be_in_set", value_set=sets),
        kind(
            "values_to_match_regex",
            regex=st.sampled_from([r"^\d+$", r"^a|1\.5", r"\w", r"[^a]", r"^.$", "("]),
        ),
    )


def suite_of(kind: str, arguments: dict[str, Any], severity: str) -> Suite:
    rule = {"type": kind, "kwargs": {"column": "cell", **arguments}, "severity": severity}
    meta = {"rule": "the_rule", "reason": "{value} is wrong"}
    return Suite({"name": CONTRACT.dataset, "expectations": [rule | {"meta": meta}]}, CONTRACT)


@settings(max_examples=150)
@given(_columns(), _kinds(), st.sampled_from(["critical", "warning"]))
@example(
    pa.array([" "]),
    ("expect_column_value_lengths_to_be_between", {"max_value": 1.5, "strict_max": True}),
    "critical",
)
def test_the_outcome_is_that_of_asking_about_all_rows(
    cells: pa.Array, kind: tuple[str, dict[str, Any]], severity: str
) -> None:
    table = pa.table({"cell": cells})
    suite = suite_of(*kind, severity)
    rules = suite.file.rules
    columns = checked_columns(table, suite.file, rules)
    doubtful = doubtful_rows(rules[0], columns)

    try:
        whole = engine().validate(rules, frame_of(columns, rules), POSITIONS)["the_rule"]
    except (Fatal, ValueError, TypeError):
        assert doubtful is None or doubtful.size  # else the mistake in the rule would not be told
        with pytest.raises((Fatal, ValueError, TypeError)):
            suite.run(table)
        return
    result = suite.run(table)

    positions = whole.positions if whole.positions is not None else np.empty(0, np.int64)
    assert doubtful is None or set(positions.tolist()) <= set(doubtful.tolist())
    if severity == "critical":
        assert [reject.rows.tolist() for reject in result.rejects] == (
            [positions.tolist()] if positions.size else []
        )
        assert result.warnings == {}
    else:
        assert result.warnings == ({"the_rule": positions.size} if positions.size else {})
        assert result.rejects == ()


PARTS = [
    "a",
    "1",
    "-",
    ".",
    "$",
    "^",
    "|",
    "(",
    ")",
    "(?:",
    "[a-c]",
    "[0-9]",
    r"\d",
    r"\.",
    "*",
    "+",
    "?",
    "{2}",
    "]",
]


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from([*PARTS, "{,2}", r"\w", "[^a]", r"\b", "[[:alpha:]]", "(?i)"]), max_size=6).map(
        "".join
    ),
    st.lists(st.text("a1b-.$\n\ré\u0663]", max_size=5), min_size=1, max_size=5),
)
def test_a_text_that_arrow_matches_is_one_that_python_matches(pattern: str, texts: list[str]) -> None:
    rule = Rule(
        "r", "expect_column_values_to_match_regex", {"column": "cell", "regex": pattern}, "critical", ""
    )
    doubtful = doubtful_rows(rule, pa.table({"cell": texts}))

    if doubtful is not None:
        good = set(range(len(texts))) - set(doubtful.tolist())
        assert all(re.search(pattern, texts[row]) for row in good)


@pytest.mark.parametrize("pattern", [r"^\d{1,8}(?:\.\d)?$", r"^M\d{7}$", "^[A-Z]{2}$", "^(?:OP|SB|OS)$"])
def test_the_usual_patterns_are_proved(pattern: str) -> None:
    rule = Rule(
        "r", "expect_column_values_to_match_regex", {"column": "cell", "regex": pattern}, "critical", ""
    )
    doubtful = doubtful_rows(rule, pa.table({"cell": ["12345", "M0000001", "CA", "OP", "?"]}))
    assert doubtful is not None
    assert 4 in doubtful.tolist()
    assert doubtful.size < 5


def test_only_doubtful_rows_are_asked_about() -> None:
    cells = pc.if_else(pa.array(np.arange(1000) % 100 == 7), "ZZ", "SC")
    table = pa.table({"cell": cells})
    rule = suite_of("expect_column_values_to_be_in_set", {"value_set": ["SC"]}, "critical").file.rules[0]
    doubtful = doubtful_rows(rule, table)
    assert doubtful is not None
    assert doubtful.tolist() == list(range(7, 1000, 100))


def test_great_expectations_is_not_even_imported_when_every_row_is_proved_good() -> None:
    program = (
        "import sys, json, pyarrow as pa\n"
        "from headgate.checks import Suite\n"
        "from headgate.contract import load_contract\n"
        "from headgate.paths import datasets_dir, expectations_dir\n"
        "contract = load_contract(datasets_dir() / 'egrid_plants.yaml')\n"
        "suite = Suite(expectations_dir() / 'egrid_plants.json', contract)\n"
        "row = {'plant_code': ['3265'], 'year': pa.array([2018], pa.int32()), 'state': ['SC']}\n"
        "result = suite.run(pa.table(row))\n"
        "assert not result.rejects and not result.warnings and not result.failures\n"
        "assert 'great_expectations' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
