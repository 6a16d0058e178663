"""Waiting out an outage."""

from __future__ import annotations

import time

from headgate.errors import AccessRefused

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds; a server that is back is noticed after half of it
REFUSED_PATIENCE = 120.0  # seconds: credentials may be in rotation, but a wrong password should be told of


class Pauses:
    """Growing pauses between attempts, up to ``patience`` seconds altogether.

    ``refused``: seconds for a server that answers and does not let us in, counted from the first time.
    """

    def __init__(self, patience: float, refused: float = 0.0) -> None:
        self._deadline = time.monotonic() + patience
        self._refused = refused
        self._refused_deadline: float | None = None
        self._pause = FIRST_PAUSE

    def wait(self, error: Exception | None = None) -> bool:
        """Sleep before the attempt after this error; False when the patience would end meanwhile."""
        if time.monotonic() + self._pause > self._end(error):
            return False
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return True

    def _end(self, error: Exception | None) -> float:
        if not isinstance(error, AccessRefused):
            return self._deadline
        if self._refused_deadline is None:
            self._refused_deadline = time.monotonic() + self._refused
        return min(self._deadline, self._refused_deadline)
