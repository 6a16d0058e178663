"""A fetch on a machine whose clock is wrong."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

from headgate.contract import Source
from headgate.db import connect
from headgate.ledger.fetch import known_windows, record_landed
from headgate.sources.model import Want, Window
from headgate.sources.windows import is_final
from tests.integration.lab import DATASET, Lab


def test_a_clock_that_is_ahead_does_not_land_a_window_for_good(lab: Lab) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    source = Source("tiny", "things", reread=1)
    want = Want(source, Window(today, today + timedelta(days=1)))
    with closing(connect(lab.database.pipeline_url)) as conn:
        how = {"run_id": None, "routine": True, "pages": 1, "pages_new": 1}
        record_landed(conn, DATASET, want, fetched_at=today + timedelta(days=30), **how)  # type: ignore[arg-type]
        [known] = known_windows(conn, DATASET)
    assert not is_final(source, known)
