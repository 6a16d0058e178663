"""A reload is the way out when what was staged or sent of an object is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headgate import ledger
from headgate.errors import Fatal
from headgate.steps import staging
from headgate.steps.lanes import Share
from headgate.steps.stream import stream
from tests.conftest import Environment
from tests.integration.road import Road, consumer, make_road, many, plant, plants


@pytest.fixture
def road(environment: Environment) -> Iterator[Road]:
    made = make_road(environment, chunkBytes=4096)
    with consumer(environment):
        yield made


def test_an_object_whose_staged_bytes_are_lost_is_read_again_by_a_reload(road: Road) -> None:
    # given a published object with a bad row, one half of it sent, a chunk of the other damaged in staging
    key = road.put("plnt23.csv", plants(*many(150), plant(151, capacity="x")))
    dead = road.open()
    road.audit(dead)
    (found,) = road.services.ledger(ledger.objects_of_run, dead.run_id)
    first, second, *_ = road.services.ledger(ledger.chunks_of, found.object_id)
    stream(road.services, Share(dead.run_id, first.chunk_id % 2, 2))
    damaged = staging.batches_key(found.dataset, found.object_id, second.ordinal, second.staged)
    road.services.store.put_bytes(road.services.staging, damaged, b"lost" * 5000)
    with pytest.raises(Fatal, match="reload"):
        road.run()
    # when it is reloaded
    books = road.run(reload=True)
    # then all its rows are accounted for, and nothing waits for the lost ones any more
    assert (books.run.state, books.balanced) == ("success", True)
    assert (books.run.read, books.run.quarantined) == (151, 1)
    assert len(road.table()) == 150
    given_up = road.services.ledger(ledger.get_object, found.object_id)
    assert (given_up.state, given_up.reason) == (
        "held",
        f"not loaded completely; object {newest(road, key)} read it again",
    )
    assert road.rows("SELECT state, count(*) FROM headgate.quarantine GROUP BY 1 ORDER BY 1") == [
        ("dismissed", 1),
        ("open", 1),
    ]
    last = road.run()
    assert (last.run.state, last.run.objects) == ("success", 0)


def newest(road: Road, key: str) -> int:
    ((object_id,),) = road.rows("SELECT max(object_id) FROM headgate.object WHERE key = %s", key)
    return int(object_id)
