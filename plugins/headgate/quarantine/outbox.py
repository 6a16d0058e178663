"""Replay: quarantined rows go down the whole road again, as a landing object of their own, once.

Order and recovery: the rows are marked `replayed` and the object's bytes are kept in the outbox
``headgate.replay`` in one transaction; the object is put afterwards. A crash before the commit changed
nothing; a crash after it leaves a pending replay, which the next replay or the next scan puts. Putting it
twice writes the same bytes under the same key, which is one object version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headgate.db import query, transaction
from headgate.ledger.runs import LIVE_BUCKET
from headgate.quarantine.entry import Filter, Origin, origins
from headgate.quarantine.texts import ID, Layout, layout_of, read_rows, record_text

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

PrefixOf = Callable[[str], str]
Edited = Mapping[int, Mapping[str, Any]]  # edited rows by quarantine id

ROWS = 20_000  # at most in one replay object
BYTES = 8 * 1024 * 1024
# Digests are spelled without digits and vowels: who looks for a year or a word in a key finds neither there.
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")


class Store(Protocol):
    """The one thing that a replay wants of the object store."""

    def put_bytes(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> object: ...


@dataclass(frozen=True)
class Replayed:
    """What a replay did: `rows` went into `objects` (keys); `skipped` are not open or cannot be replayed."""

    rows: int
    skipped: int
    objects: tuple[str, ...]


def replay(conn: Connection, store: Store, wanted: Filter, *, prefix_of: PrefixOf, by: str) -> Replayed:
    """Replay the matching open rows as they are. `prefix_of` gives the landing prefix of a dataset."""
    wanted = replace(wanted, state="open")
    done: list[tuple[str, int]] = []
    skipped = 0
    try:
        for origin in origins(conn, wanted):
            skipped += origin.rows - origin.replayable
            if origin.replayable:
                done += _replay_origin(conn, origin, wanted, None, prefix_of(origin.dataset), by)
    finally:
        flush_replays(conn, store, wanted.dataset)
    return _summed(done, skipped)


def replay_file(
    conn: Connection, store: Store, path: Path, *, dataset: str | None, prefix_of: PrefixOf, by: str
) -> Replayed:
    """Replay the rows of an edited export; rows in it that are not open any more are skipped."""
    done: list[tuple[str, int]] = []
    read = 0
    source = read_rows(path)
    try:
        while edited := {int(row[ID]): row for row in islice(source, ROWS)}:
            read += len(edited)
            wanted = Filter(dataset=dataset, ids=tuple(edited))
            for origin in origins(conn, wanted):
                if origin.replayable:
                    done += _replay_origin(conn, origin, wanted, edited, prefix_of(origin.dataset), by)
    finally:
        flush_replays(conn, store, dataset)
    return _summed(done, read - sum(rows for _, rows in done))


def _summed(done: Sequence[tuple[str, int]], skipped: int) -> Replayed:
    return Replayed(sum(rows for _, rows in done), skipped, tuple(key for key, _ in done))


def _replay_origin(
    conn: Connection, origin: Origin, wanted: Filter, edited: Edited | None, prefix: str, by: str
) -> list[tuple[str, int]]:
    """The object's rows, as many replay objects as they need: (key, rows) of each."""
    layout = layout_of(origin)
    values = {**wanted.parameters(), "object_id": origin.object_id, "rows": ROWS, "bytes": BYTES}
    done: list[tuple[str, int]] = []
    while True:
        with transaction(conn) as cursor:
            cursor.execute(query("quarantine_pick"), values)
            texts = {
                quarantine_id: raw if edited is None else record_text(edited[quarantine_id], layout)
                for quarantine_id, raw in cursor
            }
            if not texts:
                return done
            done.append((_into_outbox(cursor, origin, layout, texts, prefix, by), len(texts)))


def _into_outbox(
    cursor: Cursor, origin: Origin, layout: Layout, texts: Mapping[int, str], prefix: str, by: str
) -> str:
    """Mark the rows (record texts by quarantine id) and keep the object that carries them; its key."""
    key = replay_key(prefix, layout, origin.object_id, texts)
    cursor.execute(
        query("replay_insert"),
        {
            "replay_key": key,
            "dataset": origin.dataset,
            "bucket": origin.bucket.removeprefix(LIVE_BUCKET),
            "object_id": origin.object_id,
            "rows": len(texts),
            "body": layout.document(texts.values()),
            "by": by,
        },
    )
    cursor.execute(query("quarantine_replayed"), {"replay_key": key, "ids": list(texts), "by": by})
    return key


def replay_key(prefix: str, layout: Layout, object_id: int, ids: Iterable[int]) -> str:
    """``<prefix>replay/<digest>/<file name>``, the same for the same rows."""
    spelled = f"{object_id}:{','.join(map(str, sorted(ids)))}"
    digest = hashlib.sha256(spelled.encode()).hexdigest()[:20].translate(_LETTERS)
    return f"{prefix}replay/{digest}/{layout.file_name}"


def flush_replays(conn: Connection, store: Store, dataset: str | None) -> int:
    """Put the replay objects that are still in the outbox; how many. Errors of the store pass through."""
    number = 0
    while _put_next(conn, store, dataset):
        number += 1
    return number


def _put_next(conn: Connection, store: Store, dataset: str | None) -> bool:
    with transaction(conn) as cursor:
        cursor.execute(query("replay_pending"), {"dataset": dataset})
        pending = cursor.fetchone()
        if pending is None:
            return False
        key, bucket, object_id, rows, body = pending
        store.put_bytes(
            bucket, key, bytes(body), {"headgate-origin": str(object_id), "headgate-rows": str(rows)}
        )
        cursor.execute(query("replay_put"), {"replay_key": key})
    return True
