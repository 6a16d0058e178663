"""A stream of records into chunks of whole records, in one pass and bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headgate.records.boundaries import TOO_LONG, Records, scan
from headgate.records.model import MIB, ChunkPlan, Limits, Readable, Sink
from headgate.records.tracing import CR, LF, Rules

BLOCK_BYTES = MIB


@dataclass
class _Open:
    """The chunk that is being filled."""

    offset: int
    first_row: int
    first_line: int


class Cutter:
    """Cuts delimited text or JSON lines at record boundaries.

    With a ``sink`` the chunks' bytes are handed over and the plans point at what the sink says; without,
    the plans are byte ranges of the stream. A record longer than ``limits.max_record_bytes`` is a chunk
    by itself, of which only the first bytes are read: enough to show that it is too long.
    """

    def __init__(
        self,
        rules: Rules,
        limits: Limits,
        *,
        offset: int,
        first_line: int,
        sink: Sink | None,
    ) -> None:
        self.plans: list[ChunkPlan] = []
        self.blank_lines = 0
        self._rules = rules
        self._limits = limits
        self._sink = sink
        self._kept: list[bytes] = []
        self._rest = b""
        self._base = offset  # stream offset of the first byte of the rest
        self._row, self._line = 1, first_line  # of the record that starts at the base
        self._open = _Open(offset, 1, first_line)
        self._skipping = False

    @property
    def records(self) -> int:
        """Data records met so far."""
        return self._row - 1

    def cut(self, start: bytes, stream: Readable) -> None:
        """Cut everything: the bytes already read and the rest of the stream."""
        block = start
        while block:
            following = stream.read(BLOCK_BYTES)
            self._feed(block, final=not following)
            block = following
        self._close(self._base, self._row, self._line)

    def _feed(self, block: bytes, *, final: bool) -> None:
        buffer = self._rest + block if self._rest else block
        if self._skipping:
            buffer = self._skip(buffer, final)
        if self._skipping:
            self._rest = buffer
            return
        records = scan(buffer, self._rules, final=final)
        self._take(buffer, records)
        self._rest = buffer[records.consumed :]
        if len(self._rest) > self._limits.max_record_bytes and not final:
            self._open_ended(self._rest)

    def _take(self, buffer: bytes, records: Records) -> None:
        """Distribute a buffer's records over chunks."""
        count, done = records.ends.size, 0
        too_long = np.flatnonzero(records.status == TOO_LONG).tolist()
        while done < count:
            nearest = too_long[0] if too_long else count
            if nearest == done:
                too_long.pop(0)
                self._single(buffer, records, done)
                done += 1
                continue
            until = self._room(records, done, nearest)
            if until > done:
                self._keep(buffer, self._start(records, done), int(records.ends[until - 1]))
                done = until
            if until < nearest:
                self._cut_before(records, done)
        self.blank_lines += _blank_lines(buffer, records)
        self._base += records.consumed
        self._row += count
        self._line += int(records.line_ends[-1]) if count else 0

    def _room(self, records: Records, done: int, stop: int) -> int:
        """Index after the last record that fits into the open chunk; an empty chunk takes at least one."""
        target = self._open.offset + self._limits.chunk_bytes - self._base
        fits = int(np.searchsorted(records.ends[:stop], target, side="right"))
        empty = self._base + self._start(records, done) == self._open.offset
        return max(fits, done + 1 if empty else done)

    @staticmethod
    def _start(records: Records, index: int) -> int:
        return int(records.ends[index - 1]) if index else 0

    def _single(self, buffer: bytes, records: Records, index: int) -> None:
        """A record that is too long: a chunk by itself, clipped."""
        self._cut_before(records, index)
        start = self._start(records, index)
        clipped = start + self._limits.max_record_bytes + 1
        self._keep(buffer, start, clipped)
        self._close(self._base + clipped, self._open.first_row + 1, self._open.first_line)
        self._reopen(records, index + 1)

    def _cut_before(self, records: Records, index: int) -> None:
        """End the open chunk before a record, which then starts the next one."""
        lines = int(records.line_ends[index - 1]) if index else 0
        self._close(self._base + self._start(records, index), self._row + index, self._line + lines)

    def _reopen(self, records: Records, index: int) -> None:
        lines = int(records.line_ends[index - 1]) if index else 0
        self._open = _Open(self._base + self._start(records, index), self._row + index, self._line + lines)

    def _open_ended(self, rest: bytes) -> None:
        """The rest is a record that is too long and goes on beyond it: keep its head, skip to its end."""
        self._close(self._base, self._row, self._line)
        clipped = self._limits.max_record_bytes + 1
        self._keep(rest, 0, clipped)
        self._close(self._base + clipped, self._row + 1, self._line)
        self._skipping = True
        self._row += 1
        self._rest = self._skip(rest, final=False)

    def _skip(self, buffer: bytes, final: bool) -> bytes:
        """What follows the line that is skipped; while its end is not in sight, nothing but a last CR."""
        ends = [at for at in (buffer.find(b"\n"), buffer.find(b"\r")) if at >= 0]
        at = min(ends, default=len(buffer))
        if at < len(buffer) and buffer[at] == CR:
            if at + 1 == len(buffer) and not final:
                self._base += at
                return buffer[at:]
            at += buffer[at + 1 : at + 2] == bytes([LF])
        rest = buffer[at + 1 :]
        self._base += len(buffer) - len(rest)
        if ends:
            self._skipping = False
            self._line += 1
        self._open = _Open(self._base, self._row, self._line)
        return rest

    def _keep(self, buffer: bytes, start: int, end: int) -> None:
        if self._sink is not None:
            self._kept.append(buffer[start:end])

    def _close(self, offset: int, row: int, line: int) -> None:
        """End the open chunk at ``offset`` and open the next there; an empty chunk is no chunk."""
        chunk = self._open
        if offset > chunk.offset:
            source = None
            ordinal, length = len(self.plans), offset - chunk.offset
            if self._sink is not None:
                source = self._sink(ordinal, b"".join(self._kept))
                self._kept.clear()
            self.plans.append(
                ChunkPlan(
                    ordinal=ordinal,
                    offset=0 if self._sink else chunk.offset,
                    length=length,
                    first_row=chunk.first_row,
                    first_line=chunk.first_line,
                    records=row - chunk.first_row,
                    source=source,
                )
            )
        self._open = _Open(offset, row, line)


def _blank_lines(buffer: bytes, records: Records) -> int:
    """Records that are nothing but a line end."""
    short = records.starts[records.ends - records.starts <= 2]
    first = np.frombuffer(buffer, np.uint8)[short]
    return int(np.count_nonzero((first == LF) | (first == CR)))
