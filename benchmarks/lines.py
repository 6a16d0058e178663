"""All lines, in the order of the table."""

from __future__ import annotations

from benchmarks import consumers, psql
from benchmarks.competitors import lines as competitors
from benchmarks.harness import Line
from benchmarks.whole_dag import WholeDag


def all_lines() -> list[Line]:
    return [*psql.lines(), *consumers.lines(), *competitors.lines(), WholeDag()]
