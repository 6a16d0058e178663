"""Pauses between attempts to ask a provider."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tenacity import RetryCallState, Retrying

from headgate.sources.breaker import Busy
from headgate.sources.client import LONGEST_BACKOFF, pauses
from headgate.sources.model import Unavailable

FAILURES = st.sampled_from([Unavailable("away"), Busy("too many")])


def after(attempt: int, error: Exception) -> RetryCallState:
    """An attempt that has failed."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.set_exception((type(error), error, None))  # type: ignore[arg-type]
    return state


@given(st.floats(0.1, 10), st.integers(1, 20), FAILURES)
def test_they_grow_with_chance_up_to_a_limit(first: float, attempt: int, error: Exception) -> None:
    found = [pauses(first)(after(attempt, error)) for _ in range(50)]
    assert all(0 <= pause <= min(first * 2 ** (attempt - 1), LONGEST_BACKOFF) for pause in found)
    assert len(set(found)) > 1


@given(st.integers(1, 20), st.floats(0.1, 60))
def test_none_is_added_to_one_that_was_named(attempt: int, named: float) -> None:
    assert pauses(1.0)(after(attempt, Unavailable("away", named))) == 0
