"""Cell texts to the contract's types, whole columns at a time, with every cell that does not fit."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headgate.contract import Column, UnitRule, fold
from headgate.contract.model import FALSE_TOKENS, TRUE_TOKENS
from headgate.records.buffers import holds_any, is_trimmed
from headgate.records.model import Int64s
from headgate.records.numbers import (
    cast_each,
    parse_numbers,
    scale,
    shift_point,
    tidy_numbers,
    to_decimal,
    written,
)
from headgate.records.violations import Violations

_ARROW = {
    "text": pa.string(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "real": pa.float32(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", "UTC"),
}
_WANTED = {
    "smallint": "a whole number from -32768 to 32767",
    "integer": "a whole number of 32 bits",
    "bigint": "a whole number of 64 bits",
    "double precision": "a number",
    "real": "a number",
    "boolean": "yes or no, true or false, 1 or 0",
    "date": "a date like 2018-12-31",
    "timestamptz": "a time like 2018-12-31T23:59:59Z",
}
_CODE = r"^[+-]?[0-9]+\.0+$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
_ZONE = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
_COMPARE = {"lt": pc.less, "le": pc.less_equal, "gt": pc.greater, "ge": pc.greater_equal, "eq": pc.equal}
_POWERS_OF_TEN = {float(f"1e{exponent}"): exponent for exponent in range(-9, 10) if exponent}


@dataclass(frozen=True)
class Cells:
    """A column as read: typed values, the texts that numbers were read from, and the wrong cells."""

    values: pa.Array
    texts: pa.Array
    wrong: Int64s  # row indexes


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a contract column; plain ``numeric`` has 20 digits before and 18 after the point."""
    kind, _, arguments = column.type.partition("(")
    if kind == "numeric":
        precision, _, scale_ = arguments.rstrip(")").partition(",")
        return pa.decimal128(int(precision), int(scale_ or 0)) if precision else pa.decimal128(38, 18)
    return _ARROW[kind]


@dataclass(frozen=True)
class ColumnReading:
    """How the cells of one column are read; made once a chunk."""

    column: Column
    kind: pa.DataType
    null_tokens: pa.Array
    prepared: bool  # null tokens or recoding concern texts that would parse as they stand

    @classmethod
    def of(cls, column: Column) -> ColumnReading:
        """The reading of a contract column."""
        tokens = pa.array([*filter(None, column.null_tokens), ""], pa.string())
        words = (*TRUE_TOKENS, *FALSE_TOKENS) if column.type == "boolean" else ()
        number_like = (
            token.casefold() in words or re.search(r"[0-9]", token) for token in column.null_tokens
        )
        return cls(column, arrow_type(column), tokens, bool(column.recode) or any(number_like))


def type_columns(
    readings: Iterable[ColumnReading],
    texts: Mapping[str, pa.Array],
    rows: int,
    header: Collection[str],
    derived: Mapping[str, pa.Array],
    violations: Violations,
) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
    """The typed columns of the cell texts and the derived ones; what is wrong goes to ``violations``.

    And the floats among them as ``written``.

    ``texts``: by contract column, one string a row, null where the cell is empty. ``header``: the folded
    names of the file's header, for unit rules that depend on one. ``derived``: columns typed already.
    """
    nothing = np.empty(0, np.int64)
    cells = {name: Cells(values, values, nothing) for name, values in derived.items()}
    columns = dict(derived)
    present = [reading for reading in readings if reading.column.name in texts]
    for reading in present:
        text = texts[reading.column.name]
        read = read_cells(reading, text)
        cells[reading.column.name] = read
        _collect(reading.column, text, read, violations)
    for reading in present:
        columns[reading.column.name] = _in_unit(reading.column, cells, header, rows)
    floats = [name for name, values in columns.items() if pa.types.is_float64(values.type)]
    return columns, {name: _written(cells[name], columns[name]) for name in floats}


def read_cells(reading: ColumnReading, text: pa.Array) -> Cells:
    """One column's texts in the order trim, null tokens, recode, form, pad, parse."""
    column = reading.column
    if column.type == "text":
        values = _finish_text(column, _prepare(reading, text))
        return Cells(values, values, np.empty(0, np.int64))
    prepared = _recode(column, _prepare(reading, text)) if reading.prepared else text
    values, parsed = _parse(prepared, reading.kind)
    wrong = _lost(prepared, values)
    if wrong.size and not reading.prepared:
        prepared = _prepare(reading, text)
        values, parsed = _parse(prepared, reading.kind)
        wrong = _lost(prepared, values)
    return Cells(values, parsed, wrong)


def constant_column(column: Column, text: str, rows: int) -> tuple[pa.Array, bool]:
    """A derived value repeated for all rows, and whether it fits the column's type."""
    cells = read_cells(ColumnReading.of(column), pa.array([text], pa.string()))
    return pa.repeat(cells.values[0], rows), not cells.wrong.size


def _parse(text: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.Array]:
    if pa.types.is_boolean(kind):
        return _parse_booleans(text), text
    if pa.types.is_date(kind):
        return _parse_dates(text), text
    if pa.types.is_timestamp(kind):
        return _parse_times(text), text
    return parse_numbers(text, kind)


def _lost(text: pa.Array, values: pa.Array) -> Int64s:
    """Rows that have a text and no value."""
    if values.null_count == text.null_count:
        return np.empty(0, np.int64)
    return np.flatnonzero(pc.and_(text.is_valid(), values.is_null()).to_numpy(zero_copy_only=False))


