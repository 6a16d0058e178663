"""What the ledger remembers of windows, by run and for how long; two never land the same one at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from headgate.contract import Contract, contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect, transaction
from headgate.errors import Fatal
from headgate.ledger.fetch import hold_window, record_landed
from headgate.sources.catalogue import provider
from headgate.sources.model import Want, Window
from headgate.steps import fetch as fetching
from tests import tiny as things
from tests.conftest import Database, Environment
from tests.integration.test_arrival_order import waiting
from tests.integration.test_fetch import FIRST, TinyRoad, make
from tests.polling import eventually
from tests.tiny import TinyServer, tiny, tiny_server

__all__ = ["tiny", "tiny_server"]

DAY = timedelta(days=1)


@pytest.fixture
def road(environment: Environment, tiny_server: TinyServer, tmp_path: Path) -> TinyRoad:
    return make(environment, tmp_path)


def execute(road: TinyRoad, statement: str) -> None:
    with closing(connect(road.environment.database.owner_url)) as conn, transaction(conn) as cursor:
        cursor.execute(statement)


def want(road: TinyRoad, place: str) -> Want:
    assert road.contract.source is not None
    return Want(road.contract.source, Window(FIRST, FIRST + DAY), {"place": place})


def test_what_a_run_fetched_stays_in_its_books_when_others_fetch_the_same_windows_before_it_ends(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    tiny_server.put("a", "2024-01-01", 1, 2, 3)
    tiny_server.faults = {3: (400, "place b is not known")}
    first = road.request("2024-01-01", "2024-01-01")
    road.fetch(first)
    # when another run and the command line have asked for them before the first run is done
    road.fetch(road.request("2024-01-01", "2024-01-01", refetch=True))
    by_hand = fetching.Job(road.services, road.contract, provider("tiny"), None, routine=True)
    fetching.fetch_all(by_hand, [want(road, "a"), want(road, "b")])
    books = road.finish(first)
    counts = {"windows": 2, "landed": 1, "failed": 1, "pages": 2, "pages_new": 2}
    assert books.as_json()["fetched"] == counts
    assert (books.state, "place b is not known" in (books.run.reason or "")) == ("failed", True)


def test_intervals_that_were_landed_long_ago_are_forgotten_but_the_newest(
    environment: Environment, tiny_server: TinyServer, tmp_path: Path
) -> None:
    road = make(environment, tmp_path, window="interval", each={"place": ["a"]})
    tiny_server.faults = dict.fromkeys((2, 3, 4), (400, "not now"))
    for day in range(4):
        road.kind, road.interval = "scheduled", (FIRST + day * DAY, FIRST + (day + 1) * DAY)
        road.fetch(road.request())
    # the second and the third of January failed, and came in one; all are of long ago, but landed today
    assert [(day, state) for day, state, *_ in road.windows()] == [
        ("01-01", "landed"),
        ("01-02", "failed"),
        ("01-02", "landed"),
        ("01-03", "failed"),
        ("01-04", "landed"),
    ]
    # when the days have passed for which receipts are kept
    execute(road, "UPDATE headgate.fetch SET fetched_at = fetched_at - interval '91 days'")
    execute(road, "UPDATE headgate.run SET started_at = now() - interval '91 days', state = 'success'")
    road.interval = (FIRST + 4 * DAY, FIRST + 5 * DAY)
    road.plan(road.request())
    assert [(day, state) for day, state, *_ in road.windows()] == [("01-04", "landed"), ("01-05", "wanted")]
    assert road.rows("SELECT run_id FROM headgate.fetch_by_run") == [(5,)]


def test_two_never_land_the_same_window_at_the_same_time(
    road: TinyRoad, tiny_server: TinyServer, database: Database
) -> None:
    request = road.request("2024-01-01", "2024-01-01")
    with closing(connect(database.pipeline_url)) as other, ThreadPoolExecutor(1) as pool:
        hold_window(other, road.contract.dataset, want(road, "b"))
        fetched = pool.submit(road.fetch, request)
        eventually(lambda: waiting(database))
        assert [place for place, *_ in tiny_server.asked] == ["a"]
        hold_window(other, road.contract.dataset, want(road, "c"))
        fetched.result(60)
    assert [place for place, *_ in tiny_server.asked] == ["a", "b"]
    assert [state for _, state, *_ in road.windows()] == ["landed", "landed"]


@pytest.mark.parametrize(
    ("terms", "kept"),
    [
        ({}, True),
        ({"each": {"place": ["b"]}}, True),
        ({"since": "2023-12-01", "until": "2024-03-01"}, True),
        ({"since": "2024-02-01"}, True),
        ({"window": "month", "since": "2024-01-15"}, False),
        ({"window": "day"}, False),
        ({"each": {"place": ["a"], "kind": ["x"]}}, False),
    ],
)
def test_windows_that_are_replaced_keep_their_keys(
    database: Database, tiny: None, terms: dict[str, Any], kept: bool
) -> None:
    """Else rows that vanished would stay with the keys of before."""

    def replacing(**changes: Any) -> Contract:
        found = things.contract(**{"endpoint": "all", "window": "month", "each": {"place": ["a"]}} | changes)
        policy = [*found.document["customProperties"], {"property": "onRewrite", "value": "replace"}]
        return contract_from_document({**found.document, "customProperties": policy})

    with closing(connect(database.owner_url)) as conn:
        before = replacing()
        apply_contract(conn, before)
        assert before.source is not None
        window = Window(FIRST, FIRST.replace(month=2))
        landed = Want(before.source, window, {"place": "a"})
        how = {"run_id": None, "routine": True, "fetched_at": FIRST, "pages": 1, "pages_new": 1}
        record_landed(conn, before.dataset, landed, **how)
        if kept:
            assert apply_contract(conn, replacing(**terms)) == 1 + bool(terms)
            return
        with pytest.raises(Fatal, match=r"20240101T000000Z_20240201T000000Z/place=a/ is landed"):
            apply_contract(conn, replacing(**terms))
