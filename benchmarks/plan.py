"""What `make bench` measures: which lines with which workloads, in about fifty minutes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import consumers, psql
from benchmarks.competitors import lines as competitors
from benchmarks.harness import CHANGES, Line, Workload, Wrong
from benchmarks.whole_dag import WholeDag

QUICK_ROWS = 2_000
SMALL, MILLION, LARGE = 100_000, 1_000_000, 10_000_000
LIMIT = (r"psql \copy", "2 consumers")
UPSERTS = ("staging + upsert", "staging + guarded upsert", "1 consumer", "2 consumers")
HEADGATE = (r"psql \copy", "1 consumer", "2 consumers", "4 consumers", "stream + 2 consumers")
WHOLE = ("headgate, whole run", "pgloader", "dlt tuned", "dlt as it comes", "pandas DAG by hand")


@dataclass(frozen=True)
class Part:
    """A workload and the names of its lines; none means all."""

    workload: Workload
    names: tuple[str, ...] = ()

    def lines(self) -> list[Line]:
        lines = all_lines()
        unknown = set(self.names) - {line.name for line in lines}
        if unknown:
            raise Wrong(f"no line is called {', '.join(sorted(unknown))}; --list names them")
        return [line for line in lines if not self.names or line.name in self.names]


def all_lines() -> list[Line]:
    """In the order of the tables."""
    return [*psql.lines(), *consumers.lines(), *competitors.lines(), WholeDag()]


def default() -> Iterator[Part]:
    yield Part(Workload("mid", SMALL))
    yield Part(Workload("mid", MILLION), (*HEADGATE, "staging + upsert", *WHOLE))
    yield from variants(SMALL)


def large() -> Iterator[Part]:
    """The variants with a million rows, and ten million rows: for hours of their own."""
    yield from variants(MILLION)
    yield Part(Workload("mid", LARGE), (*LIMIT, "stream + 2 consumers", WHOLE[0]))


def variants(rows: int) -> Iterator[Part]:
    """What the table holds already, its indexes, the shape of the rows: each beside the plainest."""
    for change in CHANGES[1:]:
        yield Part(Workload("mid", rows, change), UPSERTS)
    for indexes in (0, 8):
        yield Part(Workload("mid", rows, indexes=indexes), LIMIT)
    for shape in ("narrow", "wide"):
        yield Part(Workload(shape, rows), LIMIT)
        yield Part(Workload(shape, rows, "all"), UPSERTS[::3])


def quick() -> Iterator[Part]:
    """Whether it all works; the figures say nothing."""
    yield Part(Workload("mid", QUICK_ROWS), (*LIMIT, "staging + upsert", "stream + 2 consumers"))
    yield Part(Workload("mid", QUICK_ROWS, "one_percent"), (*LIMIT[:1], *UPSERTS[:3]))
