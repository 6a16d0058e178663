"""Arrow table to the pandas frame that Great Expectations checks: only the columns and rows it must see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from headgate.checks.suite import Computed, Rule, SuiteFile

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray


def checked_columns(table: pa.Table, suite: SuiteFile, rules: Iterable[Rule]) -> pa.Table:
    """The columns that the rules look at, computed ones made; integers with nulls as floats, decimals too."""
    import pyarrow as pa

    names = dict.fromkeys(name for rule in rules for name in rule.columns)
    return pa.table({name: _column(table, suite, name) for name in names})


def frame_of(columns: pa.Table, rules: Iterable[Rule], rows: NDArray[np.int64] | None = None) -> pd.DataFrame:
    """A frame with a plain 0-based index of the rules' columns; of all rows, or of those at these positions.

    Measured: numpy-backed columns are checked half as fast again as Arrow-backed ones.
    """
    import pyarrow as pa

    named = columns.select(list(dict.fromkeys(name for rule in rules for name in rule.columns)))
    wanted = named if rows is None else named.take(pa.array(rows))
    frame: pd.DataFrame = wanted.to_pandas(date_as_object=False)
    return frame


def _column(table: pa.Table, suite: SuiteFile, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    if name in suite.computed:
        return _compute(table, suite.computed[name])
    column = table.column(name)
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    if pa.types.is_integer(column.type) and column.null_count:  # as pandas has them, in any choice of rows
        return column.cast(pa.float64(), safe=False)
    return column


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
