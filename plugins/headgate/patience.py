"""Waiting out an outage."""

from __future__ import annotations

import time

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds


class Pauses:
    """Growing pauses between attempts, up to ``patience`` seconds altogether."""

    def __init__(self, patience: float) -> None:
        self._deadline = time.monotonic() + patience
        self._pause = FIRST_PAUSE

    def wait(self) -> bool:
        """Sleep before the next attempt; False when the patience would end meanwhile."""
        if time.monotonic() + self._pause > self._deadline:
            return False
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return True
