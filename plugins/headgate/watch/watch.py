"""The watch itself: from conditions to events, each once, across restarts and whoever watches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from psycopg2.extras import Json

from headgate import events
from headgate.contract import Contract, contract_from_document
from headgate.db import one, query, records, transaction
from headgate.errors import Fatal
from headgate.events import Event, event_type, resolving
from headgate.settings import Settings, Url
from headgate.watch.conditions import Condition, conditions
from headgate.watch.sight import Standing, look

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

log = structlog.get_logger("headgate.watch")

# A condition that nobody could look at for so many pauses has to hold anew before it is told.
UNSEEN = 3


@dataclass(frozen=True)
class _Known:
    """A line of ``headgate.watch``."""

    fingerprint: str
    kind: str
    dataset: str
    subject: str
    data: dict[str, Any]
    mark: str
    fired: bool


class Watch:
    """Looks every ``limits.watch_seconds``; of several processes one at a time does. Not thread-safe."""

    def __init__(self, connect: Callable[[], Connection], amqp_url: Url, limits: Settings) -> None:
        self._connect = connect
        self._amqp_url = amqp_url
        self._limits = limits
        self._next = 0.0
        self._contracts: dict[tuple[str, int], Contract | None] = {}

    def tick(self) -> None:
        """Look if it is time, and record the events of what has changed; somebody else relays them.

        ``Retriable`` when a server is away: nothing is known then, so nothing is told.
        """
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._limits.watch_seconds
            with closing(self._connect()) as conn:
                self.look(conn)

    def look(self, conn: Connection) -> None:
        """Look now, in one transaction, unless another process does."""
        with transaction(conn) as cursor:
            cursor.execute(query("watch_lock"))
            if one(cursor) == (True,):
                sight = look(cursor, self._amqp_url)
                contracts = self._contracts_of(cursor, sight.standings)
                self._tell(cursor, list(conditions(sight, contracts, self._limits)))

    def _contracts_of(self, cursor: Cursor, standings: list[Standing]) -> Mapping[str, Contract]:
        """The contracts in force by dataset; each version is read once."""
        wanted = {(standing.dataset, standing.version) for standing in standings}
        self._contracts = {key: self._contracts.get(key) or _contract(cursor, *key) for key in wanted}
        return {dataset: contract for (dataset, _), contract in self._contracts.items() if contract}

    def _tell(self, cursor: Cursor, found: list[Condition]) -> None:
        cursor.execute(query("watch_rows"))
        known = {row.fingerprint: row for row in records(cursor, _Known)}
        for condition in found:
            row = known.pop(condition.fingerprint, None)
            if row and not (condition.holds and (condition.mark == row.mark or not row.fired)):
                _end(cursor, row, condition.data)
            if condition.holds:
                self._hold(cursor, condition)
        for row in known.values():  # of a dataset, a limit or a queue that is no more
            _end(cursor, row, {})

    def _hold(self, cursor: Cursor, condition: Condition) -> None:
        values = {
            "fingerprint": condition.fingerprint,
            "kind": condition.kind,
            "dataset": condition.dataset,
            "subject": condition.subject,
            "data": Json(dict(condition.data), dumps=partial(json.dumps, default=str)),
            "mark": condition.mark,
            "gap": UNSEEN * self._limits.watch_seconds,
        }
        cursor.execute(query("watch_hold"), values)
        seconds, fired = one(cursor)
        if not fired and seconds >= condition.patience:
            _record(cursor, condition.kind, condition, {**condition.data, "seconds": seconds})
            cursor.execute(query("watch_fired"), {"fingerprint": condition.fingerprint})


def _end(cursor: Cursor, row: _Known, data: Mapping[str, Any]) -> None:
    cursor.execute(query("watch_end"), {"fingerprint": row.fingerprint})
    if row.fired:
        _record(cursor, resolving(row.kind).kind, row, {**row.data, **data})


def _record(cursor: Cursor, kind: str, about: Condition | _Known, data: Mapping[str, Any]) -> None:
    wanted = event_type(kind).model.model_fields
    chosen = {name: value for name, value in data.items() if name in wanted}
    events.record(cursor, Event(kind, about.dataset, about.subject, chosen))
    log.info("something to tell", kind=kind, dataset=about.dataset, subject=about.subject)


def _contract(cursor: Cursor, dataset: str, version: int) -> Contract | None:
    cursor.execute(query("consumer_contract"), {"dataset": dataset, "version": version})
    (document,) = one(cursor)
    try:
        return contract_from_document(document, f"{dataset} version {version}")
    except Fatal as error:
        log.warning("no service level is watched", dataset=dataset, reason=str(error))
        return None
