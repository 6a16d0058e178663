"""Object versions: which are new, which are taken over, what inspection learned of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg2.extras import Json

from headgate import events
from headgate.db import query, records, transaction
from headgate.errors import Fatal
from headgate.events import Event
from headgate.ledger.drift import drift
from headgate.ledger.runs import Run, bury_runs
from headgate.message import traceparent

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from headgate.listing import StoredObject

T = TypeVar("T")
PAGE = 10_000  # listed objects a statement: some 2 MB of parameters
COMPARED = 100  # objects whose headers a new one is compared with


@dataclass(frozen=True)
class ObjectVersion:
    """A row of ``headgate.object``: one version of one object.

    `version` (microseconds of its arrival) orders fresh and stale; `lineage` names its succession.
    """

    object_id: int
    dataset: str
    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    last_modified: datetime
    lineage: str
    version: int
    sha256: str | None
    state: str
    reason: str | None
    run_id: int
    contract_version: int
    replay_of: int | None
    inspection: dict[str, Any] = field(default_factory=dict)

    @property
    def published(self) -> bool:
        """Nothing of it may be staged again."""
        return self.state in ("published", "loaded")


@dataclass(frozen=True)
class TakenOver:
    """Objects of a run that another run carries now."""

    run_id: int
    dag_run_id: str
    objects: int


def record_objects(
    conn: Connection,
    run: Run,
    bucket: str,
    listed: Iterable[StoredObject],
    *,
    reload: bool = False,
    named: bool = False,
    accept_rejects: bool = False,
) -> int:
    """Record the new ones of a listing for this run, in state found; how many.

    A page of the listing is a transaction. Held objects are tried again when they were put again or
    the contract changed since, when `named` (the user listed the objects), and with `accept_rejects`
    or `reload`.
    """
    recorded = 0
    for page in pages(listed, PAGE):
        once = list({item.key: item for item in page}.values())
        with transaction(conn) as cursor:
            cursor.execute(query("object_scan_lock"), {"dataset": run.dataset})
            cursor.execute(
                query("object_record_new"), _comparison(run, bucket, once, reload, named or accept_rejects)
            )
            recorded += cursor.rowcount
    return recorded


def pages(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one may be shorter."""
    rest = iter(items)
    while page := list(islice(rest, size)):
        yield page


def _comparison(
    run: Run, bucket: str, page: Sequence[StoredObject], reload: bool, try_held: bool
) -> dict[str, Any]:
    return {
        "dataset": run.dataset,
        "bucket": bucket,
        "run_id": run.run_id,
        "contract_version": run.contract_version,
        "reload": reload,
        "try_held": try_held,
        **listing(page),
    }


def listing(page: Sequence[StoredObject]) -> dict[str, list[Any]]:
    """The listed objects as ``headgate.new_objects`` takes them: an array of each of their properties."""
    return {
        "keys": [item.key for item in page],
        "etags": [item.etag for item in page],
        "sizes": [item.size for item in page],
        "modified": [item.last_modified for item in page],
        "version_ids": [item.version_id for item in page],
    }


def adopt_objects(conn: Connection, run: Run, dead_run_ids: Sequence[int] = ()) -> int:
    """Take over what runs that are over left unfinished; how many objects. Call it after `record_objects`.

    `dead_run_ids` are runs that never closed their books although their DAG runs are over; they are closed
    as failed. Objects that a newer listing replaced before they were read are set aside as duplicates; what a
    reload reads again is left where it stands, and so is what was published before a dry run.
    """
    values = {
        "dataset": run.dataset,
        "run_id": run.run_id,
        "contract_version": run.contract_version,
        "reload": bool(run.params.get("reload")),
        "dry_run": bool(run.params.get("dry_run")),
    }
    with transaction(conn) as cursor:
        bury_runs(cursor, run.dataset, dead_run_ids)
        cursor.execute(query("object_skip_replaced"), values)
        cursor.execute(query("object_adopt"), values)
        adopted = cursor.fetchall()
        again = [object_id for object_id, state in adopted if state == "found"]
        cursor.execute(query("chunk_delete"), {"object_ids": again})
    return len(adopted)


def taken_over(conn: Connection, run_id: int) -> list[TakenOver]:
    """The runs that have objects now which they took over from this run."""
    with transaction(conn) as cursor:
        cursor.execute(query("object_taken_over"), {"run_id": run_id})
        return records(cursor, TakenOver)


