"""Number texts to numbers, whole columns at a time; more work only where a column does not parse at once."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headgate.records.buffers import holds_any, offsets_of

THOUSANDS = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?$"
WHOLE = r"^[+-]?[0-9]+(\.0*)?$"
_EXACT_DIGITS = 12  # behind the point, while rounding
_NO_UNDERFLOW = 300  # digits of the smallest number without an exponent that is surely a normal double
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"


def parse_numbers(text: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.Array]:
    """Values and the texts they were read from; null where a text is no number of this kind.

    ``text``: strings, null for empty cells. Accepted besides plain numbers: surrounding white space,
    thousands separators in groups of three, a leading plus, whole numbers written as ``2018.0``.
    Not accepted: NaN, infinities, hexadecimal, numbers that the type cannot hold.
    """
    try:
        return _cast(text, kind), text
    except pa.ArrowInvalid:
        pass
    text = tidy_numbers(text)
    whole = pa.types.is_integer(kind)
    text = _where(pc.match_substring_regex(text, WHOLE if whole else NUMBER), text)
    if whole:
        text = pc.replace_substring_regex(text, r"^\+|\.0*$", "")
    values = _cast_fitting(text, kind)
    return values, _where(values.is_valid(), text)


def written(values: pa.Array, texts: pa.Array) -> pa.Array:
    """Floats as texts that Postgres reads as the same numbers: those they were read from where it can be.

    To write the shortest text of a number anew takes longer than all else of a row's CSV. Postgres refuses
    numbers too small for a double, which here are 0: texts that could be such are not taken over.
    """
    if not pa.types.is_string(texts.type) or holds_any(texts, "eE") or _longest(texts) > _NO_UNDERFLOW:
        return pc.cast(values, pa.string())
    return texts


def cast_each(text: pa.Array, kind: pa.DataType, pattern: str) -> pa.Array:
    """A cast that leaves null what does not parse.

    Texts that the pattern does not fit are wrong at once; around the few that only look right
    (the 30th of February) the column is halved.
    """
    try:
        return pc.cast(text, kind)
    except pa.ArrowInvalid:
        return pa.concat_arrays(_cast_halves(_where(pc.match_substring_regex(text, pattern), text), kind))


def tidy_numbers(text: pa.Array) -> pa.Array:
    """Texts without surrounding white space, and without the commas of numbers like ``-1,234.5``."""
    text = pc.utf8_trim_whitespace(text)
    grouped = pc.match_substring_regex(text, THOUSANDS)
    if not pc.any(grouped).as_py():
        return text
    return pc.if_else(grouped, pc.replace_substring(text, ",", ""), text)


def shift_point(text: pa.Array, values: pa.Array, exponent: int) -> pa.Array:
    """The numbers of the texts times ten to the ``exponent``, as exact as the texts: 33.3 becomes 0.333.

    Dividing the parsed number instead would give 0.33299999999999996.
    """
    shifted = pc.binary_join_element_wise(text, f"e{exponent}", "")
    try:
        return pc.cast(shifted, pa.float64())
    except pa.ArrowInvalid:
        plain = pc.invert(pc.match_substring_regex(text, "[eE]"))
        return pc.coalesce(pc.cast(_where(plain, shifted), pa.float64()), scale(values, 10.0**exponent))


def scale(values: pa.Array, factor: float) -> pa.Array:
    """Numbers times a factor; divided by its inverse where that is a whole number, which rounds but once."""
    inverse = 1 / factor
    if inverse >= 1 and abs(inverse - round(inverse)) < 1e-9 * inverse:
        return pc.divide(values, float(round(inverse)))
    return pc.multiply(values, factor)


def to_decimal(text: pa.Array, kind: Any) -> pa.Array:
    """Number texts to decimals of this type, rounded as Postgres rounds; null where they don't fit."""
    try:
        return pc.cast(text, kind)
    except pa.ArrowInvalid:
        pass
    try:
        return _rounded(pc.cast(text, pa.decimal128(38, _EXACT_DIGITS)), kind)
    except pa.ArrowInvalid:  # more digits than 38 in all, or more behind the point
        return pa.array([_decimal(cell, kind) for cell in text.to_pylist()], kind)


def _rounded(exact: pa.Array, kind: Any) -> pa.Array:
    rounded = pc.round(exact, kind.scale, round_mode="half_towards_infinity")
    bound = pa.scalar(Decimal(10) ** (kind.precision - kind.scale), exact.type)
    return pc.cast(_where(pc.less(pc.abs(rounded), bound), rounded), kind)


def _decimal(cell: str | None, kind: Any) -> Any:
    if cell is None:
        return None
    try:
        return Decimal(cell).quantize(
            Decimal(1).scaleb(-kind.scale), rounding=ROUND_HALF_UP, context=Context(prec=kind.precision)
        )
    except InvalidOperation:
        return None


def _cast(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """A cast of the whole column; ``ArrowInvalid`` when one cell is no finite decimal number."""
    values = pc.cast(text, kind)
    if pa.types.is_floating(kind):
        if pc.all(pc.is_finite(values)).as_py() is False:
            raise pa.ArrowInvalid("not finite")
    elif pa.types.is_integer(kind) and holds_any(text, "xX"):
        raise pa.ArrowInvalid("hexadecimal")
    return values


def _cast_fitting(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """Number texts to values; null where the type cannot hold the number."""
    if pa.types.is_decimal(kind):
        return to_decimal(text, kind)
    if pa.types.is_floating(kind):
        values = pc.cast(text, kind)
        return _where(pc.is_finite(values), values)
    wide = cast_each(text, pa.int64(), WHOLE)
    bounds = np.iinfo(kind.to_pandas_dtype())
    fits = pc.and_(pc.greater_equal(wide, int(bounds.min)), pc.less_equal(wide, int(bounds.max)))
    return pc.cast(_where(fits, wide), kind)


def _cast_halves(text: pa.Array, kind: pa.DataType) -> list[pa.Array]:
    try:
        return [pc.cast(text, kind)]
    except pa.ArrowInvalid:
        if len(text) == 1:
            return [pa.nulls(1, kind)]
        half = len(text) // 2
        return _cast_halves(text[:half], kind) + _cast_halves(text[half:], kind)


def _longest(texts: pa.Array) -> int:
    return int(np.diff(offsets_of(texts)).max(initial=0))


def _where(condition: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(condition, values, pa.scalar(None, values.type))
