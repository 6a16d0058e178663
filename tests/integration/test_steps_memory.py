"""Memory is bounded by the chunk: what a check leaves behind is gone before the next chunk is read."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pyarrow as pa

from headgate.checks import CheckResult
from headgate.contract import Contract
from headgate.steps.inspect import inspect
from headgate.steps.validate import validate
from tests.conftest import Environment
from tests.integration.road import make_road, many, plants


class Held:
    """A reference cycle around a chunk's table, as Great Expectations leaves them."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.itself = table, self


class LeavesCycles:
    """Accepts every row; notes how many chunks are still in memory when the next one comes."""

    def __init__(self, contract: Contract) -> None:
        self.left: list[weakref.ref[Held]] = []
        self.alive: list[int] = []

    def run(self, table: pa.Table) -> Any:
        self.alive.append(sum(held() is not None for held in self.left))
        self.left.append(weakref.ref(Held(table)))
        return CheckResult()


def test_no_chunk_outlives_its_turn(environment: Environment) -> None:
    road = make_road(environment, chunkBytes=4096)
    road.put("plnt23.csv", plants(*many(400)))
    run = road.open()
    checkers: list[LeavesCycles] = []

    def make_suite(contract: Contract) -> LeavesCycles:
        checkers.append(LeavesCycles(contract))
        return checkers[-1]

    shares = inspect(road.services, run.run_id)
    gc.disable()  # else Python might collect by itself in the middle, by chance
    try:
        for share in shares:
            validate(road.services, share, make_suite=make_suite)
    finally:
        gc.enable()

    [checker] = checkers
    assert len(checker.alive) > 3
    assert set(checker.alive) == {0}
