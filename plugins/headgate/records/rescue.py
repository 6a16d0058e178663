"""The cells of unknown columns as one JSON text a row (drift mode ``rescue``)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_CONTROL = r"[\x00-\x1f]"


def rescued_column(columns: Sequence[tuple[str, pa.Array]], rows: int) -> pa.Array:
    """``{"header": "cell", …}`` of the cells that are not empty; null for rows without any."""
    members = [_member(name, text) for name, text in columns]
    if not members:
        return pa.nulls(rows, pa.string())
    # Not null_handling="skip": Arrow 26.0 loses the rows that are null in all members.
    joined = pc.binary_join_element_wise(*members, "", null_handling="replace", null_replacement="")
    filled = pc.if_else(
        pc.not_equal(joined, ""), pc.utf8_slice_codeunits(joined, 1), pa.scalar(None, pa.string())
    )
    return pc.binary_join_element_wise("{", filled, "}", "")


def _member(name: str, text: pa.Array) -> pa.Array:
    """``,"header":"cell"``, null where the cell is empty."""
    return pc.binary_join_element_wise(f',{json.dumps(name)}:"', escaped(text), '"', "")


def escaped(text: pa.Array) -> pa.Array:
    """Texts as they stand inside a JSON string."""
    for plain, escape in _ESCAPES[:2]:
        text = pc.replace_substring(text, plain, escape)
    if not pc.any(pc.match_substring_regex(text, _CONTROL)).as_py():
        return text
    for plain, escape in _ESCAPES[2:]:
        text = pc.replace_substring(text, plain, escape)
    for code in range(32):
        text = pc.replace_substring(text, chr(code), f"\\u{code:04x}")
    return text
