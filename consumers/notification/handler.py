"""Events from the queue and from the outbox table into alerts, and alerts to people."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from pika.adapters.blocking_connection import BlockingChannel

from consumers.delivery import Delivery, Done, Outcome, Reject
from consumers.notification import intake
from consumers.notification.alertmanager import Feeder
from consumers.notification.dispatch import Dispatch
from consumers.notification.folding import FOLD_LIMIT, fold
from consumers.notification.sending import Outbox
from consumers.notification.text import Installation
from consumers.postgres import Postgres
from headgate import db, events, topology
from headgate.alerts.channels import check_addresses
from headgate.alerts.routing import Routing, load_routing
from headgate.errors import DataError, Fatal, HeadgateError
from headgate.failures import Cause
from headgate.publisher import Publisher
from headgate.settings import Url
from headgate.watch import Watch

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

log = structlog.get_logger("consumers.notification")

RELAY_SECONDS = 5.0


class NotificationHandler:
    """Folds events into alerts and tells people of them, by the routing file that ``alerts_file`` finds.

    An event is acknowledged when it is in Postgres; what was recorded there and never came by the broker is
    folded all the same. ``relay`` publishes recorded events, ``watch`` records those that nobody else could.
    """

    def __init__(
        self,
        url: Url,
        name: str,
        alerts_file: Callable[[], Path],
        *,
        installation: Installation,
        relay: Publisher,
        watch: Watch,
    ) -> None:
        self._postgres = Postgres(url, "notification", name)
        self._installation = installation
        self._relay = relay
        self._watch = watch
        self._file = _RoutingFile(alerts_file)
        self._outbox = Outbox()
        self._rerouted: Routing | None = None
        self._next_relay = 0.0

    def queues(self) -> Sequence[str]:
        """The one queue of all events."""
        return [topology.NOTIFICATIONS_QUEUE]

    def declare(self, channel: BlockingChannel, queues: Sequence[str]) -> None:
        """All exchanges, and the queue of events."""
        topology.declare(channel)
        topology.declare_notifications(channel)

    def weight(self, delivery: Delivery) -> int:
        """Size of the body."""
        return len(delivery.body)

    def handle(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Take the events into Postgres; then fold what is not folded."""
        with self._postgres.session() as conn:
            outcomes = [self._receive(conn, delivery) for delivery in deliveries]
            self._fold(conn)
        return outcomes

    def tick(self) -> None:
        """Tell people what is due, and look for what is wrong."""
        with self._postgres.session() as conn:
            self._reroute(conn)
            self._fold(conn)
            self._tell(conn)
            self._feed(conn)
            if time.monotonic() >= self._next_relay:
                self._next_relay = time.monotonic() + RELAY_SECONDS
                events.try_relay(conn, self._relay)
        self._look()

    def interrupt(self) -> None:
        """Cancel the statement that runs now."""
        self._postgres.interrupt()

    def stopped(self, error: HeadgateError) -> None:
        """Record it: the next consumer tells of it."""
        self._postgres.stopped(error)

    def close(self) -> None:
        """Hang up."""
        self._postgres.close()
        self._relay.close()

    def _receive(self, conn: Connection, delivery: Delivery) -> Outcome:
        try:
            row = intake.read(delivery.body)
            with db.transaction(conn) as cursor:
                cursor.execute(db.query("event_receive"), row)
        except DataError as error:
            return Reject(Cause.UNDECODABLE, str(error))
        return Done()

    def _fold(self, conn: Connection) -> None:
        while True:
            with db.transaction(conn) as cursor:
                folded = fold(cursor, self._file.routing)
            if folded:
                log.info("events folded", events=folded)
            if folded < FOLD_LIMIT:
                return

    def _reroute(self, conn: Connection) -> None:
        """After a start and after each change of the routing file."""
        self._file.look()
        if self._rerouted is not self._file.routing:
            with db.transaction(conn) as cursor:
                self._dispatch.reroute(cursor)
            self._rerouted = self._file.routing

    def _tell(self, conn: Connection) -> None:
        with db.transaction(conn) as cursor:
            self._dispatch.expire(cursor)
            self._dispatch.write_due(cursor)
        self._outbox.send_due(conn, self._file.routing)

    def _feed(self, conn: Connection) -> None:
        Feeder(self._file.routing, self._outbox, self._installation).feed_due(conn)

    def _look(self) -> None:
        """The watch must never keep people from hearing what is known already."""
        try:
            self._watch.tick()
        except HeadgateError as error:
            log.warning("the watch could not look", reason=str(error))

    @property
    def _dispatch(self) -> Dispatch:
        return Dispatch(self._file.routing, self._installation)


class _RoutingFile:
    """The routing, read again when its file changes or another is in force; a wrong one changes nothing."""

    def __init__(self, find: Callable[[], Path]) -> None:
        self._find = find
        self._read = _state(find())
        self.routing = _checked(find())

    def look(self) -> None:
        """Take a changed file, when it is right."""
        path = self._find()
        if _state(path) == self._read:
            return
        self._read = _state(path)
        try:
            self.routing = _checked(path)
        except Fatal as error:
            log.error("the routing of alerts stays as it was", reason=str(error))  # noqa: TRY400
            return
        log.info("routing of alerts read", file=str(path))


def _checked(path: Path) -> Routing:
    routing = load_routing(path)
    check_addresses(routing)
    return routing


def _state(path: Path) -> tuple[Path, int, int]:
    """Another one is another file; one that is being replaced is absent for a moment."""
    try:
        stat = path.stat()
    except OSError:
        return (path, 0, 0)
    return (path, stat.st_mtime_ns, stat.st_ino)