def _collect(column: Column, text: pa.Array, cells: Cells, violations: Violations) -> None:
    if cells.wrong.size:
        values = text.take(pa.array(cells.wrong))
        wanted = _WANTED.get(column.type) or f"a number that fits {column.type}"
        violations.add(cells.wrong, "type", column.name, values, f" is not {wanted}")
    if column.required and cells.values.null_count:
        empty = cells.values.is_null().to_numpy(zero_copy_only=False)
        empty[cells.wrong] = False
        rows = np.flatnonzero(empty)
        violations.add(
            rows,
            "required",
            column.name,
            text.take(pa.array(rows)),
            f"{column.name} is empty and must not be",
        )


def _prepare(reading: ColumnReading, text: pa.Array) -> pa.Array:
    """Texts trimmed, null tokens made null."""
    trimmed = is_trimmed(text)
    if reading.column.trim and not trimmed:
        text = pc.utf8_trim_whitespace(text)
    if trimmed and len(reading.null_tokens) == 1:  # the empty text
        return text
    is_null = pc.is_in(text, reading.null_tokens)
    if not pc.any(is_null).as_py():
        return text
    return pc.if_else(is_null, pa.scalar(None, pa.string()), text)


def _recode(column: Column, text: pa.Array) -> pa.Array:
    if not column.recode:
        return text
    index = pc.index_in(text, pa.array([old for old, _ in column.recode], pa.string()))
    if index.null_count == len(index):
        return text
    return pc.coalesce(pa.array([new for _, new in column.recode], pa.string()).take(index), text)


def _finish_text(column: Column, text: pa.Array) -> pa.Array:
    text = _recode(column, text)
    if column.form == "code":
        text = _code(text)
    if column.pad is not None:
        digits = pc.match_substring_regex(text, "^[0-9]+$")
        text = pc.if_else(digits, pc.utf8_lpad(text, column.pad, "0"), text)
    return text


def _code(text: pa.Array) -> pa.Array:
    """Codes as their issuer writes them: ``60814.0`` and ``60,814`` are ``60814``; ``6204.1`` stays."""
    if not holds_any(text, ".,"):
        return text
    text = tidy_numbers(text)
    whole = pc.match_substring_regex(text, _CODE)
    return pc.if_else(whole, pc.replace_substring_regex(text, r"\.0+$", ""), text)


def _parse_booleans(text: pa.Array) -> pa.Array:
    folded = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    true = pc.is_in(folded, pa.array(TRUE_TOKENS, pa.string()))
    known = pc.or_(true, pc.is_in(folded, pa.array(FALSE_TOKENS, pa.string())))
    return pc.if_else(known, true, pa.scalar(None, pa.bool_()))


def _parse_dates(text: pa.Array) -> pa.Array:
    """ISO dates; a midnight behind the date, as spreadsheets write it, is no part of it."""
    try:
        return pc.cast(text, pa.date32())
    except pa.ArrowInvalid:
        days = pc.replace_substring_regex(pc.utf8_trim_whitespace(text), r"[T ]00:00(:00(\.0+)?)?Z?$", "")
        return cast_each(days, pa.date32(), _DAY + "$")


def _parse_times(text: pa.Array) -> pa.Array:
    """ISO times; those without a zone are taken for UTC. Microseconds, as Postgres has them."""
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(text), r"(\.[0-9]{6})[0-9]+", r"\1")
    zoned = pc.match_substring_regex(text, _CLOCK + _ZONE)
    none = pa.scalar(None, pa.string())
    with_zone = cast_each(pc.if_else(zoned, text, none), pa.timestamp("us", "UTC"), _DAY + _CLOCK + _ZONE)
    plain = cast_each(pc.if_else(zoned, none, text), pa.timestamp("us"), f"{_DAY}({_CLOCK})?$")
    return pc.coalesce(with_zone, pc.assume_timezone(plain, "UTC"))


def _in_unit(column: Column, cells: Mapping[str, Cells], header: Collection[str], rows: int) -> pa.Array:
    """The column in the contract's unit: of its unit rules the first that holds for a row."""
    read = cells[column.name]
    values, done = read.values, None
    for rule in column.units:
        holds = _holds(rule, cells, header, rows)
        if done is not None:
            holds = pc.and_(holds, pc.invert(done))
        done = holds if done is None else pc.or_(done, holds)
        if pc.any(holds).as_py():
            values = pc.if_else(holds, _scaled(read, rule.factor), values)
    return values


def _written(read: Cells, values: pa.Array) -> pa.Array:
    return written(values, read.texts if values is read.values else values)


def _holds(rule: UnitRule, others: Mapping[str, Cells], header: Collection[str], rows: int) -> pa.Array:
    if rule.header is not None:
        return pa.repeat(fold(rule.header) in header, rows)
    compared = others.get(rule.column or "")
    if compared is None:
        return pa.repeat(False, rows)
    return pc.fill_null(_COMPARE[rule.op or "eq"](compared.values, rule.value), False)


def _scaled(cells: Cells, factor: float) -> pa.Array:
    kind = cells.values.type
    exponent = _POWERS_OF_TEN.get(factor)
    if exponent is not None:
        scaled = shift_point(cells.texts, pc.cast(cells.values, pa.float64()), exponent)
    else:
        scaled = scale(pc.cast(cells.values, pa.float64()), factor)
    if pa.types.is_decimal(kind):
        return to_decimal(pc.cast(scaled, pa.string()), kind)
    return pc.cast(pc.round(scaled) if pa.types.is_integer(kind) else scaled, kind, safe=False)
