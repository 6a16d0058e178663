"""Progress bars on standard error; nothing where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.steps.progress import Progress as RunProgress

STEPS = ("inspect", "validate", "stream", "load")


@contextmanager
def bytes_bar(label: str, size: int, *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """A bar of an upload; yields what takes the number of bytes of each piece, None when quiet."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from headgate.cli.output import errors

    if quiet or not errors.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task(label, total=size)
        yield lambda count: progress.advance(task, count)


@contextmanager
def waiting_bar(label: str, total: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar of things that end one by one (None: nobody knows how many); yields what takes how many have."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from headgate.cli.output import errors

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    disabled = quiet or not errors.is_terminal
    with Progress(*columns, console=errors, transient=True, disable=disabled) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.update(task, completed=done)


class StepBars:
    """One bar a step of a run, fed from the ledger. Each shows done of what is known so far."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        from headgate.cli.output import errors

        columns = (
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=errors, disable=quiet or not errors.is_terminal)
        units = ("objects", "chunks", "batches", "batches")
        self._tasks = {
            step: self._progress.add_task(step, total=None, unit=unit)
            for step, unit in zip(STEPS, units, strict=True)
        }

    def __enter__(self) -> StepBars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, now: RunProgress) -> None:
        """Draw what the ledger says."""
        self._set("inspect", now.objects_inspected, now.objects)
        self._set("validate", now.chunks_staged, now.chunks)
        self._set("stream", now.streamed, now.batches)
        rows = f"batches, {now.rows_received:,} of {now.rows_expected:,} rows"
        self._set("load", now.receipts, now.batches, rows)

    def _set(self, step: str, done: int, total: int, unit: str | None = None) -> None:
        task = self._tasks[step]
        self._progress.update(task, completed=done, total=total or None)
        if unit is not None:
            self._progress.update(task, unit=unit)
