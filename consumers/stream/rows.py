"""Lines of a stream as typed rows, bad ones aside: what a task makes of a chunk, without expectations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headgate.contract import Contract
from headgate.ledger import StagedBatch, StagedCounts
from headgate.ledger.live import Booking, Minute
from headgate.message import ROW_NUMBER, message_id
from headgate.records import (
    ChunkPlan,
    EncodedBatch,
    Inspection,
    ParsedChunk,
    Violations,
    csv_text,
    empty_ndjson,
    encode_batches,
    find_duplicates,
    key_hashes,
    parse_chunk,
    reject_rows,
)
from headgate.steps.rejects import counts_by_rule, for_quarantine

TIME = "msgtime"  # when the position was sent; the provider received it at about that time
REPEATED = "warning:repeated"  # lines that say the same as an earlier one, not counted as read
_WHOLE = 1 << 40  # bytes of a batch: one message


@dataclass(frozen=True)
class Layout:
    """How lines are read under a version of the contract, and the columns of their messages."""

    contract: Contract
    version: int
    inspection: Inspection
    columns: tuple[str, ...]

    @property
    def described(self) -> dict[str, Any]:
        """What the ledger keeps of it with each minute."""
        return {**self.inspection.to_dict(), "staged_columns": list(self.columns)}


def layout_of(contract: Contract, version: int, max_record_bytes: int) -> Layout:
    """Every column of the contract is there in every batch: a key that a line lacks is null."""
    names = [column.name for column in contract.columns]
    inspection = replace(
        empty_ndjson(max_record_bytes),
        header=tuple(column.aliases[0] for column in contract.columns),
        columns={name: place for place, name in enumerate(names)},
    )
    rescued = ["_rescued"] if contract.rescues else []
    return Layout(contract, version, inspection, (ROW_NUMBER, *names, *rescued))


def booking_of(
    lines: bytes,
    arrived: datetime,
    minute: Minute,
    layout: Layout,
    known: frozenset[str] = frozenset(),
) -> Booking:
    """What whole lines, the last of which came at ``arrived``, add to their minute.

    ``known``: bad lines that are in quarantine already, and may come again.
    """
    count = lines.count(b"\n")
    plan = ChunkPlan(
        ordinal=0,
        offset=0,
        length=len(lines),
        first_row=minute.records + 1,
        first_line=minute.records + 1,
        records=count,
    )
    parsed = parse_chunk(lines, plan, layout.inspection, layout.contract)
    parsed, repeated = without_repeats(parsed, lines, plan, layout)
    found = for_quarantine(parsed.rejects, minute.chunk_id)
    rejects = found.filter(pc.invert(pc.is_in(found["raw"], pa.array(list(known), pa.string()))))
    repeated += found.num_rows - rejects.num_rows
    counts = StagedCounts(
        read=parsed.table.num_rows + rejects.num_rows,
        blank=parsed.blank,
        accepted=parsed.table.num_rows,
        rejected=rejects.num_rows,
        rule_counts=counts_by_rule(rejects) | ({REPEATED: repeated} if repeated else {}),
    )
    encoded = next(iter(encode_batches(parsed.written, layout.columns, _WHOLE)), None)
    return Booking(
        lines=count,
        size=len(lines),
        counts=counts,
        rejects=csv_text(rejects) if rejects.num_rows else b"",
        read_to=read_to(parsed.table, arrived),
        batch=_staged(minute, parsed.table, encoded) if encoded else None,
        body=encoded.body if encoded else b"",
    )


def without_repeats(
    parsed: ParsedChunk, lines: bytes, plan: ChunkPlan, layout: Layout
) -> tuple[ParsedChunk, int]:
    """Of rows with the same key the first stays; how many were left out because they say the same.

    The stream repeats itself; what differs and has the key of an earlier row goes to quarantine.
    """
    numbers = parsed.table[ROW_NUMBER].to_numpy()
    hashes = key_hashes(parsed.table, layout.contract.key)
    found = find_duplicates([(0, lambda: (hashes, numbers))], numbers.size)
    if not len(found):
        return parsed, 0
    later = np.searchsorted(numbers, found.row_number)
    first = np.searchsorted(numbers, found.first_row_number)
    said = parsed.table.drop_columns([ROW_NUMBER])
    pairs = zip(said.take(pa.array(later)).to_pylist(), said.take(pa.array(first)).to_pylist(), strict=True)
    same = np.array([one == other for one, other in pairs])
    differing = Violations()
    reasons = pa.array([f"same key as row {number}" for number in found.first_row_number[~same]])
    differing.add(later[~same], "unique_key", ", ".join(layout.contract.key), None, reasons)
    kept = reject_rows(parsed, differing, lines, plan, layout.inspection)
    echoes = np.isin(kept.table[ROW_NUMBER].to_numpy(), found.row_number[same])
    return _taken(kept, np.flatnonzero(~echoes)), int(same.sum())


def _taken(parsed: ParsedChunk, rows: np.typing.NDArray[np.intp]) -> ParsedChunk:
    chosen = pa.array(rows)
    return replace(
        parsed,
        table=parsed.table.take(chosen),
        texts={name: texts.take(chosen) for name, texts in parsed.texts.items()},
        lines=parsed.lines[rows],
    )


def read_to(table: pa.Table, arrived: datetime) -> datetime | None:
    """Up to when the provider's own reception is read with these rows; None: they do not tell.

    Half of the positions were sent before it. That lags behind as we do, when bytes have waited on their way
    to us, and single ships with wrong clocks do not move it.
    """
    if not table.num_rows:
        return None
    sent = np.median(table[TIME].cast(pa.int64()).to_numpy()) / 1e6
    return datetime.fromtimestamp(float(np.clip(sent, 0, arrived.timestamp())), UTC)


def _staged(minute: Minute, table: pa.Table, encoded: EncodedBatch) -> StagedBatch:
    numbers = table[ROW_NUMBER]
    return StagedBatch(
        message_id=message_id(minute.object_id, 0, minute.batches),
        ordinal=minute.batches,
        byte_offset=0,
        byte_length=len(encoded.body),
        rows=encoded.rows,
        first_row=numbers[0].as_py(),
        last_row=numbers[-1].as_py(),
        sha256=encoded.sha256,
    )
