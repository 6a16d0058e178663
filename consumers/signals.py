"""Stopping when told to."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def calls_on_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Within it SIGTERM and SIGINT call ``stop``, which must be short."""

    def on_signal(number: int, _: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
