"""Feeding Alertmanagers: they are given all alerts routed to them, again and again, as Prometheus does.

Whatever is lost on the way is made up for by the next time. Grouping and telling people is their matter.
https://prometheus.io/docs/alerting/latest/alerts_api/#expectations-from-clients
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from consumers.notification.sending import FIRST_PAUSE, Outbox
from consumers.notification.text import Installation, run_link
from headgate.alerts.address import Address
from headgate.alerts.alert import Alert
from headgate.alerts.channels import feed
from headgate.alerts.routing import Routing
from headgate.db import query, records, transaction
from headgate.errors import HeadgateError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

log = structlog.get_logger("consumers.notification")

EVERY: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class Feeder:
    """``outbox`` knows which channels rest."""

    routing: Routing
    outbox: Outbox
    installation: Installation

    def feed_due(self, conn: Connection) -> None:
        """Feed each Alertmanager that has not heard of a change, or nothing at all for a while."""
        for receiver, channel, address in self._alertmanagers():
            way = f"{receiver} {channel}"
            if way in self.outbox.resting:
                continue
            try:
                with transaction(conn) as cursor:
                    self._feed(cursor, receiver, channel, address)
            except Unfed as error:
                self.outbox.rest(way, FIRST_PAUSE)
                log.warning("Alertmanager waits", receiver=receiver, channel=channel, problem=str(error))

    def _alertmanagers(self) -> Iterator[tuple[str, str, Address]]:
        for receiver in self.routing.receivers.values():
            for number, address in enumerate(receiver.alertmanager):
                if address.is_there:
                    yield receiver.name, f"alertmanager[{number}]", address

    def _feed(self, cursor: Cursor, receiver: str, channel: str, address: Address) -> None:
        key = {"receiver": receiver, "channel": channel}
        cursor.execute(query("alertmanager_known"), key)
        cursor.execute(query("alertmanager_due"), key | {"every": EVERY})
        at, due = cursor.fetchone() or (None, False)
        if not due:
            return
        cursor.execute(query("alertmanager_alerts"))
        alerts = [alert for alert in records(cursor, Alert) if self._goes_to(alert, receiver)]
        links = {alert.alert_id: run_link(alert, self.installation) for alert in alerts}
        try:
            feed(address.read() or "", alerts, environment=self.installation.environment, link=links)
        except HeadgateError as error:
            raise Unfed(str(error)) from error
        cursor.execute(query("alertmanager_fed"), key | {"at": at})

    def _goes_to(self, alert: Alert, receiver: str) -> bool:
        return any(route.receiver == receiver for route in self.routing.routes(alert.labels))


class Unfed(HeadgateError):
    """The Alertmanager did not take its alerts."""
