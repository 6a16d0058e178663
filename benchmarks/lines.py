"""All lines, in the order of the table."""

from __future__ import annotations

from benchmarks import consumers, psql, whole_dag
from benchmarks.competitors import lines as competitors
from benchmarks.harness import Line


def all_lines() -> list[Line]:
    return [*psql.lines(), *consumers.lines(), *competitors.lines(), whole_dag.WholeDag()]
