"""What is unusual: headers that differ, volumes far from those before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.ledger.drift import Difference, difference
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