def object_event(cursor: Cursor, kind: str, found: ObjectVersion, data: Mapping[str, Any]) -> Event:
    """An event about an object version, with the run that carries it."""
    cursor.execute(query("run_get"), {"run_id": found.run_id})
    (run,) = records(cursor, Run)
    about = {
        "run_id": run.run_id,
        "dag_run_id": run.dag_run_id,
        "object_id": found.object_id,
        "key": found.key,
    }
    trace = traceparent(found.run_id, found.object_id)
    return Event(kind, found.dataset, found.key, about | dict(data), traceparent=trace)


def get_object(conn: Connection, object_id: int) -> ObjectVersion:
    """The object version with this id; ``Fatal`` when there is none."""
    with transaction(conn) as cursor:
        return _object(cursor, "object_get", object_id)


def objects_of_run(conn: Connection, run_id: int, states: Sequence[str] | None = None) -> list[ObjectVersion]:
    """The run's objects (in these states), older versions first."""
    values = {"run_id": run_id, "states": list(states) if states is not None else None}
    with transaction(conn) as cursor:
        cursor.execute(query("object_of_run"), values)
        return records(cursor, ObjectVersion)


def lock_object(cursor: Cursor, object_id: int) -> ObjectVersion:
    """The object, locked for a change of its state until the transaction ends."""
    return _object(cursor, "object_lock", object_id)


def _object(cursor: Cursor, statement: str, object_id: int) -> ObjectVersion:
    cursor.execute(query(statement), {"object_id": object_id})
    found = records(cursor, ObjectVersion)
    if not found:
        raise Fatal(f"the ledger has no object {object_id}")
    return found[0]


def record_inspection(
    conn: Connection,
    object_id: int,
    *,
    sha256: str,
    inspection: Mapping[str, Any],
    reload: bool = False,
    fetched: bool = False,
) -> ObjectVersion:
    """What inspection learned; the object is then inspected, or duplicate when its content is loaded already.

    A copy of an older version of the same key gets that version's number, so that its rows are superseded.
    `reload` skips both rules, `fetched` the second: what an API answers now is true now, though it has
    answered so before. An object that is published already stays as it is.
    """
    with transaction(conn) as cursor:
        current = lock_object(cursor, object_id)
        if current.published:
            return current
        values = {
            "object_id": object_id,
            "sha256": sha256,
            "inspection": Json(dict(inspection)),
            "state": "inspected",
            "reason": None,
            "version": None,
        }
        if not reload:
            values |= _standing(cursor, object_id, sha256, fetched)
        if values["state"] == "duplicate":
            cursor.execute(query("chunk_delete"), {"object_ids": [object_id]})
        cursor.execute(query("object_inspected"), values)
        (entered,) = records(cursor, ObjectVersion)
        _tell(cursor, entered)
        return entered


def _tell(cursor: Cursor, entered: ObjectVersion) -> None:
    """A key that was held has its old content again; or the object has other columns than all before."""
    if entered.state == "duplicate":
        events.record_change(cursor, object_event(cursor, "object.released", entered, {}))
    elif entered.replay_of is None and entered.inspection.get("header"):
        news = drift(_before(cursor, entered, 1), entered.inspection)  # mostly nothing
        if news:
            news = drift(_before(cursor, entered, COMPARED), entered.inspection)
        if news:
            events.record(cursor, object_event(cursor, "schema.drifted", entered, news.as_data()))


def _before(cursor: Cursor, entered: ObjectVersion, limit: int) -> list[dict[str, Any]]:
    """Headers of the newest objects before this one, each once."""
    cursor.execute(query("object_before"), {**vars(entered), "limit": limit})
    return [{"header": header, "columns": columns} for header, columns in cursor.fetchall()]


def _standing(cursor: Cursor, object_id: int, sha256: str, fetched: bool) -> dict[str, Any]:
    """How the content stands to earlier versions of the key: new, the newest again, or an old one again."""
    cursor.execute(query("object_same_content"), {"object_id": object_id, "sha256": sha256})
    same = cursor.fetchone()
    if same is None:
        return {}
    earlier, version, newest = same
    if newest:
        return {"state": "duplicate", "reason": f"same content as object {earlier}, which is loaded"}
    if fetched:
        return {}
    return {
        "version": version,
        "reason": f"an old version again (content of object {earlier}); use reload to make it the newest",
    }
