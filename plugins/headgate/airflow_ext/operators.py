"""``settle``: waits for the receipts of a run, when it takes long deferred, so that it costs no slot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from headgate.airflow_ext.triggers import ReceiptsTrigger

# Seconds before it defers. Handing over to the triggerer and back costs about three, and another process.
PATIENCE = 15.0


class Settle(BaseOperator):
    """Succeeds when every batch of the run has its receipt.

    Raises ``DataError`` when a batch can never be applied (it was parked); a run that outlasts
    ``HEADGATE_SETTLE_TIMEOUT`` fails by Airflow's own deferral time-out.
    """

    template_fields = ("run_id",)

    def __init__(self, *, run_id: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.run_id = run_id

    def execute(self, context: Context) -> None:
        """Wait a while for what is open, as a small run is there at once; then hand over to the triggerer."""
        from headgate.airflow_ext import tasks

        if tasks.settled(int(self.run_id), patience=PATIENCE):
            return
        self.defer(
            trigger=ReceiptsTrigger(int(self.run_id)),
            method_name="resumed",
            timeout=timedelta(seconds=tasks.settle_timeout()),
        )

    def resumed(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """Look again: the trigger only says that it is worth looking."""
        self.execute(context)
