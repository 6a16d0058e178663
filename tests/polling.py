"""Tests wait for what servers do by asking, ever more seldom."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Return when the condition holds."""
    pause, deadline = 0.02, time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
