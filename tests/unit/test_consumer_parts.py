"""The consumer's parts that need no server: inbox, record splitting, back-off."""

from __future__ import annotations

import csv
import io

import pika
from hypothesis import given
from hypothesis import strategies as st

from consumers.database.batch import ranges
from consumers.database.refusal import Refusal
from consumers.database.staging import slices, split_records, suspects
from consumers.delivery import Delivery
from consumers.inbox import Inbox, Limits
from consumers.runner import backoff


def delivery(tag: int) -> Delivery:
    return Delivery("q", 1, tag, pika.BasicProperties(), b"")


def inbox(*weights: int, now: float = 100.0) -> Inbox:
    made = Inbox(Limits(bytes=10, messages=3, idle=1.0))
    for tag, weight in enumerate(weights):
        made.add(delivery(tag), weight, now)
    return made


def tags(taken: list[tuple[Delivery, int]]) -> list[int]:
    return [item.tag for item, _ in taken]


def test_a_transaction_is_due_when_full_or_after_quiet() -> None:
    assert not inbox().due(999)
    assert not inbox(1, 1).due(100.5)
    assert inbox(1, 1).due(101)
    assert inbox(5, 5).due(100)
    assert inbox(1, 1, 1).due(100)


def test_a_transaction_takes_in_order_what_fits() -> None:
    box = inbox(6, 6, 1)
    assert tags(box.take(100)) == [0]  # the small one does not overtake
    assert tags(box.take(100)) == [1, 2]
    assert len(box) == 0


def test_one_that_is_larger_than_the_limit_goes_alone() -> None:
    assert tags(inbox(99, 1).take(100)) == [0]


def test_what_is_put_back_comes_first_but_not_before_its_time() -> None:
    box = inbox(1, 1, 1)
    first = box.take(100)[:2]
    box.put_back(first, not_before=105)
    box.add(delivery(9), 1, 100)
    assert tags(box.take(101)) == [9]
    assert not box.due(104.9)
    assert box.due(105)
    assert tags(box.take(105)) == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 99), st.text(alphabet='ab",\n\r', max_size=6)), max_size=30))
def test_records_are_split_where_csv_readers_split_them(rows: list[tuple[int, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(rows)
    body = text.getvalue().encode()
    records = split_records(body)
    assert b"".join(records) == body
    assert len(records) == len(rows)


def test_a_last_record_without_newline_or_closing_quote_is_kept() -> None:
    assert split_records(b'1,"a"\n2,"b') == [b'1,"a"\n', b'2,"b']


@given(st.integers(2, 400), st.one_of(st.none(), st.integers(1, 500)))
def test_suspects_hold_every_record_once_and_get_smaller(count: int, line: int | None) -> None:
    records = [b"%d\n" % number for number in range(count)]
    parts = suspects(records, Refusal("22003", "bad", None, None, line))
    assert [record for part in parts for record in part] == records
    assert all(0 < len(part) < count for part in parts)


def test_the_named_record_stands_alone() -> None:
    records = [b'1,"a\nb"\n', b'2,"c"\n', b'3,"d"\n', b'4,"e"\n']
    parts = suspects(records, Refusal("22003", "bad", None, None, 3))
    assert parts == [[records[0]], [records[1]], [records[2]], [records[3]]]


def test_slices_are_never_empty() -> None:
    assert slices([b"a"], 8) == [[b"a"]]
    assert [len(part) for part in slices([b"a"] * 17, 8)] == [3, 3, 3, 3, 3, 2]


def test_backoff_grows_to_ten_seconds_and_no_further() -> None:
    assert 0.2 <= backoff(1) <= 0.4
    assert all(5 <= backoff(failures) <= 10 for failures in (7, 50, 10_000))


@given(st.integers(0, 1000), st.integers(1, 500), st.one_of(st.none(), st.integers(0, 1600)))
def test_ranges_hold_every_row_number_once_and_get_smaller(first: int, more: int, named: int | None) -> None:
    last = first + more
    parts = ranges(first, last, named)
    assert [number for start, end in parts for number in range(start, end + 1)] == list(
        range(first, last + 1)
    )
    assert all(end - start < more for start, end in parts)
