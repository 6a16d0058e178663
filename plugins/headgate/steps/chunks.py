"""One chunk in memory: read from the store, parsed, and staged as batches, bad rows and key hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import zstandard

from headgate import ledger
from headgate.contract import Contract
from headgate.ledger import ChunkWork, ObjectVersion, StagedBatch, StagedCounts
from headgate.message import ROW_NUMBER, message_id
from headgate.records import (
    ChunkPlan,
    EncodedBatch,
    Inspection,
    ParsedChunk,
    csv_pieces,
    encode_batches,
    encode_keys,
    key_hashes,
    parse_chunk,
    raw_records,
)
from headgate.steps import staging
from headgate.steps.rejects import counts_by_rule
from headgate.steps.services import Services

if TYPE_CHECKING:
    from headgate.records.model import Int64s


@dataclass(frozen=True)
class ReadChunk:
    """A chunk with its bytes and its rows."""

    found: ObjectVersion
    contract: Contract
    inspection: Inspection
    plan: ChunkPlan
    chunk_id: int
    payload: bytes
    parsed: ParsedChunk


def read_chunk(services: Services, contract: Contract, found: ObjectVersion, work: ChunkWork) -> ReadChunk:
    """Fetch and parse a chunk; ``ObjectChanged`` when the landed object is not the scanned one any more."""
    inspection = Inspection.from_dict(found.inspection)
    plan = plan_of(work)
    payload = payload_of(services, work)
    parsed = parse_chunk(payload, plan, inspection, contract)
    return ReadChunk(found, contract, inspection, plan, work.chunk_id, payload, parsed)


def payload_of(services: Services, work: ChunkWork) -> bytes:
    """The chunk's bytes; of the landed object only in the version that was scanned."""
    source = work.source
    return services.store.read_range(
        source["bucket"], source["key"], source["offset"], source["length"], etag=source.get("etag")
    )


def plan_of(work: ChunkWork) -> ChunkPlan:
    """The plan that the ledger kept."""
    return ChunkPlan(
        ordinal=work.ordinal,
        offset=work.source["offset"],
        length=work.source["length"],
        first_row=work.first_row,
        first_line=work.first_line,
        records=work.records,
        source=work.source,
    )


def stage_chunk(
    services: Services,
    chunk: ReadChunk,
    table: pa.Table,
    rejects: pa.Table,
    *,
    hashes: bytes,
    warnings: Mapping[str, int],
    again: bool = False,
) -> None:
    """Write what the chunk became, then tell the ledger. ``rejects``: a table of ``REJECT_COLUMNS``."""
    found = chunk.found
    batches = encode_batches(table, found.inspection["staged_columns"], services.settings.batch_bytes)
    bodies = [batch.body for batch in batches]
    packed = packed_rejects(rejects)
    name = staging.name_of(*bodies, packed, hashes)
    where = (found.dataset, found.object_id, chunk.plan.ordinal, name)
    services.store.put_bytes(services.staging, staging.batches_key(*where), b"".join(bodies))
    services.store.put_bytes(services.staging, staging.rejects_key(*where), packed)
    services.store.put_bytes(services.staging, staging.hashes_key(*where), hashes)
    counts = StagedCounts(
        read=table.num_rows + rejects.num_rows,
        blank=chunk.parsed.blank,
        accepted=table.num_rows,
        rejected=rejects.num_rows,
        rule_counts={**counts_by_rule(rejects), **warnings},
    )
    staged = staged_batches(found.object_id, chunk.plan.ordinal, table[ROW_NUMBER].to_numpy(), batches)
    services.ledger(ledger.record_staged, chunk.chunk_id, counts, staged, name=name, again=again)


def packed_rejects(rejects: pa.Table) -> bytes:
    """Bad rows as CSV, zstd. Packed piece by piece: in a bad file they are far longer than the chunk."""
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    return b"".join([*map(packer.compress, csv_pieces(rejects)), packer.flush()])


def staged_batches(
    object_id: int, chunk: int, row_numbers: Int64s, batches: list[EncodedBatch]
) -> list[StagedBatch]:
    """Where each batch lies in the staged object, and which rows it holds."""
    staged: list[StagedBatch] = []
    offset = row = 0
    for ordinal, batch in enumerate(batches):
        staged.append(
            StagedBatch(
                message_id=message_id(object_id, chunk, ordinal),
                ordinal=ordinal,
                byte_offset=offset,
                byte_length=len(batch.body),
                rows=batch.rows,
                first_row=int(row_numbers[row]),
                last_row=int(row_numbers[row + batch.rows - 1]),
                sha256=batch.sha256,
            )
        )
        offset += len(batch.body)
        row += batch.rows
    return staged


def hashes_of(chunk: ReadChunk, table: pa.Table) -> bytes:
    """Hash and row number of each row's key."""
    return encode_keys(key_hashes(table, chunk.contract.key), table[ROW_NUMBER].to_numpy())


def without_rows(table: pa.Table, row_numbers: Int64s) -> pa.Table:
    """The rows whose numbers are not among these."""
    if not len(row_numbers):
        return table
    return table.filter(pa.array(~np.isin(table[ROW_NUMBER].to_numpy(), row_numbers)))


def raw_rows(
    services: Services, found: ObjectVersion, work: ChunkWork, row_numbers: Sequence[int]
) -> dict[int, tuple[int, str]]:
    """Physical line and text of rows of a chunk, by row number."""
    inspection = Inspection.from_dict(found.inspection)
    numbers = np.unique(np.asarray(row_numbers, np.int64))
    lines, raws = raw_records(payload_of(services, work), plan_of(work), inspection, numbers)
    return dict(zip(numbers.tolist(), zip(lines.tolist(), raws.to_pylist(), strict=True), strict=True))
