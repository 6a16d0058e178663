"""The outbox: messages that were written are sent, as often as it takes.

A delivery is locked while it is sent, so that of several consumers one sends it; who is killed in between
frees it, and it is sent again. A channel that fails rests for a while and holds up no other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from headgate.alerts.channels import send
from headgate.alerts.routing import Routing
from headgate.db import query, records, transaction
from headgate.errors import Fatal, HeadgateError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

log = structlog.get_logger("consumers.notification")

# Seconds that sending may take at a stretch, so that events are folded meanwhile.
STRETCH: Final = 5.0
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=10)
# A message that could not be sent for so long is news of yesterday; what is still wrong is repeated anyhow.
PATIENCE: Final = timedelta(days=1)


@dataclass(frozen=True)
class Delivery:
    """A message on its way to one channel."""

    notification_id: int
    channel: str
    attempts: int
    receiver: str
    reason: str
    severity: str
    title: str
    body: str
    old: bool

    @property
    def way(self) -> str:
        """The channel's name among all receivers'."""
        return f"{self.receiver} {self.channel}"


class Outbox:
    """Sends what is due. Not thread-safe."""

    def __init__(self) -> None:
        self._resting: dict[str, float] = {}  # by way: until when, in seconds of the monotonic clock

    def send_due(self, conn: Connection, routing: Routing) -> int:
        """Send until nothing is due or the time is up; the number of messages that arrived."""
        end, sent = time.monotonic() + STRETCH, 0
        while time.monotonic() < end:
            with transaction(conn) as cursor:
                delivery = self._take(cursor)
                if delivery is None:
                    break
                sent += self._attempt(cursor, delivery, routing)
        return sent

    def rest(self, way: str, pause: timedelta) -> None:
        """Leave a channel alone for a while."""
        self._resting[way] = time.monotonic() + pause.total_seconds()

    @property
    def resting(self) -> list[str]:
        """The channels that are left alone now."""
        self._resting = {way: until for way, until in self._resting.items() if until > time.monotonic()}
        return list(self._resting)

    def _take(self, cursor: Cursor) -> Delivery | None:
        cursor.execute(query("delivery_take"), {"resting": self.resting, "patience": PATIENCE})
        return next(iter(records(cursor, Delivery)), None)

    def _attempt(self, cursor: Cursor, delivery: Delivery, routing: Routing) -> bool:
        key = {"notification_id": delivery.notification_id, "channel": delivery.channel}
        ids = key | {"receiver": delivery.receiver, "reason": delivery.reason}
        try:
            _deliver(delivery, routing)
        except HeadgateError as error:
            pause = None if delivery.old or isinstance(error, Gone) else pause_after(delivery.attempts)
            cursor.execute(query("delivery_failed"), key | {"pause": pause, "problem": str(error)})
            if pause is None:
                log.critical("notification given up", **ids, problem=str(error), title=delivery.title)
            else:
                self.rest(delivery.way, pause)
                log.warning("notification waits", **ids, problem=str(error), seconds=pause.total_seconds())
            return False
        cursor.execute(query("delivery_sent"), key)
        log.info("notification sent", **ids, title=delivery.title)
        return True


class Gone(Fatal):
    """The channel is in the routing file no longer."""


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts and this one: doubling, up to ten minutes."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(attempts, 10)))


def _deliver(delivery: Delivery, routing: Routing) -> None:
    if delivery.channel == "log":
        log.warning("notification", receiver=delivery.receiver, title=delivery.title, text=delivery.body)
        return
    good = delivery.reason == "resolved"
    send(_url(delivery, routing), delivery.title, delivery.body, delivery.severity, good=good)


def _url(delivery: Delivery, routing: Routing) -> str:
    receiver = routing.receivers.get(delivery.receiver)
    addresses = receiver.apprise if receiver else []
    number = int(delivery.channel.removeprefix("apprise[").removesuffix("]"))
    url = addresses[number].read() if number < len(addresses) else None
    if url is None:
        raise Gone(f"receiver {delivery.receiver} has no {delivery.channel} any more")
    return url
