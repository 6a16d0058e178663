"""Which failed messages a person means: ``dataset=plants cause=checksum reason~regex …``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headgate.db import query, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.replay.message import WaitingMessage


@dataclass(frozen=True)
class Where:
    """Conditions that must all hold; of several values of one condition one is enough.

    ``object`` takes ids and keys, with or without ``<dataset>/`` before them; ``known`` adds the keys' ids.
    """

    dataset: tuple[str, ...] = ()
    run: tuple[int, ...] = ()
    object: tuple[str, ...] = ()
    chunk: tuple[int, ...] = ()
    cause: tuple[str, ...] = ()
    failure_class: tuple[str, ...] = ()
    error: tuple[int, ...] = ()
    message: tuple[str, ...] = ()
    since: datetime | None = None
    reason: re.Pattern[str] | None = None
    text: str = field(default="", compare=False)  # as it was typed

    @property
    def narrow(self) -> bool:
        """Whether it leaves anything out."""
        return self != Where()

    def known(self, conn: Connection) -> Where:
        """The same with ids for the keys of objects; a key that the ledger does not know matches nothing."""
        keys = [text for text in self.object if not text.isdigit()]
        if not keys:
            return self
        with transaction(conn) as cursor:
            cursor.execute(query("object_ids_of_keys"), {"keys": keys})
            ids = [str(object_id) for (object_id,) in cursor]
        return replace(self, object=tuple({*self.object, *ids}))

    def holds(self, failed: WaitingMessage) -> bool:
        """Whether this message is meant."""
        return (
            _one_of(self.dataset, failed.dataset)
            and _one_of(self.run, failed.run_id)
            and _one_of(self.object, str(failed.object_id))
            and _one_of(self.chunk, failed.chunk_id)
            and _one_of(self.cause, failed.cause)
            and _one_of(self.failure_class, failed.failure_class)
            and _one_of(self.error, failed.error_id)
            and _one_of(self.message, failed.message_id)
            and (self.since is None or (failed.failed_at is not None and failed.failed_at >= self.since))
            and (self.reason is None or self.reason.search(failed.reason) is not None)
        )

    def parameters(self) -> dict[str, Any]:
        """As ``sql/functions/error_matching.sql`` takes them: NULL where nothing is asked for."""
        values = {name: list(value) or None for name, value in vars(self).items() if isinstance(value, tuple)}
        objects = [int(text) for text in self.object if text.isdigit()] if self.object else None
        pattern = self.reason.pattern if self.reason else None
        return values | {"object": objects, "since": self.since, "reason": pattern}


def _one_of(wanted: Sequence[object], found: object) -> bool:
    return not wanted or found in wanted
