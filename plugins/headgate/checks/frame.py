"""Arrow table to the pandas frame that Great Expectations checks: only the columns that rules need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from headgate.checks.suite import Computed, Rule, SuiteFile

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def frame_of(table: pa.Table, suite: SuiteFile, rules: Iterable[Rule]) -> pd.DataFrame:
    """A frame with a plain 0-based index; integers with nulls become floats, decimals too.

    Measured: numpy-backed columns are checked half as fast again as Arrow-backed ones.
    """
    names = dict.fromkeys(name for rule in rules for name in rule.columns)
    frame: pd.DataFrame = _columns(table, suite, names).to_pandas(date_as_object=False)
    return frame


def _columns(table: pa.Table, suite: SuiteFile, names: Iterable[str]) -> pa.Table:
    import pyarrow as pa

    return pa.table({name: _column(table, suite, name) for name in names})


def _column(table: pa.Table, suite: SuiteFile, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    if name in suite.computed:
        return _compute(table, suite.computed[name])
    column = table.column(name)
    return column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column


def _compute(table: pa.Table, computed: Computed) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    plus = _sum(table, computed.plus)
    return pc.subtract(plus, _sum(table, computed.minus)) if computed.minus else plus


def _sum(table: pa.Table, names: tuple[str, ...]) -> pa.ChunkedArray:
    """Row by row; null only where every column is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = table.column(names[0]).cast(pa.float64())
    for name in names[1:]:
        column = table.column(name).cast(pa.float64())
        both = pc.add(pc.fill_null(total, 0.0), pc.fill_null(column, 0.0))
        nothing = pc.and_(pc.is_null(total), pc.is_null(column))
        total = pc.if_else(nothing, pa.scalar(None, pa.float64()), both)
    return total
