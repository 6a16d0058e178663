"""The short set of the drills: servers of their own are killed and cut off, in under three minutes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.conftest import Servers
from tests.faults.drill import Drill, all_drills
from tests.faults.run import run_drill
from tests.faults.servers import running_servers

SHORT = [drill for drill in all_drills() if drill.short_times]


@pytest.fixture(scope="module")
def hurt_servers() -> Iterator[Servers]:
    """Not those of the other tests."""
    with running_servers() as servers:
        yield servers


@pytest.mark.slow
@pytest.mark.parametrize("drill", SHORT, ids=lambda drill: drill.name)
def test_nothing_is_lost_or_doubled(hurt_servers: Servers, drill: Drill) -> None:
    seed = secrets.randbelow(1_000_000)
    result = run_drill(hurt_servers, drill, drill.short_times, seed)
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.clean, "\n".join([f"seed {seed}", *result.lines()])
    assert sum(round_.rows_in for round_ in result.rounds) > 0
