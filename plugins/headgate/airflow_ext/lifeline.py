"""Forked processes that end with the one they were forked from, however that ends.

A worker inherits the scheduler's sockets. One that outlived a killed scheduler would hold its Postgres
connections open: a transaction that it was in, and the locks of it, would stay for ever, and no scheduler
would queue a task any more.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h
GENERATIONS = 2  # the scheduler's workers, and their tasks; what a task starts is its own business


class Lifeline:
    """Hooks on this process's forks and on those of its children; on Linux only.

    The signal comes when the forking *thread* ends: the scheduler and its workers fork in their main threads.
    """

    def __init__(self) -> None:
        self._prctl = ctypes.CDLL(None).prctl  # found before a fork, as a child should look for nothing
        self._parent = os.getpid()
        self._generation = 0

    def before(self) -> None:
        """In the process that forks."""
        self._parent = os.getpid()

    def after_in_child(self) -> None:
        """Be killed when the parent ends; at once, when it has ended meanwhile."""
        self._generation += 1
        if self._generation > GENERATIONS:
            return
        self._prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != self._parent:
            os._exit(1)


def tie_forks() -> None:
    """From now on what this process forks ends with it."""
    if sys.platform == "linux":
        line = Lifeline()
        os.register_at_fork(before=line.before, after_in_child=line.after_in_child)
