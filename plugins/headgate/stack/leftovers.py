"""Processes of a stack whose supervisor is gone: found by their mark, ended by id."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headgate.stack.layout import Layout
from headgate.stack.programs import MARK

if TYPE_CHECKING:
    import psutil

TERM_SECONDS = 20.0


def find(layout: Layout) -> list[psutil.Process]:
    """Every process that carries this home's mark, and the postmaster of its data folder."""
    import psutil

    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = {process.pid: process for process in marked(str(layout.home))}
    if postmaster := find_postmaster(layout):
        for process in (postmaster, *postmaster.children(recursive=True)):
            found[process.pid] = process
    return [process for pid, process in found.items() if pid not in own]


def marked(home: str) -> Iterator[psutil.Process]:
    """Processes with the mark in their environment; those that we may not look at are not ours."""
    import psutil

    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == home:
                yield process
        except (psutil.Error, OSError):
            continue


def find_postmaster(layout: Layout) -> psutil.Process | None:
    """The postmaster of the data folder, by PostgreSQL's own lock file; a reused id is told by its folder."""
    import psutil

    try:
        lines = (layout.postgres / "data" / "postmaster.pid").read_text().splitlines()
        process = psutil.Process(int(lines[0]))
        same = process.name() == "postgres" and str(layout.postgres / "data") in process.cmdline()
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return process if same else None


def end(processes: list[psutil.Process]) -> None:
    """Ask each to end, and kill what has not after a while. PostgreSQL recovers from its log."""
    import psutil

    for process in processes:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=TERM_SECONDS)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=TERM_SECONDS)
