"""Events into alerts: what is the same condition becomes one, and joins the groups that its routes name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from psycopg2.extras import Json

from headgate.alerts.alert import labels_of
from headgate.alerts.routing import Route, Routing
from headgate.db import one, query, records
from headgate.events import CATALOGUE
from headgate.failures import whole_number

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

FOLD_LIMIT: Final = 500

# What somebody else's event tells of ends by itself when it has not come again for so long.
FOREIGN_EXPIRES: Final = timedelta(days=1)


@dataclass(frozen=True)
class Recorded:
    """An event of ``headgate.event``, with its owner. ``number`` is the order of recording."""

    event_id: str
    number: int
    kind: str
    dataset: str
    subject: str
    severity: str
    status: str
    fingerprint: str
    data: Any
    recorded_at: datetime
    owner: str
    old: bool

    @property
    def condition(self) -> str:
        """What it is folded by. News are no condition: each is told."""
        return self.event_id if self.status == "info" else self.fingerprint

    @property
    def detail(self) -> dict[str, Any]:
        """Its data; somebody else's may be anything."""
        if isinstance(self.data, dict):
            return self.data
        return {} if self.data is None else {"data": self.data}

    @property
    def summary(self) -> str:
        """One line for people."""
        return str(self.detail.get("summary") or f"{self.kind} {self.subject}".strip())

    @property
    def labels(self) -> dict[str, str]:
        """What routes look at."""
        return labels_of(self.dataset, self.kind, self.severity, self.owner, self.subject)

    @property
    def expires_at(self) -> datetime | None:
        """When its alert ends by itself, unless it comes again."""
        known = CATALOGUE.get(self.kind)
        if known is None:
            return self.recorded_at + FOREIGN_EXPIRES
        return self.recorded_at + known.expires if known.expires else None


def fold(cursor: Cursor, routing: Routing) -> int:
    """Fold the oldest events that are not, in the caller's transaction; how many."""
    lock(cursor)
    cursor.execute(query("event_unfolded"), {"limit": FOLD_LIMIT})
    events = records(cursor, Recorded)
    for same in _conditions(events):
        _fold_condition(cursor, routing, same)
    cursor.execute(query("event_folded"), {"event_ids": [event.event_id for event in events]})
    return len(events)


def lock(cursor: Cursor) -> None:
    """Alerts and their groups are changed by one at a time, until the end of the transaction."""
    cursor.execute(query("alerts_lock"))


def join_groups(
    cursor: Cursor, alert_id: int, routes: Iterable[Route], labels: dict[str, str], fingerprint: str
) -> None:
    """Put an alert into the group that each route has for it, and have the group look at it in time."""
    for route in routes:
        group = route.group_of(labels, fingerprint)
        values = {
            "group_key": _group_key(route, group),
            "route": route.key,
            "labels": Json(group),
            "group_wait": route.group_wait,
            "group_interval": route.group_interval,
        }
        cursor.execute(query("alert_group_join"), values)
        (group_id,) = one(cursor)
        cursor.execute(query("alert_member_join"), {"group_id": group_id, "alert_id": alert_id})


def audible(routing: Routing, labels: dict[str, str]) -> list[Route]:
    """The routes by which somebody hears of such an alert."""
    return [
        route
        for route in routing.routes(labels)
        if routing.receivers[route.receiver].channels or route.escalate
    ]


def wake(cursor: Cursor, alert_ids: Sequence[int]) -> None:
    """Something became of these alerts: have their groups look at them in time."""
    cursor.execute(query("alert_group_wake"), {"alert_ids": list(alert_ids)})


def _group_key(route: Route, group: dict[str, str]) -> str:
    """Short enough for an index, however long route and labels are."""
    return hashlib.sha256(json.dumps([route.key, group], sort_keys=True).encode()).hexdigest()


def _conditions(events: Sequence[Recorded]) -> list[list[Recorded]]:
    """Runs of events that say the same of the same condition, in the order of recording."""
    ordered = sorted(events, key=lambda event: (event.condition, event.number))
    runs = [list(same) for _, same in groupby(ordered, key=lambda event: (event.condition, event.status))]
    return sorted(runs, key=lambda same: same[0].number)


def _fold_condition(cursor: Cursor, routing: Routing, same: list[Recorded]) -> None:
    newest = same[-1]
    if newest.status == "resolved":
        _end(cursor, newest)
        return
    routes = audible(routing, newest.labels)
    # News that nobody hears make no alert, and old news are none.
    if newest.status == "info" and (newest.old or not routes):
        return
    alert_id = _seen(cursor, same)
    if alert_id is not None:
        join_groups(cursor, alert_id, routes, newest.labels, newest.condition)


def _end(cursor: Cursor, event: Recorded) -> None:
    values = {
        "fingerprint": event.fingerprint,
        "event": event.number,
        "at": event.recorded_at,
        "ended": event.detail.get("summary"),
    }
    cursor.execute(query("alert_end"), values)
    wake(cursor, [alert_id for (alert_id,) in cursor.fetchall()])


def _seen(cursor: Cursor, same: list[Recorded]) -> int | None:
    """The alert that these are folded into; none when their end is known already."""
    first, newest = same[0], same[-1]
    values = {
        "fingerprint": newest.condition,
        "kind": newest.kind,
        "severity": newest.severity,
        "dataset": newest.dataset,
        "subject": newest.subject,
        "owner": newest.owner,
        "summary": newest.summary,
        "detail": Json(newest.detail),
        "run_id": _ledger_id(newest.detail.get("run_id")),
        "object_id": _ledger_id(newest.detail.get("object_id")),
        "news": newest.status == "info",
        "count": len(same),
        "last_event": newest.number,
        "raised_at": first.recorded_at,
        "last_at": newest.recorded_at,
        "expires_at": newest.expires_at,
    }
    cursor.execute(query("alert_reopen"), values)
    cursor.execute(query("alert_fold"), values)
    found = cursor.fetchone()
    return int(found[0]) if found else None


def _ledger_id(value: object) -> int | None:
    """An id of the ledger; anything else that somebody put there is none."""
    number = whole_number(value) or 0
    return number if 0 < number < 1 << 63 else None
