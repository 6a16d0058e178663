"""How long a provider asks us to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.sources.patience import named_wait

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
MOMENTS = st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("5", 5.0),
        (" 120 ", 120.0),
        ("0", None),
        ("-3", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("٣", None),
        ("Fri, 01 Mar 2024 12:01:00 GMT", 60.0),
        ("Fri, 01 Mar 2024 13:01:00 +0100", 60.0),
        ("Fri, 01 Mar 2024 11:00:00 GMT", None),
        ("Fri, 99 Mar 2024 12:01:00 GMT", None),
    ],
)
def test_retry_after(text: str, wait: float | None) -> None:
    assert named_wait({"retry-after": text}, NOW) == wait


def test_none_is_named() -> None:
    assert named_wait({}, NOW) is None


def test_an_absurd_number_is_one() -> None:
    assert named_wait({"retry-after": "9" * 5000}, NOW) == float("9" * 12)


@given(MOMENTS, st.integers(1, 10**6))
def test_a_date_counts_by_the_clock_of_the_answer(theirs: datetime, seconds: int) -> None:
    until = theirs + timedelta(seconds=seconds)
    headers = {
        "retry-after": format_datetime(until, usegmt=True),
        "date": format_datetime(theirs, usegmt=True),
    }
    assert named_wait(headers, NOW) == seconds


@given(st.text())
def test_any_text_is_a_wait_or_none(text: str) -> None:
    wait = named_wait({"retry-after": text}, NOW)
    assert wait is None or wait > 0
