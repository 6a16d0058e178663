"""gate: which objects may pass? Keys that repeat are set aside, too many bad rows hold an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from headgate import ledger
from headgate.contract import Contract
from headgate.errors import DataError
from headgate.ledger import ObjectTotals, Run
from headgate.steps import staging
from headgate.steps.contracts import Contracts
from headgate.steps.duplicates import set_aside_repeats
from headgate.steps.lanes import Share, shares
from headgate.steps.relay import relay
from headgate.steps.scan import Params
from headgate.steps.services import Services

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

log = structlog.get_logger("headgate.steps.gate")


def gate(services: Services, run_id: int) -> list[Share]:
    """Decide on each validated object: publish or hold; in a dry run neither. Returns the lanes to stream.

    Objects are decided one by one, so a retry takes up at the first undecided one.
    """
    run = services.ledger(ledger.get_run, run_id)
    contracts = Contracts(services, run.dataset)
    for totals in services.ledger(ledger.object_totals, run_id):
        decide(services, run, contracts.of(totals.object), totals)
    relay(services)
    chunks = len(services.ledger(ledger.chunks_to_stream, run_id, 0, 1))
    size = chunks * services.settings.chunk_bytes
    return shares(run_id, chunks=chunks, size=size, settings=services.settings)


def decide(services: Services, run: Run, contract: Contract, totals: ObjectTotals) -> None:
    """Publish the object or hold it, with its bad rows or examples of them."""
    found = totals.object
    params = Params.of(run.params)
    try:
        totals = set_aside_repeats(services, contract, totals)
    except DataError as error:  # rewritten or vanished, found out while reading rows again
        hold(services, totals, str(error), rule=getattr(error, "rule", None))
        return
    broken = why_held(contract, totals, params)
    if broken is not None:
        rule, reason = broken
        hold(services, totals, reason, rule=rule)
    elif params.dry_run:
        services.ledger(ledger.mark_validated, found.object_id)
        log.info("would be published", key=found.key, rows=totals.accepted, rejected=totals.rejected)
    else:
        publish(services, totals)


def why_held(contract: Contract, totals: ObjectTotals, params: Params) -> tuple[str, str] | None:
    """Rule and reason to hold the object, for a person to act on; None when it may pass.

    Rows that come back from quarantine are not judged as an object: bad ones go back there.
    """
    if totals.object.replay_of is not None:
        return None
    if totals.read < contract.minimum_rows:
        return "minimum_rows", (
            f"{totals.read:,} data rows ({totals.blank:,} blank), the contract of {contract.dataset} wants "
            f"at least {contract.minimum_rows:,}. Put a file with data, or lower minimumRows."
        )
    ratio = totals.rejected / totals.read if totals.read else 0.0
    if params.accept_rejects or ratio <= contract.reject_threshold:
        return None
    return "too_many_rejects", (
        f"{totals.rejected:,} of {totals.read:,} rows are bad ({ratio:.1%}; "
        f"{contract.reject_threshold:.1%} are allowed): {rules(totals)}. "
        "Mend the file and put it again, or let it pass with "
        f"`headgate run {contract.dataset} --object {totals.object.key} --accept-rejects`."
    )


def rules(totals: ObjectTotals, shown: int = 5) -> str:
    """The rules that were broken most, with rows: ``type 12, required 3``."""
    counts = {rule: rows for rule, rows in totals.rule_counts.items() if not rule.startswith("warning:")}
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{rule} {rows:,}" for rule, rows in most[:shown])


def hold(services: Services, totals: ObjectTotals, reason: str, *, rule: str | None) -> None:
    """Hold the object with up to a thousand of its bad rows as examples."""
    found = totals.object

    def with_examples(conn: Connection) -> bool:
        chunks = ledger.chunks_of(conn, found.object_id)
        return ledger.hold_object(
            conn,
            found.object_id,
            reason,
            staging.rejects_of(services, found.dataset, chunks),
            detail={
                "rule": rule,
                "read": totals.read,
                "rejected": totals.rejected,
                "rules": totals.rule_counts,
            },
        )

    services.ledger(with_examples)


def publish(services: Services, totals: ObjectTotals) -> None:
    """Publish the object; its bad rows go to quarantine in the same transaction."""
    found = totals.object

    def with_rejects(conn: Connection) -> bool:
        chunks = ledger.chunks_of(conn, found.object_id)
        rejects = staging.rejects_of(services, found.dataset, chunks)
        return ledger.publish_object(conn, found.object_id, rejects)

    services.ledger(with_rejects)
    log.info("published", key=found.key, rows=totals.accepted, rejected=totals.rejected)
