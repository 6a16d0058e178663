"""The trigger behind ``settle``: polls the ledger, never blocks the triggerer's loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from headgate.steps.services import Ledger

FIRST_POLL, LONGEST_POLL = 0.5, 5.0  # seconds; a small run is seen at once, a long one costs little


class ReceiptsTrigger(BaseTrigger):
    """Fires when the run has nothing open any more, or something that will never be applied."""

    def __init__(self, run_id: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.run_id = run_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Only the run: connection settings are read where the triggerer runs."""
        return ("headgate.airflow_ext.triggers.ReceiptsTrigger", {"run_id": self.run_id})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll with growing pauses; a database that is away is waited for."""
        from headgate.airflow_ext import tasks

        ledger = await asyncio.to_thread(tasks.ledger_only)
        pause = FIRST_POLL
        try:
            while not await asyncio.to_thread(self._looked, ledger):
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_POLL)
        finally:
            ledger.close()
        yield TriggerEvent({"run_id": self.run_id})  # type: ignore[no-untyped-call]

    def _looked(self, ledger: Ledger) -> bool:
        from headgate.airflow_ext import tasks
        from headgate.errors import Retriable

        try:
            return tasks.nothing_to_wait_for(ledger, self.run_id)
        except Retriable as error:
            self.log.warning("run %s: the ledger does not answer, waiting: %s", self.run_id, error)
            return False
