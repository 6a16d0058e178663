"""In whatever order and grouping messages come, the table ends as if applied in the order of versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.database.handler import DatabaseHandler
from consumers.delivery import Done
from headgate.message import RowBatch
from tests.integration.lab import Lab, Row

LINEAGES = {"a.csv": ("p", "q", "r"), "b.csv": ("q", "r", "s"), "c.csv": ("r", "s", "t")}
"""Files and the keys that all their versions have; the files overlap."""


@dataclass(frozen=True)
class Version:
    """A version of a file: a value for each key of the file, in up to two batches.

    ``together``: it arrived in the same moment as the one before, if that is another file.
    """

    lineage: str
    values: tuple[int, int, int]
    cut: int
    together: bool

    def rows(self) -> list[Row]:
        keys = LINEAGES[self.lineage]
        return [(key, float(value), "n") for key, value in zip(keys, self.values, strict=True)]


VALUES = st.integers(0, 2)  # few, so that rows are often equal
VERSIONS = st.lists(
    st.builds(
        Version,
        st.sampled_from(sorted(LINEAGES)),
        st.tuples(VALUES, VALUES, VALUES),
        st.integers(1, 2),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture
def handlers(lab: Lab) -> Iterator[tuple[DatabaseHandler, DatabaseHandler]]:
    made = (lab.handler("one"), lab.handler("two"))
    yield made
    for handler in made:
        handler.close()


def expected(versions: list[Version]) -> dict[str, float]:
    """The table after all versions in their order."""
    table: dict[str, float] = {}
    for version in versions:
        table |= {key: float(str(amount)) for key, amount, _ in version.rows()}
    return table


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(versions=VERSIONS, data=st.data())
def test_any_order_of_deliveries_ends_in_the_order_of_versions(
    lab: Lab, handlers: tuple[DatabaseHandler, DatabaseHandler], versions: list[Version], data: st.DataObject
) -> None:
    lab.sql("TRUNCATE lab.things, headgate.receipt, headgate.object, headgate.chunk CASCADE")
    published = publish(lab, versions, data.draw(st.integers(0, len(versions)), label="published at once"))
    delivered: list[RowBatch] = []
    for step in published:
        delivered += step
        extra = data.draw(st.lists(st.sampled_from(delivered), max_size=4), label="redelivered")
        deliveries = data.draw(st.permutations([*step, *extra]), label="order")
        size = data.draw(st.integers(1, 4), label="messages a transaction")
        for number, start in enumerate(range(0, len(deliveries), size)):
            outcomes = lab.handle(handlers[number % 2], *deliveries[start : start + size])
            assert set(outcomes) == {Done()}
    assert {key: amount for key, (amount, _) in lab.rows().items()} == expected(versions)
    counts = lab.counts()
    assert counts["rows"] == 3 * len(versions)
    assert counts["quarantined"] == 0


def publish(lab: Lab, versions: list[Version], together: int) -> list[list[RowBatch]]:
    """Batches by the moment of their publishing: the last ``together`` versions at once, the others before.

    The ledger knows the later ones only when it is their turn, as in a run after the other.
    """
    steps: list[list[RowBatch]] = []
    moments: dict[str, int] = {}
    moment = 1
    for number, version in enumerate(versions, 1):
        if not version.together or moments.get(version.lineage) == moment:
            moment += 1
        moments[version.lineage] = moment
        thing = lab.thing(version.lineage, moment)
        rows = version.rows()
        batches = [
            lab.batch(thing, rows[: version.cut]),
            lab.batch(thing, rows[version.cut :], first=version.cut + 1, batch=1),
        ]
        if number > len(versions) - together and steps:
            steps[-1] += batches
        else:
            steps.append(batches)
    return steps
