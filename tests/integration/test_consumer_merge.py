"""What the database consumer makes of fresh, repeated, corrected and late rows."""

from __future__ import annotations

import dataclasses

from consumers.delivery import Done, Reject
from headgate.failures import Cause
from tests.integration.lab import Lab, body_of, many


def test_fresh_rows_are_inserted_and_receipted(lab: Lab) -> None:
    thing = lab.thing("a.csv", 1)
    lab.send(lab.batch(thing, [("x", 1.5, "one"), ("y", None, ""), ("z", -2.0, 'two\n"lines"')]))
    assert lab.consume() == 0
    assert lab.rows() == {"x": (1.5, "one"), "y": (None, ""), "z": (-2.0, 'two\n"lines"')}
    assert lab.counts(thing) == counted(rows=3, inserted=3)
    assert lab.sql("SELECT _object_id, _row_number, _object_version FROM lab.things WHERE id = 'z'") == [
        (thing.object_id, 3, 1)
    ]


def test_a_message_delivered_again_changes_nothing(lab: Lab) -> None:
    thing = lab.thing("a.csv", 1)
    batch = lab.batch(thing, many(10))
    lab.send(batch, batch)
    lab.consume()
    lab.send(batch)
    lab.consume()
    assert lab.counts() == counted(rows=10, inserted=10)


def test_a_corrected_object_updates_just_what_changed(lab: Lab) -> None:
    old, new = lab.thing("a.csv", 1), lab.thing("a.csv", 2, state="validated")
    lab.send(lab.batch(old, [("x", 1, "a"), ("y", 2, "b"), ("z", None, "c")]))
    lab.consume()
    lab.publish_state(new, "published")
    lab.send(lab.batch(new, [("x", 1, "a"), ("y", 3, "b"), ("z", None, "c"), ("w", 9, "d")]))
    lab.consume()
    assert lab.counts(new) == counted(rows=4, inserted=1, updated=1, unchanged=2)
    assert lab.rows()["y"] == (3, "b")


def test_a_message_from_before_a_restore_does_not_pass_for_the_batch_that_has_its_id_now(lab: Lab) -> None:
    thing = lab.thing("a.csv", 1)
    lost, true = lab.batch(thing, [("x", 1, "lost")]), lab.batch(thing, [("x", 2, "true")])
    lab.sql(
        "INSERT INTO headgate.batch (message_id, chunk_id, ordinal, byte_offset, byte_length, rows,"
        " first_row, last_row, sha256) VALUES (%s, %s, 0, 0, 1, 1, 1, 1, %s)",
        str(true.message_id),
        thing.chunk_id,
        true.sha256,
    )
    rejected, done = lab.handle(lab.handler(), lost, true)
    assert isinstance(rejected, Reject)
    assert rejected.cause is Cause.CONFLICT
    assert "another batch" in rejected.reason
    assert (done, lab.rows()) == (Done(), {"x": (2, "true")})


def test_a_message_from_before_a_restore_does_not_pass_for_an_object_that_has_its_id_now(lab: Lab) -> None:
    now = lab.thing("now.csv", 1)
    of_another = lab.batch(dataclasses.replace(now, lineage="lost.csv"), [("x", 1, "lost")], batch=7)
    of_a_later = lab.batch(dataclasses.replace(now, version=2), [("x", 1, "lost")], batch=8)
    too_early = lab.batch(lab.thing("now.csv", 2, state="validated"), [("x", 1, "lost")])
    for rejected in lab.handle(lab.handler(), of_another, of_a_later, too_early):
        assert isinstance(rejected, Reject)
        assert rejected.cause is Cause.UNKNOWN_OBJECT
    assert (lab.rows(), lab.counts()) == ({}, counted(rows=0))


def test_an_older_version_arriving_late_is_all_superseded(lab: Lab) -> None:
    old, new = lab.thing("a.csv", 1), lab.thing("a.csv", 2)
    lab.send(lab.batch(new, [("x", 2, "new")]))
    lab.consume()
    lab.send(lab.batch(old, [("x", 1, "old"), ("gone", 1, "not in the new one")]))
    lab.consume()
    assert lab.rows() == {"x": (2, "new")}
    assert lab.counts(old) == counted(rows=2, superseded=2)


def test_a_row_that_the_newest_version_left_alone_is_not_overwritten_by_one_between(lab: Lab) -> None:
    """The stored version is 1, but version 3 has the same value: version 2 of another file must lose."""
    first = lab.thing("a.csv", 1)
    lab.send(lab.batch(first, [("x", 1, "a")]))
    lab.consume()
    third = lab.thing("a.csv", 3)
    lab.send(lab.batch(third, [("x", 1, "a")]))
    lab.consume()
    between = lab.thing("b.csv", 2)
    lab.send(lab.batch(between, [("x", 5, "b"), ("y", 6, "b")]))
    lab.consume()
    assert lab.rows() == {"x": (1, "a"), "y": (6, "b")}
    assert lab.counts(third) == counted(rows=1, unchanged=1)
    assert lab.counts(between) == counted(rows=2, inserted=1, superseded=1)


