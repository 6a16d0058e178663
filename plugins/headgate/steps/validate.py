"""validate: typed parse and expectations, chunk by chunk; bad rows aside, good rows staged as batches."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from itertools import groupby
from typing import Any, Protocol

import pyarrow as pa
import structlog

from headgate import ledger
from headgate.contract import Contract
from headgate.errors import DataError
from headgate.ledger import ChunkWork, ObjectVersion
from headgate.records import ParsedChunk, Violations, reject_rows
from headgate.steps.chunks import ReadChunk, hashes_of, read_chunk, stage_chunk
from headgate.steps.contracts import Contracts
from headgate.steps.lanes import Share
from headgate.steps.rejects import for_quarantine
from headgate.steps.relay import relay
from headgate.steps.services import Services

log = structlog.get_logger("headgate.steps.validate")


class Checker(Protocol):
    """What ``headgate.checks.Suite`` is to this module, which may not import it."""

    def run(self, table: pa.Table) -> Any:
        """Rows that break critical rules, counts of warnings, failures about the whole chunk."""


MakeSuite = Callable[[Contract], Checker]


def validate(services: Services, share: Share, *, make_suite: MakeSuite) -> int:
    """Validate the lane's chunks that are not staged yet; how many were.

    One chunk is in memory at a time. An object that was rewritten or has vanished is held, the others go on.
    """
    run = services.ledger(ledger.get_run, share.run_id)
    contracts = Contracts(services, run.dataset)
    work = services.ledger(ledger.chunk_work, share.run_id, share.lane, share.lanes)
    done = 0
    for object_id, chunks in groupby(work, key=lambda chunk: chunk.object_id):
        found = services.ledger(ledger.get_object, object_id)
        contract = contracts.of(found)
        done += validate_object(services, contract, found, list(chunks), make_suite(contract))
    relay(services)
    return done


def validate_object(
    services: Services, contract: Contract, found: ObjectVersion, work: list[ChunkWork], suite: Checker
) -> int:
    """Validate chunks of one object; how many were staged before all were or the object was held."""
    for done, chunk in enumerate(work):
        try:
            validate_chunk(services, contract, found, chunk, suite)
            free_memory()
        except DataError as error:
            detail = {"rule": getattr(error, "rule", None)}
            services.ledger(ledger.hold_object, found.object_id, str(error), detail=detail)
            log.warning("held", key=found.key, reason=str(error))
            return done
    return len(work)


def free_memory() -> None:
    """Give back what a chunk took before the next one is read.

    Great Expectations leaves cycles that hold the chunk's data. Python looks for cycles only when enough new
    objects have gathered, and a few large frames are not many objects: by then many chunks are in memory.
    """
    gc.collect()
    keep_what_is_loaded()


@cache
def keep_what_is_loaded() -> None:
    """Once a process: modules and caches need not be searched again, so a collection takes milliseconds."""
    gc.freeze()


def validate_chunk(
    services: Services, contract: Contract, found: ObjectVersion, work: ChunkWork, suite: Checker
) -> None:
    """Read, parse, check and stage one chunk. ``DataError`` when the whole object must be held."""
    chunk = read_chunk(services, contract, found, work)
    result = suite.run(chunk.parsed.table)
    if result.failures:
        raise DataError("; ".join(f"{failure.rule}: {failure.reason}" for failure in result.failures))
    parsed = without_rejected(chunk, result.rejects)
    stage_chunk(
        services,
        chunk,
        parsed.written,
        for_quarantine(parsed.rejects, chunk.chunk_id),
        hashes=hashes_of(chunk, parsed.table),
        warnings={f"warning:{rule}": rows for rule, rows in result.warnings.items()},
    )
    log.info(
        "validated",
        key=found.key,
        chunk=work.ordinal,
        accepted=parsed.table.num_rows,
        rejected=parsed.rejects.num_rows,
    )


def without_rejected(chunk: ReadChunk, broken: Any) -> ParsedChunk:
    """The chunk with the rows that break rules of the suite among its rejects."""
    violations = Violations()
    for rule in broken:
        violations.add(rule.rows, rule.rule, rule.column, rule.values, rule.reasons)
    return reject_rows(chunk.parsed, violations, chunk.payload, chunk.plan, chunk.inspection)
