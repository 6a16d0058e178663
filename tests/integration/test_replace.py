"""Policy ``replace``: what the newest version of an object no longer has is removed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.database.handler import DatabaseHandler
from consumers.delivery import Done
from headgate import ledger
from headgate.db import connect, transaction
from headgate.errors import DataError, Fatal
from headgate.ledger import Removal
from headgate.message import RowBatch
from headgate.receipts import lock_datasets
from tests.integration.lab import Lab, Thing
from tests.integration.test_arrival_order import waiting
from tests.polling import eventually

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

ALL = 1.0  # threshold at which any number of rows may go
Values = Mapping[str, int]  # a version's rows: key to amount


@dataclass
class Things:
    """The lab's dataset under policy replace: real consumers' handlers, a ledger as the steps leave it."""

    lab: Lab
    pipeline: Connection
    handlers: tuple[DatabaseHandler, DatabaseHandler]
    batches: dict[int, list[RowBatch]] = field(default_factory=dict)

    def apply_contract(self, policy: str) -> None:
        """From now on versions come under this policy."""
        self.lab.apply_contract({"property": "onRewrite", "value": policy})

    def publish(self, lineage: str, version: int, values: Values, *, cut: int = 0, **options: Any) -> Thing:
        """A version past the gate; its rows in two messages, the first ``cut`` of them in one."""
        thing = self.lab.thing(lineage, version, **options)
        rows = [(key, float(amount), "n") for key, amount in values.items()]
        parts = [(0, rows[:cut], 1), (1, rows[cut:], cut + 1)]
        self.batches[thing.object_id] = [
            self.lab.batch(thing, part, first=first, batch=batch) for batch, part, first in parts if part
        ]
        for batch in self.batches[thing.object_id]:
            self.lab.sql(
                "INSERT INTO headgate.batch (message_id, chunk_id, ordinal, byte_offset, byte_length, rows,"
                " first_row, last_row, sha256) VALUES (%s, %s, %s, 0, 1, %s, 1, 1, %s)",
                str(batch.message_id),
                thing.chunk_id,
                batch.batch,
                batch.rows,
                batch.sha256,
            )
        self.lab.sql(
            "UPDATE headgate.chunk SET state = 'streamed', rows_read = %s, rows_accepted = %s"
            " WHERE chunk_id = %s",
            len(rows),
            len(rows),
            thing.chunk_id,
        )
        return thing

    def deliver(self, *batches: RowBatch, handler: int = 0) -> None:
        """Messages in one transaction of one of the consumers."""
        if batches:
            assert set(self.lab.handle(self.handlers[handler], *batches)) == {Done()}

    def remove(self, thing: Thing, threshold: float = ALL) -> Removal | None:
        """What the report step does for a version."""
        return ledger.remove_vanished(self.pipeline, thing.object_id, threshold)

    def load(self, lineage: str, version: int, values: Values, **options: Any) -> Thing:
        """All of it: published, applied, what vanished removed."""
        thing = self.publish(lineage, version, values, **options)
        self.deliver(*self.batches[thing.object_id])
        self.remove(thing)
        return thing

    def quarantine(self, thing: Thing, rule: str = "type", state: str = "open", replay_key: str = "") -> None:
        """A bad row of the version, number 99."""
        self.lab.sql(
            "INSERT INTO headgate.quarantine (dataset, object_id, chunk_id, row_number, line, stage, rule,"
            " reason, raw, state, replay_key)"
            " VALUES ('things', %s, %s, 99, 99, 'validate', %s, 'bad', 'bad', %s, nullif(%s, ''))",
            thing.object_id,
            thing.chunk_id,
            rule,
            state,
            replay_key,
        )
        self.lab.sql(
            "UPDATE headgate.chunk SET rows_read = rows_read + 1, rows_rejected = 1 WHERE chunk_id = %s",
            thing.chunk_id,
        )

    def settle_quarantine(self, state: str) -> None:
        self.lab.sql("UPDATE headgate.quarantine SET state = %s", state)

    def table(self) -> dict[str, float | None]:
        return {key: amount for key, (amount, _) in self.lab.rows().items()}

    def state(self, thing: Thing) -> tuple[str, int]:
        [(state, removed)] = self.lab.sql(
            "SELECT state, rows_removed FROM headgate.object WHERE object_id = %s", thing.object_id
        )
        return state, removed


@pytest.fixture
def things(lab: Lab) -> Iterator[Things]:
    handlers = (lab.handler("one"), lab.handler("two"))
    with closing(connect(lab.database.pipeline_url)) as pipeline:
        made = Things(lab, pipeline, handlers)
        made.apply_contract("replace")
        yield made
    for handler in handlers:
        handler.close()


def test_what_the_newest_version_lacks_is_removed_and_counted(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1, "r": 1})
    before = things.lab.sql("SELECT _loaded_at FROM lab.things WHERE id = 'p'")
    newest = things.publish("a.csv", 2, {"p": 1, "q": 2})
    things.deliver(*things.batches[newest.object_id])
    assert things.state(newest) == ("published", 0)
    assert things.remove(newest) == Removal(removed=1, vanished=1, of_rows=3, unsettled=0)
    assert things.table() == {"p": 1, "q": 2}
    assert things.state(newest) == ("loaded", 1)
    # then a row that is as before was unchanged, though it is the new version's now
    counts = things.lab.counts(newest)
    assert (counts["updated"], counts["unchanged"], counts["inserted"]) == (1, 1, 0)
    assert things.lab.sql("SELECT _loaded_at FROM lab.things WHERE id = 'p'") == before
    assert things.lab.sql("SELECT DISTINCT _object_id FROM lab.things") == [(newest.object_id,)]


def test_removing_again_removes_and_counts_nothing(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1})
    newest = things.load("a.csv", 2, {"p": 1})
    assert things.remove(newest) == Removal(removed=0, vanished=0, of_rows=1, unsettled=0)
    assert things.state(newest) == ("loaded", 1)


def test_nothing_is_removed_while_a_message_is_on_its_way(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1})
    newest = things.publish("a.csv", 2, {"p": 1, "q": 2}, cut=1)
    first, second = things.batches[newest.object_id]
    things.deliver(first)
    assert things.remove(newest) is None
    assert (things.table(), things.state(newest)) == ({"p": 1, "q": 1}, ("published", 0))
    things.deliver(second)
    things.remove(newest)
    assert (things.table(), things.state(newest)) == ({"p": 1, "q": 2}, ("loaded", 0))


def test_a_version_that_is_not_the_newest_removes_nothing(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1, "r": 1})
    between = things.publish("a.csv", 2, {"p": 1})
    newest = things.publish("a.csv", 3, {"p": 1, "q": 1})
    for thing in (newest, between):
        things.deliver(*things.batches[thing.object_id])
    assert things.remove(between) == Removal(0, 0, 0, 0)
    assert things.table() == {"p": 1, "q": 1, "r": 1}
    assert things.remove(newest) == Removal(removed=1, vanished=1, of_rows=3, unsettled=0)
    assert things.table() == {"p": 1, "q": 1}


def test_a_held_version_removes_nothing(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1})
    held = things.publish("a.csv", 2, {}, state="held")
    assert things.remove(held) is None
    assert things.table() == {"p": 1}


def test_messages_of_an_older_version_bring_nothing_back(things: Things) -> None:
    older = things.publish("a.csv", 1, {"p": 1, "q": 1}, cut=1)
    first, late = things.batches[older.object_id]
    things.deliver(first)
    things.load("a.csv", 2, {"x": 1})
    assert things.table() == {"x": 1}
    things.deliver(late, first)
    assert things.table() == {"x": 1}
    assert things.lab.counts(older)["superseded"] == 1


def test_rows_that_another_file_has_taken_stay(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1})
    things.load("b.csv", 2, {"q": 1})
    things.load("a.csv", 3, {"p": 1})
    assert things.table() == {"p": 1, "q": 1}


def test_rows_of_another_file_are_no_business_of_this_one(things: Things) -> None:
    things.load("b.csv", 1, {"x": 1})
    things.load("a.csv", 2, {"p": 1})
    empty = things.load("a.csv", 3, {})
    assert (things.table(), things.state(empty)) == ({"x": 1}, ("loaded", 1))


def test_a_late_file_takes_what_a_newer_version_of_another_no_longer_has(things: Things) -> None:
    """Else it would count as superseded by a row that is removed a moment later."""
    things.load("a.csv", 1, {"p": 1, "q": 1})
    newest = things.publish("a.csv", 3, {"p": 1})
    things.deliver(*things.batches[newest.object_id])
    late = things.publish("b.csv", 2, {"p": 2, "q": 2})
    things.deliver(*things.batches[late.object_id])
    assert things.lab.counts(late) == things.lab.counts(late) | {"updated": 1, "superseded": 1}
    things.remove(newest)
    assert things.table() == {"p": 1, "q": 2}


def test_versions_that_were_merged_still_vouch_for_the_rows_they_left_alone(things: Things) -> None:
    things.apply_contract("merge")
    things.load("a.csv", 1, {"p": 1})
    things.load("a.csv", 3, {"p": 1})
    things.apply_contract("replace")
    things.load("b.csv", 2, {"p": 2})
    assert things.table() == {"p": 1}


def test_the_first_version_under_the_policy_removes_what_was_merged_before(things: Things) -> None:
    things.apply_contract("merge")
    merged = things.load("a.csv", 1, {"p": 1, "q": 1, "r": 1})
    assert things.remove(merged) is None
    things.load("a.csv", 2, {"p": 1, "q": 1})
    assert things.table() == {"p": 1, "q": 1, "r": 1}
    things.apply_contract("replace")
    things.load("a.csv", 3, {"p": 1, "r": 2})
    assert things.table() == {"p": 1, "r": 2}


@pytest.mark.parametrize("state", ["open", "replayed"])
def test_rows_in_quarantine_keep_all_that_seems_to_have_vanished(things: Things, state: str) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1})
    newest = things.publish("a.csv", 2, {"p": 1})
    things.quarantine(newest, state=state, replay_key="replay/1.csv")
    things.deliver(*things.batches[newest.object_id])
    assert things.remove(newest) == Removal(removed=0, vanished=1, of_rows=2, unsettled=1)
    assert (things.table(), things.state(newest)) == ({"p": 1, "q": 1}, ("loaded", 0))
    # when it was decided on
    things.settle_quarantine("dismissed")
    assert things.remove(newest) == Removal(removed=1, vanished=1, of_rows=2, unsettled=0)
    assert things.table() == {"p": 1}


def test_a_key_that_repeats_keeps_nothing(things: Things) -> None:
    """Its first row is in the table."""
    things.load("a.csv", 1, {"p": 1, "q": 1})
    newest = things.publish("a.csv", 2, {"p": 1})
    things.quarantine(newest, rule="unique_key")
    things.deliver(*things.batches[newest.object_id])
    things.remove(newest)
    assert things.table() == {"p": 1}


def test_the_last_replay_of_a_version_removes_what_neither_of_them_has(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1, "r": 1})
    newest = things.publish("a.csv", 2, {"p": 1})
    things.quarantine(newest, state="replayed", replay_key="replay/1.csv")
    things.deliver(*things.batches[newest.object_id])
    things.remove(newest)
    replay = things.publish("a.csv", 2, {"q": 2})
    things.lab.sql(
        "UPDATE headgate.object SET replay_of = %s, key = 'replay/1.csv' WHERE object_id = %s",
        newest.object_id,
        replay.object_id,
    )
    assert things.table() == {"p": 1, "q": 1, "r": 1}
    things.deliver(*things.batches[replay.object_id])
    assert things.remove(replay) == Removal(removed=1, vanished=1, of_rows=3, unsettled=0)
    assert (things.table(), things.state(replay)) == ({"p": 1, "q": 2}, ("loaded", 1))


def test_a_replay_of_an_older_version_brings_nothing_back(things: Things) -> None:
    older = things.publish("a.csv", 1, {"p": 1})
    things.quarantine(older, state="replayed", replay_key="replay/1.csv")
    things.deliver(*things.batches[older.object_id])
    things.remove(older)
    things.load("a.csv", 2, {"p": 1})
    replay = things.publish("a.csv", 1, {"gone": 1})
    things.lab.sql(
        "UPDATE headgate.object SET replay_of = %s, key = 'replay/1.csv' WHERE object_id = %s",
        older.object_id,
        replay.object_id,
    )
    things.deliver(*things.batches[replay.object_id])
    things.remove(replay)
    assert (things.table(), things.state(replay)) == ({"p": 1}, ("loaded", 0))
    assert things.lab.counts(replay)["superseded"] == 1


def test_more_than_the_threshold_s_share_is_kept(things: Things) -> None:
    things.load("a.csv", 1, dict.fromkeys("abcdefghij", 1))
    newest = things.publish("a.csv", 2, dict.fromkeys("abcdefg", 1))
    things.deliver(*things.batches[newest.object_id])
    assert things.remove(newest, 0.2) == Removal(removed=0, vanished=3, of_rows=10, unsettled=0)
    assert (len(things.table()), things.state(newest)) == (10, ("loaded", 0))
    assert things.remove(newest, 0.3) == Removal(removed=3, vanished=3, of_rows=10, unsettled=0)
    assert (len(things.table()), things.state(newest)) == (7, ("loaded", 3))


@pytest.mark.parametrize(
    ("rows", "left", "threshold", "goes"),
    [
        ("abc", "ab", 0.2, True),
        ("ab", "a", 0.01, True),
        ("abc", "a", 0.2, False),
        ("a", "", 0.2, False),
        ("abc", "ab", 0.0, False),
    ],
)
def test_of_few_rows_one_may_go_where_others_stay(
    things: Things, rows: str, left: str, threshold: float, goes: bool
) -> None:
    things.load("a.csv", 1, dict.fromkeys(rows, 1))
    newest = things.publish("a.csv", 2, dict.fromkeys(left, 1))
    things.deliver(*things.batches[newest.object_id])
    things.remove(newest, threshold)
    assert "".join(sorted(things.table())) == (left if goes else rows)


def test_books_that_do_not_balance_keep_everything(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1})
    newest = things.publish("a.csv", 2, {"p": 1})
    things.quarantine(newest)
    things.lab.sql("DELETE FROM headgate.quarantine")
    things.deliver(*things.batches[newest.object_id])
    assert things.remove(newest) == Removal(0, 0, 0, 0)
    assert things.table() == {"p": 1, "q": 1}


def test_a_row_that_somebody_s_table_refers_to_is_told_of(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1})
    things.lab.sql("CREATE TABLE lab.uses (id text REFERENCES lab.things); INSERT INTO lab.uses VALUES ('q')")
    newest = things.publish("a.csv", 2, {"p": 1})
    things.deliver(*things.batches[newest.object_id])
    with pytest.raises(DataError, match="violates foreign key"):
        things.remove(newest)
    assert (things.table(), things.state(newest)) == ({"p": 1, "q": 1}, ("published", 0))


def test_rows_around_one_that_postgres_refuses_are_the_new_version_s_too(things: Things) -> None:
    """They are merged in parts, by another statement."""
    things.lab.sql("ALTER TABLE lab.things ADD CHECK (amount < 100)")
    things.load("a.csv", 1, {"p": 1, "q": 1, "r": 1})
    newest = things.publish("a.csv", 2, {"p": 1, "bad": 200, "q": 1})
    things.deliver(*things.batches[newest.object_id])
    assert things.remove(newest) == Removal(removed=0, vanished=1, of_rows=3, unsettled=1)
    things.settle_quarantine("dismissed")
    things.remove(newest)
    assert things.table() == {"p": 1, "q": 1}


def test_a_removal_waits_for_consumers_that_write(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1, "q": 1})
    newest = things.publish("a.csv", 2, {"p": 1})
    things.deliver(*things.batches[newest.object_id])
    with closing(connect(things.lab.database.loader_url)) as conn, ThreadPoolExecutor(1) as pool:
        with transaction(conn) as cursor:
            lock_datasets(cursor, ["things"])
            removing = pool.submit(things.remove, newest)
            eventually(lambda: waiting(things.lab.database))
            assert things.table() == {"p": 1, "q": 1}
        removing.result(60)
    assert things.table() == {"p": 1}


def test_tasks_may_remove_rows_in_this_way_only(things: Things) -> None:
    things.load("a.csv", 1, {"p": 1})
    with pytest.raises(Fatal, match="permission denied"), transaction(things.pipeline) as cursor:
        cursor.execute("DELETE FROM lab.things")
    with closing(connect(things.lab.database.reader_url)) as conn, pytest.raises(Fatal, match="permission"):
        ledger.remove_vanished(conn, 1, ALL)


KEYS = {"a.csv": ("p", "q", "r", "s"), "b.csv": ("t", "u", "v")}
VERSIONS = st.lists(
    st.sampled_from(sorted(KEYS)).flatmap(
        lambda lineage: st.tuples(
            st.just(lineage),
            st.dictionaries(st.sampled_from(KEYS[lineage]), st.integers(0, 1)),
            st.integers(0, 3),  # rows in the first message
            st.booleans(),  # published together with the one before
        )
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=VERSIONS, data=st.data())
def test_any_sequence_of_versions_leaves_the_table_equal_to_the_last_ones(
    things: Things, versions: list[tuple[str, dict[str, int], int, bool]], data: st.DataObject
) -> None:
    things.lab.sql("TRUNCATE lab.things, headgate.receipt, headgate.object, headgate.chunk CASCADE")
    known: list[RowBatch] = []
    for step in published_together(versions):
        made = [things.publish(name, number, rows, cut=cut) for number, (name, rows, cut, _) in step]
        new = [batch for thing in made for batch in things.batches[thing.object_id]]
        known += new
        again = data.draw(st.lists(st.sampled_from(known), max_size=3), label="redelivered") if known else []
        deliveries = data.draw(st.permutations([*new, *again]), label="order")
        for number, delivery in enumerate(deliveries):
            things.deliver(delivery, handler=number % 2)
        for thing in data.draw(st.permutations([*made, *made]), label="reported"):
            assert things.remove(thing) is not None
        last = {name: rows for number, (name, rows, _, _) in step}
        for name, rows in last.items():
            found = {key: amount for key, amount in things.table().items() if key in KEYS[name]}
            assert found == rows
    [(removed,)] = things.lab.sql("SELECT sum(rows_removed)::bigint FROM headgate.object")
    assert things.lab.counts()["inserted"] - removed == len(things.table())


def published_together(versions: Sequence[Any]) -> list[list[tuple[int, Any]]]:
    """Numbered from 1, by the moment of their publishing."""
    steps: list[list[tuple[int, Any]]] = []
    for number, version in enumerate(versions, 1):
        if version[3] and steps:
            steps[-1].append((number, version))
        else:
            steps.append([(number, version)])
    return steps
