"""Rows that the newest version of an object no longer has: removed where the contract says ``replace``."""

from __future__ import annotations

import structlog

from headgate import ledger
from headgate.contract import Contract
from headgate.errors import DataError
from headgate.ledger import ObjectVersion, Removal, Run
from headgate.steps.contracts import Contracts
from headgate.steps.scan import Params
from headgate.steps.services import Services

log = structlog.get_logger("headgate.steps.removal")


def remove_vanished(services: Services, run: Run) -> list[str]:
    """Remove what the run's versions no longer have; why not, where a person has to judge.

    Each object is a transaction, and may be done again by a retried task. See docs/adr/0010.
    """
    contracts = Contracts(services, run.dataset)
    accepted = Params.of(run.params).accept_removals
    refusals = []
    for found in services.ledger(ledger.replacing, run.run_id):
        contract = contracts.of(found)
        refusals += remove_of(services, contract, found, 1.0 if accepted else contract.remove_threshold)
    return refusals


def remove_of(services: Services, contract: Contract, found: ObjectVersion, threshold: float) -> list[str]:
    """The same of one object."""
    try:
        removal = services.ledger(ledger.remove_vanished, found.object_id, threshold)
    except DataError as error:  # a table of somebody else refers to one of the rows
        return [f"{found.key}: rows that it no longer has cannot be removed: {error}"]
    if removal is None:
        return []
    kept = why_kept(removal)
    too_many = kept is None and removal.removed < removal.vanished
    if too_many:
        kept = why_too_many(contract, found, removal)
    services.ledger(ledger.explain, found, kept)
    if removal.vanished:
        log.info("rows vanished", key=found.key, **vars(removal), kept=kept)
    return [f"{found.key}: {kept}"] if too_many else []


def why_kept(removal: Removal) -> str | None:
    """For rows in quarantine: any of them may be one that seems to have vanished."""
    if not removal.vanished or not removal.unsettled:
        return None
    return (
        f"{removal.vanished:,} rows of the versions before are kept: {removal.unsettled:,} of its own are in "
        "quarantine and may be among them"
    )


def why_too_many(contract: Contract, found: ObjectVersion, removal: Removal) -> str:
    """For a share above the contract's threshold: a cut-off or empty answer would empty the table."""
    return (
        f"{removal.vanished:,} of its {removal.of_rows:,} rows in the table are not in this version "
        f"({removal.vanished / removal.of_rows:.1%}; {contract.remove_threshold:.1%} may be removed), they "
        f"are kept. If they are to go: `headgate run {contract.dataset} --object {found.key} --reload "
        "--accept-removals`"
    )