def test_an_equal_row_of_another_file_passes_to_the_newer_one(lab: Lab) -> None:
    """Else a file between the two would take the older one's row, which the newer one has confirmed."""
    lab.send(lab.batch(lab.thing("a.csv", 1), [("x", 1, "a")]))
    lab.consume()
    lab.send(lab.batch(lab.thing("b.csv", 3), [("x", 1, "a")]))
    lab.consume()
    lab.send(lab.batch(lab.thing("c.csv", 2), [("x", 7, "c")]))
    lab.consume()
    assert lab.rows() == {"x": (1, "a")}


def test_rows_of_a_newer_object_that_was_given_up_are_not_overwritten(lab: Lab) -> None:
    newer = lab.thing("b.csv", 2)
    lab.send(lab.batch(newer, [("x", 2, "b")]))
    lab.consume()
    lab.publish_state(newer, "held")
    older = lab.thing("a.csv", 1)
    lab.send(lab.batch(older, [("x", 1, "a"), ("y", 1, "a")]))
    lab.consume()
    assert lab.rows() == {"x": (2, "b"), "y": (1, "a")}
    assert lab.counts(older) == counted(rows=2, inserted=1, superseded=1)


def test_files_published_together_end_in_their_order_however_they_arrive(lab: Lab) -> None:
    one, two, three = (lab.thing(name, version) for version, name in enumerate("abc", 1))
    lab.send(
        lab.batch(three, [("x", 3, "c")]),
        lab.batch(one, [("x", 1, "a"), ("y", 1, "a")]),
        lab.batch(two, [("x", 2, "b"), ("y", 2, "b")]),
    )
    lab.consume()
    assert lab.rows() == {"x": (3, "c"), "y": (2, "b")}
    assert lab.counts() == counted(rows=5, inserted=2, updated=1, superseded=2)


def test_a_column_that_got_another_type_is_met_anew_by_the_retry(lab: Lab) -> None:
    handler, thing = lab.handler(), lab.thing("a.csv", 1)
    assert lab.handle(handler, lab.batch(thing, [("x", 1, "2020-01-01")])) == [Done()]
    lab.sql("ALTER TABLE lab.things ALTER note TYPE date USING note::date")
    batch = lab.batch(lab.thing("a.csv", 2), [("y", 2, "2020-01-02")])  # of a later version: it is merged
    [refused] = lab.handle(handler, batch)
    assert refused.cause is Cause.REFUSED_STATEMENT
    assert lab.handle(handler, batch) == [Done()]


def test_columns_that_a_message_lacks_keep_their_values(lab: Lab) -> None:
    lab.send(lab.batch(lab.thing("a.csv", 1), [("x", 1, "old")]))
    lab.consume()
    partly = lab.raw_batch(lab.thing("b.csv", 2), b'1,"x","new"\n', 1, columns=("_row_number", "id", "note"))
    handler = lab.handler()
    assert lab.handle(handler, partly) == [Done()]
    handler.close()
    assert lab.rows() == {"x": (1, "new")}


def test_one_bad_row_among_ten_thousand_stops_only_itself(lab: Lab) -> None:
    thing = lab.thing("a.csv", 1)
    rows = many(10_000)
    rows[7_777] = ("bad", "1e999", "out of range")
    lab.send(lab.batch(thing, rows))
    lab.consume()
    assert lab.counts() == counted(rows=10_000, inserted=9_999, quarantined=1)
    assert lab.sql(
        "SELECT row_number, stage, rule, column_name, value, reason, raw FROM headgate.quarantine"
    ) == [
        (
            7_778,
            "load",
            "sqlstate:22003",
            "amount",
            "1e999",
            '"1e999" is out of range for type double precision',
            '7778,"bad",1e999,"out of range"',
        )
    ]


def test_bad_rows_behind_quoted_newlines_are_the_right_ones(lab: Lab) -> None:
    thing = lab.thing("a.csv", 1)
    rows = [(f"k{n}", "x" if n % 5 == 0 else 1.0, 'a "quoted"\nline,\n') for n in range(23)]
    lab.send(lab.batch(thing, rows))
    lab.consume()
    assert lab.counts() == counted(rows=23, inserted=18, quarantined=5)
    refused = lab.sql("SELECT row_number FROM headgate.quarantine ORDER BY 1")
    assert [number for (number,) in refused] == [1, 6, 11, 16, 21]


