"""What can be wrong with a record before any cell is read: its quotes, bytes, length and number of fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headgate.records.boundaries import BROKEN_QUOTE, GOOD, TOO_LONG, Records, count_fields
from headgate.records.model import Int64s
from headgate.records.tracing import CR, LF, Rules
from headgate.records.violations import Violations

_BLANKS = b' \t\r\n"'
_TOO_LONG = (
    "the record is longer than {:,} bytes, only its beginning is kept here; "
    "if it should be that long, raise HEADGATE_MAX_RECORD_BYTES and load the object again"
)
_BROKEN_QUOTE = "a quote opens a field and is not rightly closed; only this line is taken for the record"


@dataclass(frozen=True)
class Structure:
    """The records of a piece by what becomes of them: read, or empty, or else in ``violations``."""

    readable: Int64s  # indexes of the records that have the right number of fields and can be decoded
    blank: int
    violations: Violations


def regular_structure(piece: bytes, records: Records, rules: Rules, encoding: str) -> Structure | None:
    """The structure of a piece in which at most the numbers of fields can be wrong, else ``None``.

    Counting them costs as much as reading the cells, and the CSV reader counts them by itself.
    """
    if records.status.any() or records.traced.size or b"\0" in piece or not rules.fields:
        return None
    violations = Violations()
    _add_undecodable(violations, piece, records, encoding)
    return None if violations else Structure(np.arange(records.ends.size), 0, violations)


def check_structure(piece: bytes, records: Records, rules: Rules, encoding: str) -> Structure:
    """Sort out the records of a piece that cannot be read as rows."""
    fields = count_fields(piece, records, rules.delimiter)
    good = records.status == GOOD
    cut_off = _cut_off(piece, records)
    ragged = good & (fields != rules.fields) if rules.fields else np.zeros_like(good)
    blank = _blank(piece, records, ragged, rules)
    ragged[blank] = False
    broken = records.status == BROKEN_QUOTE
    violations = Violations()
    if cut_off >= 0 and (broken[cut_off] or (ragged[cut_off] and fields[cut_off] < (rules.fields or 0))):
        _add_truncated(violations, cut_off, fields, rules)
        broken[cut_off] = ragged[cut_off] = False
    violations.add(np.flatnonzero(broken), "quote", None, None, _BROKEN_QUOTE)
    too_long = np.flatnonzero(records.status == TOO_LONG)
    violations.add(too_long, "too_long", None, None, _TOO_LONG.format(rules.limit))
    _add_ragged(violations, ragged, fields, rules)
    _add_zero_bytes(violations, piece, records)
    _add_undecodable(violations, piece, records, encoding)
    readable = good.copy()
    readable[violations.rows()] = False
    readable[blank] = False
    return Structure(np.flatnonzero(readable), blank.size, violations)


def is_blank(record: bytes, delimiter: int) -> bool:
    """Whether a record holds nothing but delimiters, white space and empty quotes."""
    return not record.translate(None, _BLANKS + bytes([delimiter]))


def raw_texts(piece: bytes, records: Records, indexes: Int64s, encoding: str) -> pa.Array:
    """The records' text without line ends. What does not decode, and zero bytes, are shown as escapes."""
    starts, ends = records.starts[indexes].tolist(), records.ends[indexes].tolist()
    return pa.array(
        [_shown(piece[start:end], encoding) for start, end in zip(starts, ends, strict=True)], pa.string()
    )


def _shown(record: bytes, encoding: str) -> str:
    return record.rstrip(b"\r\n").decode(encoding, errors="backslashreplace").replace("\0", "\\x00")


def _cut_off(piece: bytes, records: Records) -> int:
    """Index of the record that ends the object without a line end, or -1."""
    last = piece[records.consumed - 1]
    return -1 if last in (LF, CR) else records.ends.size - 1


def _blank(piece: bytes, records: Records, ragged: npt.NDArray[np.bool_], rules: Rules) -> Int64s:
    """Records without any text: empty lines, and lines of delimiters with too few of them."""
    lengths = records.ends - records.starts
    first = np.frombuffer(piece, np.uint8)[records.starts]
    empty = (lengths <= 2) & ((first == LF) | (first == CR))
    candidates = np.flatnonzero(ragged & ~empty & (lengths <= 4096)).tolist()
    more = [i for i in candidates if is_blank(piece[records.starts[i] : records.ends[i]], rules.delimiter)]
    return np.union1d(np.flatnonzero(empty), np.array(more, np.int64)).astype(np.int64)


def _add_truncated(violations: Violations, cut_off: int, fields: Int64s, rules: Rules) -> None:
    found = f"{fields[cut_off]} of {rules.fields} fields" if fields[cut_off] else "an open quote"
    reason = f"the last record has {found} and no line end: the object looks cut off"
    violations.add(np.array([cut_off]), "truncated", None, None, reason)


def _add_ragged(violations: Violations, ragged: npt.NDArray[np.bool_], fields: Int64s, rules: Rules) -> None:
    rows = np.flatnonzero(ragged)
    counts = fields[rows]
    for count in np.unique(counts).tolist():
        reason = f"has {count} field{'s' * (count != 1)}, the header has {rules.fields}"
        violations.add(rows[counts == count], "structure", None, None, reason)


def _add_zero_bytes(violations: Violations, piece: bytes, records: Records) -> None:
    if b"\0" not in piece:
        return
    positions = np.flatnonzero(np.frombuffer(piece, np.uint8)[: records.consumed] == 0)
    rows, first = np.unique(np.searchsorted(records.ends, positions, side="right"), return_index=True)
    offsets = positions[first] - records.starts[rows]
    reasons = [f"NUL byte at byte {offset + 1} of the record" for offset in offsets.tolist()]
    violations.add(rows, "nul_byte", None, None, pa.array(reasons, pa.string()))


def _add_undecodable(violations: Violations, piece: bytes, records: Records, encoding: str) -> None:
    if piece.isascii():
        return
    view = memoryview(piece)
    try:
        str(view[: records.consumed], encoding)
        return
    except UnicodeDecodeError:
        pass
    positions = np.flatnonzero(np.frombuffer(piece, np.uint8)[: records.consumed] >= 128)
    rows, reasons = [], []
    for row in np.unique(np.searchsorted(records.ends, positions, side="right")).tolist():
        try:
            str(view[records.starts[row] : records.ends[row]], encoding)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            rows.append(row)
            reasons.append(
                f"byte 0x{byte:02X} at byte {error.start + 1} of the record is not {encoding.upper()}; "
                "the object may be in another encoding (Windows-1252, Latin-1)"
            )
    violations.add(np.array(rows, np.int64), "encoding", None, None, pa.array(reasons, pa.string()))
