"""What is unusual: headers that differ, volumes far from those before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.ledger.drift import Difference, difference, drift
from headgate.steps.news import usual


def inspected(*header: str, **columns: int) -> dict[str, Any]:
    """An inspection as the ledger keeps it; the columns of the contract are places in the header."""
    return {"header": list(header), "columns": columns}


BEFORE = inspected("ORISPL", "PNAME", "SECTOR", code=0, name=1)


@pytest.mark.parametrize(
    "now",
    [BEFORE, inspected("pname", " ORISPL", "Sector", "", code=1, name=0)],
    ids=["same", "other order, case and space"],
)
def test_the_same_headers_are_no_difference(now: dict[str, Any]) -> None:
    assert difference(BEFORE, now) is None


def test_added_missing_and_renamed_headers_are_told_apart() -> None:
    now = inspected("ORISPL", "Plant name", "BACODE", code=0, name=1)
    assert difference(BEFORE, now) == Difference(["BACODE"], ["SECTOR"], {"PNAME": "Plant name"})


def test_a_column_that_moves_to_a_header_that_was_there_is_not_renamed() -> None:
    """Both names were in the object before; one of them is gone."""
    before = inspected("NAME", "PNAME", name=0)
    assert difference(before, inspected("PNAME", name=0)) == Difference([], ["NAME"], {})


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (inspected("SEQPLT18", "PNAME", name=1), inspected("SEQPLT19", "PNAME", name=1)),
        (inspected("SEQPLT18", "PNAME", seq=0, name=1), inspected("SEQPLT19", "PNAME", seq=0, name=1)),
    ],
    ids=["unknown to the contract", "one column of the contract"],
)
def test_another_year_in_a_header_is_no_difference(before: dict[str, Any], now: dict[str, Any]) -> None:
    assert difference(before, now) is None


def test_a_column_of_the_contract_that_is_gone_is_told_although_another_number_came() -> None:
    before, now = inspected("CODE1", "NAME", code=0, name=1), inspected("CODE2", "NAME", name=1)
    assert difference(before, now) == Difference(["CODE2"], ["CODE1"], {})


def test_one_more_of_a_numbered_row_of_columns_is_told() -> None:
    assert difference(inspected("M1", "M2"), inspected("M2", "M3", "M4")) == Difference(["M4"], [], {})


def test_headers_of_any_earlier_object_are_no_drift() -> None:
    earlier = [inspected("A", "B", "C"), inspected("A", "B"), inspected("A", "D")]
    assert drift(earlier, inspected("B", "A")) is None
    assert drift(earlier, inspected("A", "B", "D")) is None
    assert drift(earlier, inspected("A")) == Difference([], ["B"], {})
    assert drift(earlier, inspected("A", "B", "E")) == Difference(["E"], [], {})
    assert drift([], inspected("A")) is None


def test_too_few_runs_tell_nothing() -> None:
    assert usual([100] * 4, 0.5) is None


def test_equal_volumes_leave_the_tolerance() -> None:
    found = usual([1000] * 5, 0.5)
    assert found is not None
    assert (found.low, found.high) == (500, 1500)


def test_a_dataset_that_varies_may_vary() -> None:
    found = usual([100, 5000, 900, 3000, 10, 7000, 2500], 0.1)
    assert found is not None
    assert found.low == 0
    assert found.high > 7000


@given(
    runs=st.lists(st.integers(900, 1100), min_size=11, max_size=20),
    odd=st.lists(st.integers(0, 10**9), max_size=5),
)
def test_a_few_odd_runs_do_not_move_the_limits_far(runs: list[int], odd: list[int]) -> None:
    found = usual([*runs, *odd], 0.5)
    assert found is not None
    assert found.low <= 900
    assert found.high >= 1100
    assert found.high < 3000