def test_rows_that_a_constraint_of_the_table_refuses_are_quarantined(lab: Lab) -> None:
    lab.sql("ALTER TABLE lab.things ADD CONSTRAINT amount_small CHECK (amount < 10000)")
    rows = many(3_000)
    rows[5] = ("big", 50_000.0, "n")
    rows[6] = ("null", 1.0, None)
    lab.send(lab.batch(lab.thing("a.csv", 1), rows))
    lab.consume()
    assert lab.counts() == counted(rows=3000, inserted=2998, quarantined=2)
    assert lab.sql("SELECT row_number, rule, column_name, raw FROM headgate.quarantine ORDER BY 1") == [
        (6, "sqlstate:23514", None, '6,"big",50000.0,"n"'),
        (7, "sqlstate:23502", "note", '7,"null",1.0,'),
    ]


def test_rows_that_a_deferred_constraint_refuses_stop_only_themselves(lab: Lab) -> None:
    lab.sql("CREATE TABLE lab.notes (note text PRIMARY KEY); INSERT INTO lab.notes VALUES ('n')")
    lab.sql(
        "ALTER TABLE lab.things ADD FOREIGN KEY (note) REFERENCES lab.notes DEFERRABLE INITIALLY DEFERRED"
    )
    lab.sql("GRANT SELECT ON lab.notes TO headgate_loader, headgate_owner")
    rows = [*many(5), ("odd", 1.0, "no such note")]
    lab.send(lab.batch(lab.thing("a.csv", 1), rows))
    assert lab.consume() == 0
    assert lab.counts() == counted(rows=6, inserted=5, quarantined=1)
    assert lab.sql("SELECT row_number, rule FROM headgate.quarantine") == [(6, "sqlstate:23503")]


def test_rows_that_the_server_does_not_name_are_searched_for(lab: Lab) -> None:
    """A unique index besides the key tells the values, not the row."""
    lab.sql("CREATE UNIQUE INDEX ON lab.things (note) WHERE amount >= 0")
    rows = [(f"k{number}", -1.0, "same") for number in range(1_000)]
    for number in (3, 500, 998):
        rows[number] = (f"k{number}", 1.0, "unique")
    lab.send(lab.batch(lab.thing("a.csv", 1), rows))
    lab.consume()
    assert lab.counts() == counted(rows=1000, inserted=998, quarantined=2)
    assert lab.sql("SELECT DISTINCT rule FROM headgate.quarantine") == [("sqlstate:23505",)]


def test_a_batch_of_bad_rows_only(lab: Lab) -> None:
    thing = lab.thing("a.csv", 1)
    lab.send(lab.batch(thing, [(f"k{n}", "bad", "n") for n in range(200)]))
    lab.consume()
    assert lab.counts() == counted(rows=200, quarantined=200)
    assert lab.rows() == {}


def test_a_batch_of_rows_that_a_constraint_refuses_each(lab: Lab) -> None:
    """In the order of their keys, so that the server always names the first of them."""
    lab.sql("ALTER TABLE lab.things ADD CONSTRAINT amount_small CHECK (amount < 0)")
    lab.send(lab.batch(lab.thing("a.csv", 1), many(600)))
    lab.consume()
    assert lab.counts() == counted(rows=600, quarantined=600)


def test_bytes_that_are_no_utf8_stop_only_their_row(lab: Lab) -> None:
    body = body_of([("a", 1, "x")]) + b'2,"b",1,"\xff\xfe"\n' + body_of([("c", 1, "x")], 3)
    lab.send(lab.raw_batch(lab.thing("a.csv", 1), body, 3))
    lab.consume()
    assert lab.counts() == counted(rows=3, inserted=2, quarantined=1)
    assert lab.sql("SELECT rule, raw FROM headgate.quarantine") == [
        ("sqlstate:22021", '2,"b",1,"\\xff\\xfe"')
    ]


def test_messages_of_one_transaction_do_not_fail_together(lab: Lab) -> None:
    thing = lab.thing("a.csv", 1)
    good = lab.batch(thing, many(5))
    short = dataclasses.replace(lab.batch(thing, many(5, start=5), first=6, batch=1), rows=6)
    last = lab.batch(thing, many(5, start=10), first=11, batch=2)
    handler = lab.handler()
    first, second, third = lab.handle(handler, good, short, last)
    handler.close()
    assert (first, third) == (Done(), Done())
    assert second == Reject(Cause.ROW_COUNT, "the message says 6 rows and its body has 5")
    assert lab.counts() == counted(rows=10, inserted=10)


def counted(**counts: int) -> dict[str, int]:
    none = dict.fromkeys(("rows", "inserted", "updated", "unchanged", "superseded", "quarantined"), 0)
    return none | counts
