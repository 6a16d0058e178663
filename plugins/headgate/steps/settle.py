"""settle: is every batch of the run applied?"""

from __future__ import annotations

from headgate import ledger
from headgate.errors import DataError
from headgate.ledger import SettleStatus
from headgate.steps.services import Ledger, Services


def settled(services: Services, run_id: int) -> bool:
    """Whether all receipts are there; loaded objects are then marked so.

    ``DataError`` when what is missing lies on the parking queue: waiting would not bring it.
    """
    status = services.ledger(ledger.settle_status, run_id)
    services.ledger(ledger.mark_loaded, run_id)
    if not status.done and status.blocked:
        raise DataError(_blocked(status))
    return status.done


def nothing_to_wait_for(calls: Ledger, run_id: int) -> bool:
    """Whether looking again makes sense: everything is applied, or what is missing is parked."""
    status = calls(ledger.settle_status, run_id)
    return status.done or status.blocked


def _blocked(status: SettleStatus) -> str:
    first = status.parked[0]
    return (
        f"{len(status.parked)} messages are parked and will not be applied by themselves; "
        f"the first, {first.message_id}: {first.reason}. See `headgate errors show {first.error_id}`, "
        "mend the cause, `headgate replay` them, then clear this task."
    )
