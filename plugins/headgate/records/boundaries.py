"""Where records of delimited text begin and end.

The grammar is that of RFC 4180 with the line ends LF, CR LF and CR. A quote opens a field only at the
field's start; elsewhere it is text. The quote that closes a field is followed by the delimiter, a line
end or the end of the object, and ``""`` stands for a quote. An opening quote without such a close
within the longest record is broken: its line is one bad record and reading goes on with the next line.
So is a quote whose field spans lines, when the record then has the wrong number of fields while one of
the swallowed lines reads as a whole record of its own: a broken quote must not swallow a good neighbour.
Where two broken quotes meet, the record may have the right number of fields: it is told from a text with line
ends by lines that each have the delimiters of a record (``tracing.WHOLE_LINES``).

Cutting (inspect) and parsing call the same ``scan``, so that they number records alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from headgate.records.model import MIB, Int64s
from headgate.records.tracing import CR, LF, QUOTE, WHOLE_FIELDS, WHOLE_LINES, Rules, trace

Bytes8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

GOOD, BROKEN_QUOTE, TOO_LONG = 0, 1, 2
"""Status of a record."""

PIECE_BYTES = 4 * MIB


def _nothing() -> Int64s:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Records:
    """The whole records at the front of a buffer, as arrays with one entry a record."""

    starts: Int64s  # offset of the first byte
    ends: Int64s  # offset after the line end
    line_ends: Int64s  # number of physical lines of the buffer up to the record's end
    status: Bytes8
    quotes: Int64s = field(
        default_factory=_nothing
    )  # opening and closing in turn, but for the traced records
    traced: Int64s = field(default_factory=_nothing)  # records that were read byte by byte,
    traced_fields: Int64s = field(default_factory=_nothing)  # and their numbers of fields

    @property
    def consumed(self) -> int:
        """Bytes of the buffer that the records take; the rest wants more bytes."""
        return int(self.ends[-1]) if self.ends.size else 0

    @property
    def line_starts(self) -> Int64s:
        """Number of physical lines of the buffer before each record."""
        return np.concatenate([[0], self.line_ends[:-1]]) if self.line_ends.size else _nothing()


def scan(buffer: bytes, rules: Rules, *, final: bool) -> Records:
    """The records of a buffer that begins with a record; ``final`` when nothing follows the buffer.

    Unless ``final``, what is left over is at most ``rules.limit`` bytes long or has no line end.
    """
    view = np.frombuffer(buffer, np.uint8)
    ends = _line_ends(buffer, view, final)
    quotes = np.flatnonzero(view == QUOTE) if rules.quoting and QUOTE in buffer else _nothing()
    if not quotes.size:
        return _with_lengths(_records(ends, np.arange(1, ends.size + 1)), rules.limit)
    return _scan_regular(buffer, view, ends, quotes, rules, final) or _scan_lines(
        buffer, view, ends, quotes, rules, final
    )


def pieces(payload: bytes, rules: Rules, size: int = PIECE_BYTES) -> Iterator[tuple[bytes, Records]]:
    """A payload that ends with a record, in pieces of about ``size`` bytes that hold whole records."""
    start, step = 0, size
    while start < len(payload):
        final = start + step >= len(payload)
        piece = payload if final and start == 0 else payload[start : start + step]
        records = scan(piece, rules, final=final)
        step = size if records.consumed else step * 2
        if records.consumed:
            yield piece, records
        start += records.consumed


def count_fields(buffer: bytes, records: Records, delimiter: int) -> Int64s:
    """Number of fields of each record; of no meaning where the status is not ``GOOD``."""
    if not records.starts.size:
        return _nothing()
    is_delimiter = (np.frombuffer(buffer, np.uint8)[: records.consumed] == delimiter).view(np.uint8)
    counts: Int64s = np.add.reduceat(is_delimiter, records.starts, dtype=np.uint32).astype(np.int64) + 1
    if records.quotes.size:
        quoted = np.add.reduceat(is_delimiter, records.quotes, dtype=np.uint32)[::2]
        owner = np.searchsorted(records.starts, records.quotes[::2], side="right") - 1
        counts -= np.bincount(owner, weights=quoted, minlength=counts.size).astype(np.int64)
    counts[records.traced] = records.traced_fields
    return counts


def _line_ends(buffer: bytes, view: Bytes8, final: bool) -> Int64s:
    """Offsets after each line end; with ``final`` the end of the buffer closes the last line."""
    ends = np.flatnonzero(view == LF) + 1
    if CR in buffer and np.count_nonzero(view == CR) != np.count_nonzero(view[ends[ends > 1] - 2] == CR):
        ends = _mixed_line_ends(view, final)
    if final and view.size and (not ends.size or ends[-1] != view.size):
        ends = np.append(ends, view.size)
    return ends


def _mixed_line_ends(view: Bytes8, final: bool) -> Int64s:
    """The same where some CR stands alone."""
    is_end = view == LF
    returns = view == CR
    returns[:-1] &= ~is_end[1:]  # the CR of a CR LF
    returns[-1:] &= final  # an LF may follow
    return np.flatnonzero(is_end | returns) + 1


def _records(ends: Int64s, line_ends: Int64s) -> Records:
    starts = np.concatenate([[0], ends[:-1]]) if ends.size else _nothing()
    return Records(starts, ends, line_ends, np.zeros(ends.size, np.uint8))


def _with_lengths(records: Records, limit: int) -> Records:
    records.status[records.ends - records.starts > limit] = TOO_LONG
    return records


def _allowed(view: Bytes8, neighbours: Int64s, delimiter: int) -> Mask:
    """Whether a field's quote may have these bytes at its outer side: the delimiter, a line end, the edge of
    the buffer, or a quote, which then is the other half of ``\"\"``."""
    table = np.zeros(256, np.bool_)
    table[[delimiter, LF, CR, QUOTE]] = True
    allowed = table[view.take(neighbours, mode="clip")]
    return allowed | (neighbours < 0) | (neighbours >= view.size)


