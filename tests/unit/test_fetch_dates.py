"""The dates that a person gives to a fetch or a run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from headgate.contract import Source
from headgate.errors import DataError
from headgate.sources.model import Window
from headgate.steps.fetch import span_of

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
SOURCE = Source("tiny", "things")


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        ("2024-02-02", "2024-02-01", "the end, 2024-02-01, lies before the beginning, 2024-02-02"),
        ("2024-02-02T10:00", "2024-02-02T10:00", "lies before the beginning"),
        ("2024-03-02", "2024-03-05", "2024-03-02 has not begun yet: it is 2024-03-01 12:00 UTC"),
        ("2024-03-01T12:00", "", "has not begun yet"),
    ],
)
def test_dates_between_which_nothing_lies_are_said_to_be_so(start: str, end: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        span_of(SOURCE, start, end, NOW)


@pytest.mark.parametrize("end", ["2024-03-01", "2024-03-02", "2025-01-01", "9999-12-31"])
def test_days_to_come_are_asked_for_up_to_today(end: str) -> None:
    assert span_of(SOURCE, "2024-03-01", end, NOW) == Window(
        datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC)
    )
