"""Payloads of re-cut objects: whole records gathered until a chunk is full."""

from __future__ import annotations

from headgate.records.model import ChunkPlan, Sink

WELL_FORMED_LIMIT = 1 << 30
"""Longest record of payloads that Headgate wrote itself: their quotes are right, nothing to bound."""


class Staging:
    """Hands records to a sink in chunks and keeps the plans. A record's line is its row in the source."""

    def __init__(self, sink: Sink, chunk_bytes: int, first_line: int) -> None:
        self._sink = sink
        self._chunk_bytes = chunk_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._pending = 0
        self._first_line = first_line
        self._plans: list[ChunkPlan] = []
        self.records = 0

    def add(self, data: bytes, records: int) -> None:
        """Append whole records; a chunk is closed before it would outgrow its size."""
        if self._parts and self._size + len(data) > self._chunk_bytes:
            self._close()
        self._parts.append(data)
        self._size += len(data)
        self._pending += records

    def finish(self) -> tuple[ChunkPlan, ...]:
        """The plans of all chunks."""
        if self._parts:
            self._close()
        return tuple(self._plans)

    def _close(self) -> None:
        payload = b"".join(self._parts)
        self._parts.clear()
        ordinal = len(self._plans)
        self._plans.append(
            ChunkPlan(
                ordinal=ordinal,
                offset=0,
                length=len(payload),
                first_row=self.records + 1,
                first_line=self._first_line + self.records,
                records=self._pending,
                source=self._sink(ordinal, payload),
            )
        )
        self.records += self._pending
        self._size = self._pending = 0
