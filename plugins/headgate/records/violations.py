"""What is wrong with rows: gathered as arrays, one entry a violation, and turned into rejects."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headgate.records.model import Int64s

_VIOLATION = pa.struct(
    [("rule", pa.string()), ("column", pa.string()), ("value", pa.string()), ("reason", pa.string())]
)
SCHEMA = pa.schema(
    [
        ("row_number", pa.int64()),  # 1-based data record of the object
        ("line", pa.int64()),  # 1-based physical line of the object
        ("rule", pa.string()),  # of the first violation, as are column, value and reason
        ("column", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
        ("raw", pa.string()),  # the record as it stands in the object
        ("violations", pa.list_(_VIOLATION)),  # all of them
    ]
)
"""Rejected rows: one row a rejected record, in the order of the object."""

_SHOWN = 100  # characters of a value in a reason


class Violations:
    """Violations of the rows of one table, kept as Arrow arrays."""

    def __init__(self) -> None:
        self._rows: list[Int64s] = []
        self._parts: list[pa.Array] = []

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(
        self, rows: Int64s, rule: str, column: str | None, values: pa.Array | None, reason: str | pa.Array
    ) -> None:
        """Rows (indexes) that break a rule, with the offending values where there are any.

        A reason that begins with a space is what is said of the value: ``'abc' is not a number``.
        """
        count = len(rows)
        if not count:
            return
        texts = pa.nulls(count, pa.string()) if values is None else pc.cast(values, pa.string())
        if isinstance(reason, str) and reason.startswith(" "):
            shown = pc.utf8_slice_codeunits(pc.fill_null(texts, ""), 0, _SHOWN)
            reasons = pc.binary_join_element_wise("'", shown, "'" + reason, "")
        else:
            reasons = pa.repeat(reason, count) if isinstance(reason, str) else pc.cast(reason, pa.string())
        columns = pa.repeat(pa.scalar(column, pa.string()), count)
        self._rows.append(np.asarray(rows, np.int64))
        self._parts.append(
            pa.StructArray.from_arrays(
                [pa.repeat(rule, count), columns, texts, reasons], fields=list(_VIOLATION)
            )
        )

    def extend(self, other: Violations, rows: Int64s) -> None:
        """Take over the violations of a table whose row ``i`` is this table's row ``rows[i]``."""
        self._rows += [rows[part] for part in other._rows]
        self._parts += other._parts

    def rows(self) -> Int64s:
        """The rows with violations, each once, ascending."""
        return np.unique(np.concatenate(self._rows)) if self._rows else np.empty(0, np.int64)

    def grouped(self) -> tuple[Int64s, pa.Array]:
        """The rows with violations and, for each, the list of its violations in the order they were found."""
        if not self._rows:
            return np.empty(0, np.int64), pa.array([], pa.list_(_VIOLATION))
        rows = np.concatenate(self._rows)
        order = np.argsort(rows, kind="stable")
        unique, first = np.unique(rows[order], return_index=True)
        offsets = pa.array(np.append(first, rows.size), pa.int32())
        sorted_ = pa.concat_arrays(self._parts).take(pa.array(order))
        return unique, pa.ListArray.from_arrays(offsets, sorted_, type=pa.list_(_VIOLATION))


def rejects_table(row_number: Int64s, line: Int64s, raw: pa.Array, violations: pa.Array) -> pa.Table:
    """Rejected rows with the schema ``SCHEMA``."""
    first = pc.list_element(violations, 0)
    heads = [pc.struct_field(first, name) for name in ("rule", "column", "value", "reason")]
    return pa.Table.from_arrays(
        [pa.array(row_number), pa.array(line), *heads, raw, violations], schema=SCHEMA
    )


def rule_counts(rejects: pa.Table) -> dict[str, int]:
    """Rejected rows by the rule of their first violation."""
    return dict(Counter(rejects["rule"].to_pylist()))


def merge_rejects(*tables: pa.Table) -> pa.Table:
    """Rejects of one chunk from several places, in row order, each row once with all its violations."""
    filled = [table for table in tables if table.num_rows]
    if len(filled) < 2:
        return filled[0] if filled else SCHEMA.empty_table()
    table = pa.concat_tables(filled).combine_chunks().sort_by("row_number")
    numbers = table["row_number"].to_numpy()
    if np.unique(numbers).size == numbers.size:
        return table
    firsts = np.flatnonzero(np.diff(numbers, prepend=-1) != 0)
    lists = table["violations"].combine_chunks()
    offsets = lists.offsets.to_numpy()
    joined = pa.ListArray.from_arrays(
        pa.array(np.append(offsets[firsts], offsets[-1]), pa.int32()), lists.values, type=lists.type
    )
    kept = table.take(pa.array(firsts))
    return kept.set_column(kept.schema.get_field_index("violations"), SCHEMA.field("violations"), joined)