def _scan_regular(
    buffer: bytes, view: Bytes8, lines: Int64s, quotes: Int64s, rules: Rules, final: bool
) -> Records | None:
    """The records where every quote of the buffer is as RFC 4180 has it, else ``None``."""
    for neighbours in (quotes[::2] - 1, quotes[1::2] + 1):
        if not _allowed(view, neighbours, rules.delimiter).all():
            return None
    outside = np.searchsorted(quotes, lines) % 2 == 0
    line_ends = np.flatnonzero(outside) + 1
    records = _records(lines[outside], line_ends)
    rest = view.size - records.consumed
    if rest and (final or rest > rules.limit):
        return None
    several = np.diff(line_ends, prepend=0) > 1
    if (records.ends - records.starts)[several].max(initial=0) > rules.limit:
        return None
    inner = quotes[: np.searchsorted(quotes, records.consumed)]
    records = Records(records.starts, records.ends, line_ends, records.status, inner)
    if rules.fields and several.any():
        counts = count_fields(buffer, records, rules.delimiter)
        if (counts[several] != rules.fields).any() or _has_whole_lines(view, lines, line_ends, rules):
            return None
    return _with_lengths(records, rules.limit)


def _has_whole_lines(view: Bytes8, lines: Int64s, line_ends: Int64s, rules: Rules) -> bool:
    """Whether each line of some record reads as a record; see ``tracing.WHOLE_LINES``."""
    heights = np.diff(line_ends, prepend=0)
    fields = rules.fields or 0
    if fields < WHOLE_FIELDS or heights.max(initial=0) < WHOLE_LINES:
        return False
    starts = np.concatenate([[0], lines[: line_ends[-1] - 1]])
    delimiters = np.add.reduceat(
        (view[: lines[line_ends[-1] - 1]] == rules.delimiter).view(np.uint8), starts, dtype=np.uint32
    )
    whole = np.add.reduceat(delimiters == fields - 1, line_ends - heights, dtype=np.int64)
    return bool(((whole == heights) & (heights >= WHOLE_LINES)).any())


def _scan_lines(
    buffer: bytes, view: Bytes8, ends: Int64s, quotes: Int64s, rules: Rules, final: bool
) -> Records:
    """The records where some quotes are irregular: line by line, those lines traced byte by byte."""
    starts = np.concatenate([[0], ends[:-1]]) if ends.size else _nothing()
    regular, irregular, paired = _classify(view, ends, quotes, rules.delimiter)
    first_of_record = np.ones(ends.size, np.bool_)
    status = np.zeros(ends.size, np.uint8)
    traced: dict[int, int] = {}
    count, cursor = ends.size, 0
    for line in np.flatnonzero(irregular).tolist():
        if line < cursor:
            continue
        record = trace(buffer, int(starts[line]), rules, final=final)
        if record is None:
            count = line
            break
        cursor = int(np.searchsorted(ends, record.end)) + 1
        first_of_record[line + 1 : cursor] = False
        status[line] = BROKEN_QUOTE if record.broken else GOOD
        traced[line] = record.fields
    return _with_lengths(
        _merge_lines(
            starts[:count], ends[:count], first_of_record[:count], status[:count], traced, paired, regular
        ),
        rules.limit,
    )


def _merge_lines(
    starts: Int64s,
    ends: Int64s,
    first: Mask,
    status: Bytes8,
    traced: dict[int, int],
    paired: tuple[Int64s, Int64s],
    regular: Mask,
) -> Records:
    """Lines to records: a record ends where the next line is the first of one."""
    last = np.append(first[1:], True)[: first.size]
    record_of_line = np.cumsum(first) - 1
    quotes, line_of_quote = paired
    kept = line_of_quote < first.size
    quotes, line_of_quote = quotes[kept], line_of_quote[kept]
    untraced = first & last & regular[: first.size]
    lines = np.fromiter(traced.keys(), np.int64, len(traced))
    fields = np.fromiter(traced.values(), np.int64, len(traced))
    return Records(
        starts[first],
        ends[last],
        np.flatnonzero(last) + 1,
        status[first],
        quotes[untraced[line_of_quote]],
        record_of_line[lines],
        fields,
    )


def _classify(
    view: Bytes8, ends: Int64s, quotes: Int64s, delimiter: int
) -> tuple[Mask, Mask, tuple[Int64s, Int64s]]:
    """Which lines are well quoted by themselves, which must be traced; and the quotes with their lines.

    The lines in neither class have no quote at all, or none at a field's start: there they are text.
    """
    line_of_quote = np.searchsorted(ends, quotes, side="right")
    inside = line_of_quote < ends.size
    quotes, line_of_quote = quotes[inside], line_of_quote[inside]
    counts = np.bincount(line_of_quote, minlength=ends.size)
    first = np.cumsum(counts) - counts
    opening = (np.arange(quotes.size) - first[line_of_quote]) % 2 == 0
    misplaced = ~_allowed(view, np.where(opening, quotes - 1, quotes + 1), delimiter)
    wrong = (np.bincount(line_of_quote, weights=misplaced, minlength=ends.size) > 0) | (counts % 2 == 1)
    before = view[np.maximum(quotes - 1, 0)]
    at_start = (before == delimiter) | (before == LF) | (before == CR) | (quotes == 0)
    opens = np.bincount(line_of_quote, weights=at_start, minlength=ends.size) > 0
    return (counts > 0) & ~wrong, wrong & opens, (quotes, line_of_quote)
