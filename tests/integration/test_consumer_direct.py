"""Batches that are copied straight into the table: when they fall back to the merge, and what bad rows do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.database.handler import DatabaseHandler
from consumers.delivery import Done
from headgate.failures import Cause
from headgate.message import RowBatch
from headgate.paths import sql_dir
from tests.integration.lab import COLUMNS, Lab, Row, body_of, many
from tests.polling import eventually

LIMIT = 1e6  # of amount, by a CHECK
UNTIMED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def handler(lab: Lab) -> Iterator[DatabaseHandler]:
    made = lab.handler()
    yield made
    made.close()


def forbid_merges(lab: Lab) -> None:
    """The merge needs the right to update, COPY does not."""
    lab.sql("REVOKE UPDATE ON lab.things FROM headgate_loader")


def refused(lab: Lab) -> list[tuple[int, str]]:
    return [
        (number, rule.removeprefix("sqlstate:"))
        for number, rule in lab.sql("SELECT row_number, rule FROM headgate.quarantine ORDER BY 1")
    ]


def outcome(lab: Lab, **expected: int) -> bool:
    return {name: count for name, count in lab.counts().items() if count} == expected


def test_rows_of_a_new_object_are_copied_with_what_the_message_says_of_them(
    lab: Lab, handler: DatabaseHandler
) -> None:
    forbid_merges(lab)
    one, two = lab.thing("a.csv", 5), lab.thing("b.csv", 6)
    batches = (
        lab.batch(one, many(2)),
        lab.batch(two, many(2, start=2)),
        lab.batch(one, many(1, start=4), batch=1),
    )
    assert lab.handle(handler, *batches) == [Done()] * 3
    assert lab.sql(
        "SELECT id, _row_number, _object_id, _object_version, _loaded_at <= now() FROM lab.things ORDER BY 1"
    ) == [
        ("k0000000", 1, one.object_id, 5, True),
        ("k0000001", 2, one.object_id, 5, True),
        ("k0000002", 1, two.object_id, 6, True),
        ("k0000003", 2, two.object_id, 6, True),
        ("k0000004", 1, one.object_id, 5, True),
    ]
    assert outcome(lab, rows=5, inserted=5)


def test_a_key_that_is_there_in_mid_batch_has_the_batch_merged(lab: Lab, handler: DatabaseHandler) -> None:
    lab.handle(handler, lab.batch(lab.thing("a.csv", 1), [("k0001500", -1.0, "old")]))
    thing = lab.thing("b.csv", 2)
    assert lab.handle(handler, lab.batch(thing, many(3_000))) == [Done()]
    assert lab.counts(thing) == lab.counts(thing) | {"rows": 3_000, "inserted": 2_999, "updated": 1}
    assert lab.rows()["k0001500"] == (1500.0, "n")


def test_after_a_merge_that_found_nothing_rows_are_copied_again(lab: Lab, handler: DatabaseHandler) -> None:
    lab.handle(handler, lab.batch(lab.thing("a.csv", 1), many(1)))
    thing = lab.thing("b.csv", 2)
    lab.handle(handler, lab.batch(thing, many(10)))  # k0 is there
    lab.handle(handler, lab.batch(thing, many(10, start=10), first=11, batch=1))  # merged, all new
    forbid_merges(lab)
    assert lab.handle(handler, lab.batch(thing, many(10, start=20), first=21, batch=2)) == [Done()]
    assert lab.counts(thing) == lab.counts(thing) | {"rows": 30, "inserted": 29, "unchanged": 1}


@pytest.mark.parametrize("place", [0, 1_111, 2_999])
@pytest.mark.parametrize(
    ("row", "sqlstate"),
    [
        (("bad", "1e999", "n"), "22003"),
        (("bad", 1.0, None), "23502"),
        (("bad", 2 * LIMIT, "n"), "23514"),
        (("bad", 1.0, "taken"), "23505"),
    ],
)
def test_a_bad_row_stops_only_itself(
    lab: Lab, handler: DatabaseHandler, row: Row, sqlstate: str, place: int
) -> None:
    lab.sql(f"ALTER TABLE lab.things ADD CHECK (amount < {LIMIT})")
    lab.sql("CREATE UNIQUE INDEX ON lab.things (note) WHERE note = 'taken'")
    lab.handle(handler, lab.batch(lab.thing("a.csv", 1), [("first", 1.0, "taken")]))
    rows = many(3_000)
    rows[place] = row
    if sqlstate != "23505":
        forbid_merges(lab)
    assert lab.handle(handler, lab.batch(lab.thing("b.csv", 2), rows)) == [Done()]
    assert refused(lab) == [(place + 1, sqlstate)]
    assert outcome(lab, rows=3_001, inserted=3_000, quarantined=1)


def test_bad_rows_of_all_kinds_in_one_batch(lab: Lab, handler: DatabaseHandler) -> None:
    lab.sql(f"ALTER TABLE lab.things ADD CHECK (amount < {LIMIT})")
    lab.sql("CREATE UNIQUE INDEX ON lab.things (note) WHERE note = 'taken'")
    rows = many(1_000)
    rows[0] = ("bad 0", "x", "n")
    rows[1] = ("good", 1.0, "taken")
    rows[2] = ("bad 1", 1.0, None)
    rows[500] = ("bad 2", LIMIT, "n")
    rows[998] = ("bad 3", 1.0, "taken")
    rows[999] = ("bad 4", "x", "n")
    lab.handle(handler, lab.batch(lab.thing("a.csv", 1), rows))
    assert refused(lab) == [(1, "22P02"), (3, "23502"), (501, "23514"), (999, "23505"), (1000, "22P02")]
    assert outcome(lab, rows=1_000, inserted=995, quarantined=5)


def test_a_bad_row_and_a_key_that_is_there(lab: Lab, handler: DatabaseHandler) -> None:
    lab.handle(handler, lab.batch(lab.thing("a.csv", 1), [("k0000900", -1.0, "old")]))
    rows = many(1_000)
    rows[100] = ("bad", "x", "n")
    lab.handle(handler, lab.batch(lab.thing("b.csv", 2), rows))
    assert refused(lab) == [(101, "22P02")]
    assert outcome(lab, rows=1_001, inserted=999, updated=1, quarantined=1)


def test_more_bad_rows_than_a_few_are_searched_for_in_the_staging_table(
    lab: Lab, handler: DatabaseHandler
) -> None:
    rows: list[Row] = [(f"k{n}", "x" if n % 10 == 0 else 1.0, "n") for n in range(500)]
    lab.handle(handler, lab.batch(lab.thing("a.csv", 1), rows))
    assert [number for number, _ in refused(lab)] == list(range(1, 500, 10))
    assert outcome(lab, rows=500, inserted=450, quarantined=50)


@pytest.mark.parametrize("rule", ["ADD UNIQUE (note)", "ADD EXCLUDE (note WITH =)"])
def test_a_rule_that_meets_the_rows_own_earlier_state_refuses_nothing(
    lab: Lab, handler: DatabaseHandler, rule: str
) -> None:
    """It is older than the index of the key here, so that it is asked before it."""
    lab.sql("ALTER TABLE lab.things DROP CONSTRAINT things_pkey")
    lab.sql(f"ALTER TABLE lab.things {rule}; ALTER TABLE lab.things ADD PRIMARY KEY (id)")
    lab.handle(handler, lab.batch(lab.thing("a.csv", 1), [("p", 1.0, "one")]))
    again: list[Row] = [("o", 0.0, "zero"), ("p", 2.0, "one"), ("q", 3.0, "two")]
    lab.handle(handler, lab.batch(lab.thing("b.csv", 2), again))
    assert lab.rows() == {"o": (0.0, "zero"), "p": (2.0, "one"), "q": (3.0, "two")}
    assert outcome(lab, rows=4, inserted=3, updated=1)


def test_a_row_that_refers_to_another_of_its_batch_is_not_refused_for_a_third(
    lab: Lab, handler: DatabaseHandler
) -> None:
    """Part by part the one may come before the other."""
    lab.sql("ALTER TABLE lab.things ADD FOREIGN KEY (note) REFERENCES lab.things (id)")
    rows: list[Row] = [("a", 1.0, "d"), ("b", 1.0, "b"), ("bad", "x", "b"), ("c", 1.0, "c"), ("d", 1.0, "a")]
    assert lab.handle(handler, lab.batch(lab.thing("a.csv", 1), rows)) == [Done()]
    assert refused(lab) == [(3, "22P02")]
    assert outcome(lab, rows=5, inserted=4, quarantined=1)


def test_rows_that_a_trigger_of_the_owner_leaves_out_are_no_wrong_count(
    lab: Lab, handler: DatabaseHandler
) -> None:
    lab.sql(
        "CREATE FUNCTION lab.without_zero() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.amount = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER without_zero BEFORE INSERT ON lab.things FOR EACH ROW"
        " EXECUTE FUNCTION lab.without_zero()"
    )
    assert lab.handle(handler, lab.batch(lab.thing("a.csv", 1), many(3))) == [Done()]
    assert sorted(lab.rows()) == ["k0000001", "k0000002"]
    assert outcome(lab, rows=3, inserted=2, unchanged=1)


def test_a_row_number_that_stands_twice_fails_where_rows_must_be_told_apart(
    lab: Lab, handler: DatabaseHandler
) -> None:
    body = body_of([("p", 1.0, "n"), ("q", 1.0, "n")]) + b'2,"r",x,"n"\n'
    [rejected] = lab.handle(handler, lab.raw_batch(lab.thing("a.csv", 1), body, 3))
    assert (rejected.cause, rejected.reason) == (Cause.ROW_COUNT, "a row number stands in the body twice")
    assert (lab.rows(), refused(lab)) == ({}, [])


def test_a_body_with_other_rows_than_the_message_says_leaves_nothing(
    lab: Lab, handler: DatabaseHandler
) -> None:
    for rows in (2, 4):
        [rejected] = lab.handle(handler, lab.raw_batch(lab.thing(f"{rows}.csv", 1), body_of(many(3)), rows))
        assert rejected.cause is Cause.ROW_COUNT
    assert lab.rows() == {}


def test_a_table_made_before_the_migration_is_merged_into_and_after_it_copied_into(
    lab: Lab, handler: DatabaseHandler
) -> None:
    lab.sql("ALTER TABLE lab.things ALTER _object_id DROP DEFAULT, ALTER _object_version DROP DEFAULT")
    thing = lab.thing("a.csv", 1)
    assert lab.handle(handler, lab.batch(thing, many(5))) == [Done()]
    migration = (sql_dir() / "migrations" / "0008_direct_copy.sql").read_text()
    with closing(psycopg2.connect(lab.database.owner_url)) as owner, owner, owner.cursor() as cursor:
        cursor.execute(migration)
    forbid_merges(lab)
    assert lab.handle(handler, lab.batch(thing, many(5, start=5), first=6, batch=1)) == [Done()]
    assert outcome(lab, rows=10, inserted=10)
    assert lab.sql("SELECT DISTINCT _object_id, _object_version FROM lab.things") == [(thing.object_id, 1)]


def test_a_table_with_policies_is_merged_into(lab: Lab, handler: DatabaseHandler) -> None:
    lab.sql("ALTER TABLE lab.things ENABLE ROW LEVEL SECURITY")
    lab.sql("CREATE POLICY everything ON lab.things USING (true) WITH CHECK (true)")
    assert lab.handle(handler, lab.batch(lab.thing("a.csv", 1), many(5))) == [Done()]
    assert outcome(lab, rows=5, inserted=5)


def test_nothing_is_copied_into_a_table_that_lost_its_key(lab: Lab, handler: DatabaseHandler) -> None:
    thing = lab.thing("a.csv", 1)
    lab.handle(handler, lab.batch(thing, many(5)))
    lab.sql("ALTER TABLE lab.things DROP CONSTRAINT things_pkey")
    [rejected] = lab.handle(handler, lab.batch(thing, many(5), first=6, batch=1))
    assert rejected.cause is Cause.REFUSED_STATEMENT
    assert lab.sql("SELECT count(*) FROM lab.things") == [(5,)]


def test_a_row_that_somebody_else_has_under_way_is_waited_for_in_the_merge(
    lab: Lab, handler: DatabaseHandler
) -> None:
    """Waiting within COPY, in the order of the file, could be a deadlock."""
    old, thing = lab.thing("a.csv", 1), lab.thing("b.csv", 2)
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(lab.database.admin_url)) as other:
        other.cursor().execute(
            "INSERT INTO lab.things (id, note, _object_id, _row_number, _object_version)"
            " VALUES ('k0000003', 'old', %s, 1, 1)",
            (old.object_id,),
        )
        handling = pool.submit(lab.handle, handler, lab.batch(thing, many(5)))
        eventually(lambda: waits_in(lab, "INSERT INTO"))
        other.commit()
        assert handling.result() == [Done()]
    assert lab.counts(thing) == lab.counts(thing) | {"rows": 5, "inserted": 4, "updated": 1}


def waits_in(lab: Lab, statement: str) -> bool:
    """Whether such a statement waits for somebody else."""
    return lab.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock' AND position(%s IN query) > 0",
        statement,
    ) == [(1,)]


def test_consumers_side_by_side_with_the_same_keys_in_opposite_orders(lab: Lab) -> None:
    things = {name: lab.thing(name, version) for version, name in enumerate(("up.csv", "down.csv"), 1)}
    rows = {"up.csv": many(4_000, note="up.csv"), "down.csv": many(4_000, note="down.csv")[::-1]}
    batches = {
        name: [
            lab.batch(thing, rows[name][start : start + 1_000], first=start + 1, batch=start)
            for start in range(0, 4_000, 1_000)
        ]
        for name, thing in things.items()
    }
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(partial(apply_all, lab), batches.keys(), batches.values()):
            pass
    assert {note for _, note in lab.rows().values()} == {"down.csv"}
    counts = lab.counts()
    assert counts["rows"] == 8_000
    assert counts["inserted"] == 4_000
    assert counts["updated"] + counts["superseded"] == 4_000


def apply_all(lab: Lab, name: str, batches: list[RowBatch]) -> None:
    with closing(lab.handler(name)) as handler:
        assert lab.handle(handler, *batches) == [Done()] * len(batches)


def test_a_key_that_somebody_inserts_during_the_merge_is_merged_with(
    lab: Lab, handler: DatabaseHandler
) -> None:
    """MERGE has found that it is not there, waits for it and is refused."""
    lab.handle(handler, lab.batch(lab.thing("b.csv", 1), many(1)))
    other_thing, thing = lab.thing("a.csv", 2), lab.thing("b.csv", 3)
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(lab.database.admin_url)) as other:
        other.cursor().execute(
            "INSERT INTO lab.things (id, note, _object_id, _row_number, _object_version)"
            " VALUES ('k0000003', 'old', %s, 1, 2)",
            (other_thing.object_id,),
        )
        handling = pool.submit(lab.handle, handler, lab.batch(thing, many(5)))
        eventually(lambda: waits_in(lab, "MERGE INTO"))
        other.commit()
        assert handling.result() == [Done()]
    assert lab.counts(thing) == lab.counts(thing) | {"rows": 5, "inserted": 3, "updated": 1, "unchanged": 1}


def test_rows_that_somebody_changes_during_the_merge_are_merged_with_as_they_are_then(
    lab: Lab, handler: DatabaseHandler
) -> None:
    """MERGE waits for them and judges them anew: still old, the same by now, and newer by now."""
    lab.handle(handler, lab.batch(lab.thing("b.csv", 1), many(3)))
    same, newer = lab.thing("a.csv", 2), lab.thing("c.csv", 4, state="held")
    thing = lab.thing("b.csv", 3)
    rows: list[Row] = [(key, amount, "new") for key, amount, _ in many(3)]
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(lab.database.admin_url)) as other:
        change = "UPDATE lab.things SET note = %s, _object_id = %s, _object_version = %s WHERE id = %s"
        for values in (
            ("old", same.object_id, 2, "k0000000"),
            ("new", same.object_id, 2, "k0000001"),
            ("newer", newer.object_id, 4, "k0000002"),
        ):
            other.cursor().execute(change, values)
        handling = pool.submit(lab.handle, handler, lab.batch(thing, rows))
        eventually(lambda: waits_in(lab, "MERGE INTO"))
        other.commit()
        assert handling.result() == [Done()]
    assert [note for _, note in sorted(lab.rows().values())] == ["new", "new", "newer"]
    wanted = {"rows": 3, "updated": 1, "unchanged": 1, "superseded": 1}
    assert lab.counts(thing) == lab.counts(thing) | wanted


def test_after_a_conflict_each_message_has_a_transaction_of_its_own_for_a_while(
    lab: Lab, handler: DatabaseHandler
) -> None:
    lab.sql("CREATE SEQUENCE lab.once; GRANT USAGE ON lab.once TO headgate_loader")
    lab.sql(
        "CREATE FUNCTION lab.conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('lab.once') = 2 THEN RAISE 'a deadlock' USING ERRCODE = '40P01'; END IF;"
        " RETURN NULL; END $$;"
        "CREATE TRIGGER conflict AFTER INSERT ON lab.things EXECUTE FUNCTION lab.conflict()"
    )
    thing = lab.thing("a.csv", 1)
    batches = [lab.batch(thing, many(3, start=3 * n), first=3 * n + 1, batch=n) for n in range(6)]
    for part in (batches[:3], batches[3:]):
        assert lab.handle(handler, *part) == [Done()] * 3
    assert outcome(lab, rows=18, inserted=18)
    assert lab.sql("SELECT count(DISTINCT _loaded_at) FROM lab.things") == [(6,)]  # when transactions began


KINDS = {"good": None, "parse": "22P02", "null": "23502", "check": "23514"}
ROWS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 2), st.sampled_from([*["good"] * 6, *KINDS])),
    max_size=25,
    unique_by=lambda row: row[0],
)


def made(row: tuple[int, int, str]) -> Row:
    key, amount, kind = row
    amounts = {"parse": "x", "check": 2 * LIMIT}
    return (f"k{key}", amounts.get(kind, float(amount)), None if kind == "null" else 'line\n, "quoted"')


@settings(max_examples=40, deadline=None, suppress_health_check=UNTIMED)
@given(files=st.lists(ROWS.filter(bool), min_size=1, max_size=4), data=st.data())
def test_whatever_meets_whatever_every_row_is_placed_once(
    lab: Lab, handler: DatabaseHandler, files: list[list[tuple[int, int, str]]], data: st.DataObject
) -> None:
    """Files of their own with overlapping keys, in batches cut anywhere, against a model of the table."""
    lab.sql(
        "TRUNCATE lab.things, headgate.receipt, headgate.object, headgate.chunk, headgate.quarantine CASCADE"
    )
    lab.sql("ALTER TABLE lab.things DROP CONSTRAINT IF EXISTS small")
    lab.sql(f"ALTER TABLE lab.things ADD CONSTRAINT small CHECK (amount < {LIMIT})")
    table: dict[str, float] = {}
    for version, rows in enumerate(files, 1):
        thing = lab.thing(f"{version}.csv", version)
        cut = data.draw(st.integers(0, len(rows)), label="cut")
        parts = [(0, rows[:cut]), (cut, rows[cut:])]
        batches = [
            lab.batch(thing, [made(row) for row in part], first=start + 1, batch=number)
            for number, (start, part) in enumerate(parts)
            if part
        ]
        assert lab.handle(handler, *batches) == [Done()] * len(batches)
        good = {f"k{key}": float(amount) for key, amount, kind in rows if kind == "good"}
        expected = {
            "rows": len(rows),
            "inserted": len(good.keys() - table.keys()),
            "updated": sum(table.get(key, amount) != amount for key, amount in good.items()),
            "unchanged": sum(table.get(key) == amount for key, amount in good.items()),
            "superseded": 0,
            "quarantined": len(rows) - len(good),
        }
        assert lab.counts(thing) == expected
        found = lab.sql(
            "SELECT row_number, rule FROM headgate.quarantine WHERE object_id = %s ORDER BY 1",
            thing.object_id,
        )
        assert found == [
            (number, f"sqlstate:{KINDS[kind]}")
            for number, (_, _, kind) in enumerate(rows, 1)
            if kind != "good"
        ]
        table |= good
    assert {key: amount for key, (amount, _) in lab.rows().items()} == table


def test_columns_that_a_message_lacks_are_null(lab: Lab, handler: DatabaseHandler) -> None:
    forbid_merges(lab)
    columns = tuple(name for name in COLUMNS if name != "amount")
    batch = lab.raw_batch(lab.thing("a.csv", 1), b'1,"x","n"\n', 1, columns=columns)
    assert lab.handle(handler, batch) == [Done()]
    assert lab.rows() == {"x": (None, "n")}
