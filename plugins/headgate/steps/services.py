"""The servers that a step works with, and how long it waits for one that is away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import structlog

from headgate.db import connect
from headgate.errors import Retriable
from headgate.patience import REFUSED_PATIENCE, Pauses
from headgate.settings import Settings, Url, current, url_of
from headgate.store import ObjectStore

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

log = structlog.get_logger("headgate.steps")

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 900.0  # seconds a task waits out one outage before Airflow's retries take over


class Ledger:
    """Calls functions of the ledger with one connection, opened anew after an outage.

    Every function given must be one idempotent transaction, as those of ``headgate.ledger`` are: after
    ``Retriable`` it is called again until ``patience`` seconds have passed, less when the login is refused.
    ``url`` may be what reads it anew for each connection.
    """

    def __init__(self, url: Url, *, patience: float = PATIENCE) -> None:
        self._url, self._patience = url, patience
        self._conn: Connection | None = None

    def __call__(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """``action(connection, …)``, again after an outage."""
        pauses = Pauses(self._patience, REFUSED_PATIENCE)
        while True:
            try:
                return action(self._connection(), *args, **kwargs)
            except Retriable as error:
                self.close()
                log.warning("the ledger does not answer", action=action.__name__, reason=str(error))
                if not pauses.wait(error):
                    raise

    def _connection(self) -> Connection:
        if self._conn is None:
            self._conn = connect(url_of(self._url), application_name="headgate-task")
        return self._conn

    def beside(self) -> Ledger:
        """Another one with a connection of its own, for locks that live as long as it."""
        return Ledger(self._url, patience=self._patience)

    def close(self) -> None:
        """Let go of the connection."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None


@dataclass(frozen=True)
class Services:
    """What a step needs from outside. Made once a task; nothing connects before it is used."""

    settings: Settings
    store: ObjectStore
    ledger: Ledger
    amqp_url: Url

    @classmethod
    def of(
        cls, settings: Settings, *, patience: float = PATIENCE, reread: Callable[[], Settings] | None = None
    ) -> Services:
        """The services that the settings name; ``Fatal`` names a setting that is missing.

        ``reread`` gives the settings as they are by then: rotated credentials are taken up with the next
        connection.
        """
        now = reread or (lambda: settings)
        settings.require("database_url")
        return cls(
            settings=settings,
            store=ObjectStore.from_settings(settings, patience=patience, reread=reread),
            ledger=Ledger(current("database_url", now), patience=patience),
            amqp_url=current("amqp_url", now),
        )

    @property
    def staging(self) -> str:
        """The bucket of accepted batches."""
        return self.settings.staging_bucket
