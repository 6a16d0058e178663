"""From cell texts to accepted rows: what every format does alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from headgate.contract import Contract, fold
from headgate.contract.model import RESCUED_COLUMN
from headgate.errors import Fatal
from headgate.records.model import Inspection, Int64s
from headgate.records.typed import ColumnReading, arrow_type, constant_column, type_columns
from headgate.records.violations import Violations

ROW_NUMBER = "_row_number"


@dataclass(frozen=True)
class Reading:
    """An object's inspection together with the contract that it is read under."""

    inspection: Inspection
    contract: Contract

    @cached_property
    def rescued(self) -> tuple[tuple[int, str], ...]:
        """Position and name of the columns that are kept as JSON."""
        if not self.contract.rescues:
            return ()
        return tuple(sorted((*self.inspection.unknown, *self.inspection.shadowed)))

    @cached_property
    def wanted(self) -> list[int]:
        """Positions of the columns that are read at all."""
        return sorted({*self.inspection.columns.values(), *(index for index, _ in self.rescued)})

    @cached_property
    def names(self) -> list[str]:
        """The contract columns that the object has, in the contract's order."""
        present = {*self.inspection.columns, *self.inspection.derived}
        return [column.name for column in self.contract.columns if column.name in present]

    @cached_property
    def readings(self) -> list[ColumnReading]:
        """How the cells of each contract column are read."""
        return [ColumnReading.of(column) for column in self.contract.columns if column.name in self.names]

    @cached_property
    def header(self) -> frozenset[str]:
        """The folded names of the header."""
        return frozenset(fold(name) for name in self.inspection.header)

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of the parsed table."""
        columns = [(name, arrow_type(self.contract.by_name[name])) for name in self.names]
        rescued = [(RESCUED_COLUMN, pa.string())] if self.contract.rescues else []
        return pa.schema([(ROW_NUMBER, pa.int64()), *columns, *rescued])

    def empty_table(self) -> pa.Table:
        """A parsed table without rows."""
        return self.schema.empty_table()


@dataclass(frozen=True)
class Typed:
    """The typed columns of some rows, and which of the rows are accepted."""

    schema: pa.Schema
    columns: Mapping[str, pa.Array]
    texts: Mapping[str, pa.Array]  # of the floats, as they are written
    violations: Violations
    accepted: Int64s
    rows: int

    def table(self, row_numbers: Int64s) -> pa.Table:
        """The accepted rows with their numbers in the object."""
        columns = [self._accepted(self.columns[name]) for name in self.schema.names[1:]]
        return pa.Table.from_arrays([pa.array(row_numbers, pa.int64()), *columns], schema=self.schema)

    def written(self) -> dict[str, pa.ChunkedArray]:
        """The accepted rows' floats as texts."""
        return {name: pa.chunked_array([self._accepted(texts)]) for name, texts in self.texts.items()}

    def _accepted(self, column: pa.Array) -> pa.Array:
        return column if self.accepted.size == self.rows else column.take(pa.array(self.accepted))


def type_rows(
    texts: Mapping[str, pa.Array],
    rows: int,
    reading: Reading,
    rescued: pa.Array | None,
    violations: Violations | None = None,
) -> Typed:
    """Type the cell texts (by contract column), add derived and rescued columns, and sort out the bad rows.

    ``violations``: what is wrong with the rows already.
    """
    violations = violations or Violations()
    derived = {
        name: _derived(reading, name, rows) for name in reading.inspection.derived if name not in texts
    }
    columns, written = type_columns(reading.readings, texts, rows, reading.header, derived, violations)
    if reading.contract.rescues:
        columns[RESCUED_COLUMN] = pa.nulls(rows, pa.string()) if rescued is None else rescued
    accepted = np.ones(rows, np.bool_)
    accepted[violations.rows()] = False
    return Typed(reading.schema, columns, written, violations, np.flatnonzero(accepted), rows)


def _derived(reading: Reading, name: str, rows: int) -> pa.Array:
    column = reading.contract.by_name[name]
    text = reading.inspection.derived[name]
    values, fits = constant_column(column, text, rows)
    if not fits:
        raise Fatal(
            f"the contract of {reading.contract.dataset} derives {text!r} for {name}, "
            f"which is not {column.type}: correct the pattern of its derive rule"
        )
    return values
