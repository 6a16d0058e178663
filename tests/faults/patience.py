"""Waiting for a condition while servers come and go."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import psycopg2
from pika.exceptions import AMQPError


class TooLongError(AssertionError):
    """A condition did not come true in its time: without a person it never would have."""


def until(condition: Callable[[], object], what: str, seconds: float = 90.0, *, rarest: float = 0.1) -> float:
    """Return when the condition holds, with the seconds that took; a server that is away means not yet.

    ``rarest``: at most so many seconds lie between two looks.
    """
    begun, pause = time.monotonic(), 0.01
    while not _holds(condition):
        if time.monotonic() - begun > seconds:
            raise TooLongError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, rarest)
    return time.monotonic() - begun


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except (psycopg2.OperationalError, psycopg2.InterfaceError, AMQPError, httpx.HTTPError, OSError):
        return False
