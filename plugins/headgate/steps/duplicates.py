"""Keys that come again within one object: the first row stays, later ones go to quarantine.

``validate`` stored the hash of every accepted row's key. Here they are compared over all chunks of the
object, and the chunks that hold later ones are staged again without them. See docs/adr/0002.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog
import zstandard

from headgate import ledger
from headgate.contract import Contract
from headgate.ledger import Chunk, ObjectTotals, ObjectVersion
from headgate.message import ROW_NUMBER
from headgate.records import Duplicates, ParsedChunk, Violations, decode_keys, find_duplicates, reject_rows
from headgate.steps import staging
from headgate.steps.chunks import ReadChunk, read_chunk, stage_chunk, without_rows
from headgate.steps.rejects import for_quarantine, from_csv
from headgate.steps.services import Services

if TYPE_CHECKING:
    from headgate.records.model import Int64s

log = structlog.get_logger("headgate.steps.gate")
RULE = "unique_key"


def set_aside_repeats(services: Services, contract: Contract, totals: ObjectTotals) -> ObjectTotals:
    """Stage chunks that repeat keys again without the repeating rows; the totals as they are then.

    The hashes stay as ``validate`` wrote them, so that a retry finds the same repeats and stages the same.
    """
    found = totals.object
    chunks = services.ledger(ledger.chunks_of, found.object_id)
    repeats = find_repeats(services, found, chunks)
    undone = [chunk for chunk in chunks if chunk.rule_counts.get(RULE, 0) != count_in(repeats, chunk)]
    for chunk in undone:
        set_aside(services, contract, found, chunk, repeats)
    if not undone:
        return totals
    totals_now = services.ledger(ledger.object_totals, found.run_id)
    return next(now for now in totals_now if now.object.object_id == found.object_id)


def find_repeats(services: Services, found: ObjectVersion, chunks: list[Chunk]) -> Duplicates:
    """All rows of the object whose key an earlier row has."""
    filled = [chunk for chunk in chunks if chunk.rows_read]
    loaders = [(chunk.ordinal, partial(load_hashes, services, found, chunk)) for chunk in filled]
    return find_duplicates(loaders, sum(chunk.rows_read for chunk in filled))


def load_hashes(services: Services, found: ObjectVersion, chunk: Chunk) -> tuple[Any, Int64s]:
    """Key hashes and row numbers of a chunk's rows as validation accepted them."""
    return decode_keys(read_staged(services, staging.hashes_key, found, chunk))


def read_staged(
    services: Services, key: Callable[[str, int, int, str], str], found: ObjectVersion, chunk: Chunk
) -> bytes:
    """What is staged of the chunk under the key of this kind."""
    return services.store.read(
        services.staging, key(found.dataset, found.object_id, chunk.ordinal, chunk.staged)
    )


def count_in(repeats: Duplicates, chunk: Chunk) -> int:
    """How many of the repeats are rows of this chunk."""
    return int((repeats.chunk == chunk.ordinal).sum())


def set_aside(
    services: Services, contract: Contract, found: ObjectVersion, work: Chunk, repeats: Duplicates
) -> None:
    """Stage one chunk again: what was rejected before stays rejected, the repeats are added."""
    chunk = read_chunk(services, contract, found, work)
    before = rejected_before(services, found, work)
    kept = without_rows(chunk.parsed.table, before["row_number"].to_numpy())
    judged = reject_repeats(chunk, kept, repeats)
    stage_chunk(
        services,
        chunk,
        judged.table,
        pa.concat_tables([before, for_quarantine(judged.rejects, chunk.chunk_id)]).sort_by("row_number"),
        hashes=read_staged(services, staging.hashes_key, found, work),
        warnings={rule: rows for rule, rows in work.rule_counts.items() if rule.startswith("warning:")},
        again=True,
    )
    log.info("keys that repeat set aside", key=found.key, chunk=work.ordinal, rows=judged.rejects.num_rows)


def rejected_before(services: Services, found: ObjectVersion, work: Chunk) -> pa.Table:
    """The chunk's staged bad rows, without repeats that an earlier attempt added."""
    body = read_staged(services, staging.rejects_key, found, work)
    table = from_csv(zstandard.ZstdDecompressor().decompressobj().decompress(body))
    return table.filter(pc.not_equal(table["rule"], RULE))


def reject_repeats(chunk: ReadChunk, table: pa.Table, repeats: Duplicates) -> ParsedChunk:
    """The rows of ``table`` without those that repeat keys, and only these as rejects."""
    mine = repeats.chunk == chunk.plan.ordinal
    numbers = table[ROW_NUMBER].to_numpy()
    rows = np.searchsorted(numbers, repeats.row_number[mine])
    reasons = [f"same key as row {first}" for first in repeats.first_row_number[mine].tolist()]
    keys = key_texts(chunk.contract, table, rows)
    violations = Violations()
    violations.add(rows, RULE, ", ".join(chunk.contract.key), keys, pa.array(reasons, pa.string()))
    lines = chunk.parsed.lines[np.isin(chunk.parsed.table[ROW_NUMBER].to_numpy(), numbers)]
    rest = replace(chunk.parsed, table=table, lines=lines, rejects=chunk.parsed.rejects.slice(0, 0), texts={})
    return reject_rows(rest, violations, chunk.payload, chunk.plan, chunk.inspection)


def key_texts(contract: Contract, table: pa.Table, rows: Int64s) -> pa.Array:
    """The keys of rows as text, several columns joined by a comma."""
    cells = [table[name].take(pa.array(rows)).combine_chunks().cast(pa.string()) for name in contract.key]
    joined: pa.Array = pc.binary_join_element_wise(*cells, ", ", null_handling="replace")
    return joined
