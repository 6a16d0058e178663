"""The consumer's parts that need no server: inbox, record splitting, back-off."""

from __future__ import annotations

import csv
import io

import pika
from hypothesis import given
from hypothesis import strategies as st

from consumers.database.staging import parts_around, slices, split_records
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


@given(st.integers(2, 500), st.one_of(st.none(), st.integers(0, 499)))
def test_parts_hold_everything_once_and_none_is_longer_than_half(count: int, at: int | None) -> None:
    items = range(count)
    at = None if at is None else min(at, count - 1)
    parts = parts_around(items, at)
    assert [item for part in parts for item in part] == list(items)
    assert all(0 < len(part) <= (count + 1) // 2 for part in parts)


def test_the_suspect_stands_alone() -> None:
    assert parts_around("abcdef", 2) == ["a", "b", "c", "de", "f"]


def test_slices_are_never_empty() -> None:
    assert slices([b"a"], 8) == [[b"a"]]
    assert [len(part) for part in slices([b"a"] * 17, 8)] == [3, 3, 3, 3, 3, 2]


def test_backoff_grows_to_five_seconds_and_no_further() -> None:
    assert 0.2 <= backoff(1) <= 0.4
    assert all(2.5 <= backoff(failures) <= 5 for failures in (7, 50, 10_000))
