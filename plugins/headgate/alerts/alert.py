"""An alert as the view ``headgate.alerts`` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

State = Literal["open", "acknowledged", "silenced", "resolved"]


@dataclass(frozen=True)
class Alert:
    """What events of one fingerprint tell. ``news`` has no condition that could end."""

    alert_id: int
    kind: str
    severity: str
    dataset: str  # system: of the installation
    subject: str
    owner: str
    summary: str
    detail: Mapping[str, Any]  # the data of the newest event
    state: State
    news: bool
    count: int
    raised_at: datetime
    last_at: datetime
    expires_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None  # event, expiry, told, or the person
    note: str | None
    silenced_until: datetime | None

    @property
    def labels(self) -> dict[str, str]:
        """What matchers and groups look at."""
        return labels_of(self.dataset, self.kind, self.severity, self.owner, self.subject)


def labels_of(dataset: str, kind: str, severity: str, owner: str, subject: str) -> dict[str, str]:
    """The labels of an alert. ``sql/views/alerts.sql`` names the same."""
    return {
        "dataset": dataset,
        "type": kind,
        "severity": severity,
        "owner": owner,
        "subject": subject,
    }
