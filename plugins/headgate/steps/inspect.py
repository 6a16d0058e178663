"""inspect: each new object is read once: format, header against the contract, cut into chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import structlog

from headgate import ledger
from headgate.contract import Contract
from headgate.contract.registry import evolve
from headgate.errors import DataError
from headgate.ledger import ObjectVersion, PlannedChunk, Run
from headgate.message import ROW_NUMBER
from headgate.records import ChunkPlan, Inspection, Limits, inspect_object, rematch
from headgate.sources.keys import place_of
from headgate.steps import staging
from headgate.steps.contracts import Contracts, read_by
from headgate.steps.lanes import Share, shares
from headgate.steps.relay import relay
from headgate.steps.scan import Params
from headgate.steps.services import Services

log = structlog.get_logger("headgate.steps.inspect")


def inspect(services: Services, run_id: int) -> list[Share]:
    """Inspect the run's objects that are not yet; returns the lanes to validate.

    An object whose structure is wrong is held and does not stop the others.
    """
    run = services.ledger(ledger.get_run, run_id)
    contracts = Contracts(services, run.dataset)
    for found in services.ledger(ledger.objects_of_run, run_id, ["found"]):
        inspect_or_hold(services, run, contracts, found)
    relay(services)
    work = services.ledger(ledger.work_size, run_id)
    return shares(run_id, chunks=work.chunks, size=work.chunk_bytes, settings=services.settings)


def inspect_or_hold(services: Services, run: Run, contracts: Contracts, found: ObjectVersion) -> None:
    """Inspect one object; what is wrong with it becomes the reason to hold it."""
    try:
        inspection, version = inspect_one(services, contracts, found)
    except DataError as error:
        detail = {"rule": getattr(error, "rule", None)}
        services.ledger(ledger.hold_object, found.object_id, str(error), detail=detail)
        log.warning("held", key=found.key, reason=str(error))
        return
    services.ledger(read_by, found.object_id, version)
    services.ledger(ledger.plan_chunks, found.object_id, list(planned(found, inspection)))
    entered = services.ledger(
        ledger.record_inspection,
        found.object_id,
        sha256=inspection.sha256,
        inspection=described(inspection, contracts.version(version)),
        reload=Params.of(run.params).reload,
        fetched=was_fetched(contracts.of(found), found.key),
    )
    log.info(
        "inspected", key=found.key, state=entered.state, records=inspection.records, reason=entered.reason
    )


def was_fetched(contract: Contract, key: str) -> bool:
    """Whether the object is an answer of the contract's API source, and not a file that somebody put."""
    return contract.source is not None and place_of(key.removeprefix(contract.prefix)) is not None


def inspect_one(services: Services, contracts: Contracts, found: ObjectVersion) -> tuple[Inspection, int]:
    """Read the object through, and the number of the contract version that fits it."""
    contract = contracts.of(found)
    if found.replay_of is not None:
        contract = replace(contract, minimum_rows=1)  # rows out of quarantine are few
    limits = Limits(
        chunk_bytes=contract.chunk_bytes or services.settings.chunk_bytes,
        max_record_bytes=services.settings.max_record_bytes,
    )
    with services.store.open(found.bucket, found.key, etag=found.etag, size=found.size) as stream:
        inspection = inspect_object(
            stream,
            key=found.key,
            size=found.size,
            contract=contract,
            limits=limits,
            sink=payload_sink(services, found),
        )
    if contract.drift != "evolve" or not inspection.unknown:
        return inspection, found.contract_version
    headers = [header for _, header in inspection.unknown]
    version = services.ledger(evolve, found.dataset, headers)
    log.info("the contract evolved", key=found.key, version=version, columns=headers)
    return rematch(inspection, contracts.version(version), found.key), version


def payload_sink(services: Services, found: ObjectVersion) -> Callable[[int, bytes], Mapping[str, Any]]:
    """Where the chunks of an object go that cannot be read by byte range."""

    def store(ordinal: int, payload: bytes) -> Mapping[str, Any]:
        key = staging.payload_key(found.dataset, found.object_id, ordinal, payload)
        services.store.put_bytes(services.staging, key, payload)
        return {"bucket": services.staging, "key": key}

    return store


def planned(found: ObjectVersion, inspection: Inspection) -> Iterator[PlannedChunk]:
    """The chunk plans as the ledger keeps them."""
    for plan in inspection.chunks:
        yield PlannedChunk(
            ordinal=plan.ordinal,
            source=source_of(found, plan),
            first_row=plan.first_row,
            first_line=plan.first_line,
            records=plan.records,
        )


def source_of(found: ObjectVersion, plan: ChunkPlan) -> dict[str, Any]:
    """Where the chunk's bytes are: in the landed object (then of just this version) or in staging."""
    where = plan.source or {"bucket": found.bucket, "key": found.key, "etag": found.etag}
    return {**where, "offset": plan.offset, "length": plan.length}


def described(inspection: Inspection, contract: Contract) -> dict[str, Any]:
    """What the ledger keeps of an inspection, with the columns of its messages."""
    return {**inspection.to_dict(), "staged_columns": staged_columns(inspection, contract)}


def staged_columns(inspection: Inspection, contract: Contract) -> list[str]:
    """Columns of the object's messages in their order: the row number, then what the object has."""
    present = [
        column.name
        for column in contract.columns
        if column.name in inspection.columns or column.name in inspection.derived
    ]
    return [ROW_NUMBER, *present, *(["_rescued"] if contract.rescues else [])]
