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
from tests.tiny import tiny

__all__ = ["tiny"]

IN_A_DATABASE = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
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


@settings(IN_A_DATABASE, max_examples=30)
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


ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(["window-1/page-1", "window-1/page-2", "window-2/page-1"]),
        st.dictionaries(st.sampled_from("pqr"), VALUES),
        st.booleans(),  # it is on its way still when the next one is published
    ),
    min_size=2,
    max_size=6,
)


@pytest.fixture
def api(lab: Lab, tiny: None) -> Lab:
    """The lab's rows come from an API."""
    lab.apply_contract({"property": "source", "value": {"provider": "tiny", "endpoint": "things"}})
    return lab


@settings(IN_A_DATABASE, max_examples=60)
@given(answers=ANSWERS, data=st.data())
def test_records_of_an_api_move_between_its_answers_and_keep_their_newest_values(
    api: Lab,
    handlers: tuple[DatabaseHandler, DatabaseHandler],
    answers: list[tuple[str, dict[str, int], bool]],
    data: st.DataObject,
) -> None:
    """But for those that are gone from the answer that had them last: nobody knows where to."""
    api.sql("TRUNCATE lab.things, headgate.receipt, headgate.object, headgate.chunk CASCADE")
    waiting: list[RowBatch] = []
    newest: dict[str, tuple[int, str, float]] = {}
    for number, (name, values, late) in enumerate(answers, 1):
        thing = api.thing(name, number)
        rows: list[Row] = [(key, float(value), "n") for key, value in values.items()]
        newest |= {key: (number, name, float(value)) for key, value in values.items()}
        waiting += [api.batch(thing, rows)] if rows else []
        if not late or number == len(answers):
            for place, batch in enumerate(data.draw(st.permutations(waiting), label="order")):
                assert api.handle(handlers[place % 2], batch) == [Done()]
            waiting = []
    last = {name: number for number, (name, _, _) in enumerate(answers, 1)}
    expected = {key: value for key, (number, name, value) in newest.items() if last[name] == number}
    found = {key: amount for key, (amount, _) in api.rows().items()}
    assert found | expected == found


def test_an_older_answer_that_comes_late_changes_no_row_that_a_newer_one_confirmed(
    api: Lab, handlers: tuple[DatabaseHandler, DatabaseHandler]
) -> None:
    def answer(name: str, version: int, amount: float) -> RowBatch:
        return api.batch(api.thing(name, version), [("p", amount, "n")])

    assert api.handle(handlers[0], answer("window-1", 1, 1.0)) == [Done()]
    late = answer("window-2", 2, 2.0)
    assert api.handle(handlers[0], answer("window-1", 3, 1.0)) == [Done()]
    assert api.handle(handlers[0], late) == [Done()]
    assert api.rows() == {"p": (1.0, "n")}
