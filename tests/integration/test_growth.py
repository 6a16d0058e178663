"""What a step, a consumer or a person asks of the ledger costs the same with four times the history.

Costs are the pages that Postgres looks at, which no other program of the machine changes.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from benchmarks import history
from benchmarks.control_plane import CASES, Ledger
from benchmarks.rehearsal import rehearsal
from tests.conftest import fresh_database

if TYPE_CHECKING:
    from tests.conftest import Servers

MESSAGES = (10_000, 40_000)
# A higher tree or another order of a join; reading what was added would cost hundreds of pages more.
MORE, PAGES = 1.5, 150
# They take what has become due since yesterday, of which there is more in a longer history.
TAKE_WHAT_IS_DUE = {"retention: receipts", "retention: staged objects", "retention: events"}


@pytest.fixture(scope="module")
def pages(servers: Servers, template: str) -> dict[str, list[int]]:
    """Of each case, in a short and in a long history."""
    found: dict[str, list[int]] = {name: [] for name in CASES}
    for messages in MESSAGES:
        with ExitStack() as stack:
            database = stack.enter_context(fresh_database(servers, template))
            history.write(database.admin_url, messages)
            conn = stack.enter_context(rehearsal(database.admin_url))
            world = Ledger(conn, messages // history.MESSAGES_A_RUN)
            for name, case in CASES.items():
                case(world)  # sets the hints of rows that are new
                found[name].append(conn.pages_of(partial(case, world)))
    return found


@pytest.mark.parametrize("name", [name for name in CASES if name not in TAKE_WHAT_IS_DUE])
def test_a_longer_history_costs_no_more(pages: dict[str, list[int]], name: str) -> None:
    short, long = pages[name]
    assert long <= MORE * short + PAGES, f"{short} pages, and {long} with four times the messages"
