"""What `make bench` measures: which lines with which workloads, within three quarters of an hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.harness import CHANGES, Line, Workload

QUICK_ROWS = 2_000
MILLION = 1_000_000
LARGE = 10 * MILLION
# Lines that tell most: of the other shapes and numbers of indexes just these.
FEW = (r"psql \copy", "staging + upsert", "2 consumers")
UPSERTS = ("staging + upsert", "staging + guarded upsert", "1 consumer", "2 consumers")
WHOLE = (r"psql \copy", "2 consumers", "stream + 2 consumers", "headgate, whole DAG run")


@dataclass(frozen=True)
class Part:
    """A workload and the names of its lines; none means all."""

    workload: Workload
    names: tuple[str, ...] = ()

    def lines(self, all_lines: list[Line]) -> list[Line]:
        return [line for line in all_lines if not self.names or line.name in self.names]


def default() -> Iterator[Part]:
    yield Part(Workload("mid", 100_000))
    yield Part(Workload("mid", MILLION))
    for change in CHANGES[1:]:
        yield Part(Workload("mid", MILLION, change), UPSERTS)
    for indexes in (0, 8):
        yield Part(Workload("mid", MILLION, indexes=indexes), FEW[::2])
    yield Part(Workload("narrow", MILLION), FEW[::2])
    for change in CHANGES:
        yield Part(Workload("wide", 100_000, change), FEW)


def large() -> Iterator[Part]:
    """Ten million rows: for an hour of its own."""
    yield Part(Workload("mid", LARGE), WHOLE)


def quick() -> Iterator[Part]:
    """Whether it all works; the figures say nothing."""
    for change in ("fresh", "one_percent"):
        yield Part(Workload("mid", QUICK_ROWS, change), (*UPSERTS, *WHOLE[:3]))
