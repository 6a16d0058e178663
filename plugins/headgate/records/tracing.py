"""One record of delimited text read byte by byte, where vectorised scanning cannot tell."""

from __future__ import annotations

from dataclasses import dataclass

LF, CR, QUOTE = 10, 13, 34
WHOLE_LINES, WHOLE_FIELDS = 3, 5
"""A record with the right number of fields, of this many lines or more, each of which has as many delimiters
as a record of this many fields or more: two broken quotes that met, not a text with line ends."""


@dataclass(frozen=True)
class Rules:
    """How delimited text is read."""

    delimiter: int  # byte
    limit: int  # bytes of the longest record, its line end included
    fields: int | None = None  # of a record as the header has it; None while the header is not known
    quoting: bool = True  # False for JSON lines, where a line is a record whatever is in it


@dataclass(frozen=True)
class Trace:
    """A record that was traced from its first byte."""

    end: int  # offset after the line end
    fields: int
    broken: bool = False  # a quote that is never rightly closed


def trace(buffer: bytes, start: int, rules: Rules, *, final: bool, stop: int | None = None) -> Trace | None:
    """The record that starts at ``start``; ``None`` when the buffer ends before that is decided.

    ``final`` says that nothing follows the buffer (or ``stop``, the offset at which to act as if it ended).
    """
    size = len(buffer) if stop is None else stop
    window = min(size, start + rules.limit)
    delimiter = bytes([rules.delimiter])
    position, passed = _next_quoted(buffer, start, size, delimiter)
    fields, spans = 1 + passed, False
    while position < size and buffer[position] == QUOTE:
        close = closing_quote(buffer, position + 1, window)
        undecided = size < start + rules.limit if close < 0 else close + 1 >= size
        if undecided and not final:
            return None
        follower = buffer[close + 1] if 0 <= close < size - 1 else LF
        if close < 0 or follower not in (rules.delimiter, CR, LF):
            return _broken(buffer, start, size, final)
        spans = spans or _next_line_end(buffer, position, close) < close
        position = close + 1
        if follower == rules.delimiter:
            position, passed = _next_quoted(buffer, close + 2, size, delimiter)
            fields += 1 + passed
    end = _after_line_end(buffer, position, size, final)
    if spans and (size if end is None else end) - start > rules.limit:
        return _broken(buffer, start, size, final)
    if end is None:
        return None
    swallows = _swallows if fields != rules.fields else _is_of_whole_lines
    if spans and rules.fields and swallows(buffer, start, end, rules):
        return _broken(buffer, start, size, final)
    return Trace(end, fields)


def closing_quote(buffer: bytes, position: int, stop: int) -> int:
    """Offset of the first quote from ``position`` that is not half of a ``\"\"``, or -1."""
    while True:
        quote = buffer.find(b'"', position, stop)
        if quote < 0 or buffer[quote + 1 : quote + 2] != b'"':
            return quote
        position = quote + 2


def _next_quoted(buffer: bytes, position: int, size: int, delimiter: bytes) -> tuple[int, int]:
    """From a field's start: offset of the line's next quoted field or its end, and the delimiters passed."""
    if position < size and buffer[position] == QUOTE:
        return position, 0
    line_end = _next_line_end(buffer, position, size)
    before = buffer.find(delimiter + b'"', position, line_end)
    found = line_end if before < 0 else before + 1
    return found, buffer.count(delimiter, position, found)


def _next_line_end(buffer: bytes, position: int, size: int) -> int:
    """Offset of the next LF or CR, or ``size``."""
    feed = buffer.find(b"\n", position, size)
    feed = size if feed < 0 else feed
    back = buffer.find(b"\r", position, feed)
    return feed if back < 0 else back


def _after_line_end(buffer: bytes, position: int, size: int, final: bool) -> int | None:
    """Offset after the line end at ``position``; ``None`` when it lies beyond the buffer."""
    if position >= size or (buffer[position] == CR and position + 1 >= size):
        return size if final else None
    if buffer[position] == CR and buffer[position + 1] == LF:
        return position + 2
    return position + 1


def _broken(buffer: bytes, start: int, size: int, final: bool) -> Trace | None:
    """The bad record of a broken quote: the physical line on which the record starts."""
    end = _after_line_end(buffer, _next_line_end(buffer, start, size), size, final)
    return None if end is None else Trace(end, 0, broken=True)


def _swallows(buffer: bytes, start: int, end: int, rules: Rules) -> bool:
    """Whether a line of the record after its first reads as a whole record by itself."""
    alone = Rules(rules.delimiter, rules.limit)
    line = _after_line_end(buffer, _next_line_end(buffer, start, end), end, True) or end
    while line < end:
        after = _after_line_end(buffer, _next_line_end(buffer, line, end), end, True) or end
        record = trace(buffer, line, alone, final=True, stop=after)
        if record is not None and not record.broken and record.fields == rules.fields:
            return True
        line = after
    return False


def _is_of_whole_lines(buffer: bytes, start: int, end: int, rules: Rules) -> bool:
    """Whether every line of the record has as many delimiters as a record; see ``WHOLE_LINES``."""
    fields, delimiter = rules.fields or 0, bytes([rules.delimiter])
    if fields < WHOLE_FIELDS:
        return False
    lines, line = 0, start
    while line < end:
        after = _after_line_end(buffer, _next_line_end(buffer, line, end), end, True) or end
        if buffer.count(delimiter, line, after) != fields - 1:
            return False
        lines, line = lines + 1, after
    return lines >= WHOLE_LINES
