"""What Headgate asks of its ledger, a case for each thing that a step, a consumer or a person does.

The cases are written for the ledger of ``benchmarks.history``. They ask for a run, an object, a page or what
is open, so they should cost the same however long the history behind it is.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from psycopg2.extensions import connection as Connection

from benchmarks.history import BUSY, DATASETS
from headgate import books, ledger, quarantine, receipts, replay
from headgate.alerts import desk
from headgate.db import query, transaction
from headgate.events import outbox
from headgate.ledger import Run
from headgate.ledger import errors as failures
from headgate.listing import StoredObject
from headgate.replay.staging import lost_batches
from headgate.retention.rules import Days, Rules
from headgate.steps.progress import progress_of

PAGE = 50
LISTED_RUNS = 100  # a page of the listing has the objects of so many
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
USUAL = Days(receipts=90, staging=14, errors=90, alerts=90, events=30)
RETENTION = Rules(USUAL, dict.fromkeys(DATASETS, USUAL))


@dataclass(frozen=True)
class Ledger:
    """A connection to a ledger of so many runs."""

    conn: Connection
    runs: int

    @property
    def settling(self) -> Run:
        """The newest run: all is sent, one receipt is missing."""
        return ledger.get_run(self.conn, self.runs)

    @property
    def auditing(self) -> Run:
        """A run before its gate, of the file that is written again and again."""
        return ledger.get_run(self.conn, self.runs - 3)

    @property
    def past(self) -> Run:
        """A run of the busy dataset, half of the history ago."""
        return ledger.get_run(self.conn, self.runs // 2 // 4 * 4)

    def ask(self, statement: str, **values: object) -> int:
        """Carry out one statement; how many rows."""
        with transaction(self.conn) as cursor:
            cursor.execute(query(statement), values)
            return cursor.rowcount


Case = Callable[[Ledger], object]


def scan_a_page(world: Ledger) -> None:
    """A page of the listing, one object in fifty is new."""
    last = world.past.run_id
    known = [
        (run_id - 1) * 5 + place for run_id in range(last - LISTED_RUNS, last, 2) for place in range(1, 6)
    ]
    ledger.record_objects(world.conn, world.settling, "landing", map(listed, known))


def listed(object_id: int) -> StoredObject:
    """An object of the busy dataset as the store lists it."""
    etag = hashlib.md5(str(object_id).encode(), usedforsecurity=False).hexdigest()
    etag = etag if object_id % 50 else "new"
    return StoredObject("landing", f"{BUSY}/{object_id}.csv", etag, 100_000, LONG_AGO)


def scan_opens(world: Ledger) -> None:
    """What else the scan does: the run, other runs, what they left."""
    run = ledger.open_run(world.conn, dataset=BUSY, dag_run_id="new", contract_version=1)
    ledger.running_runs(world.conn, run)
    ledger.adopt_objects(world.conn, world.auditing)


def inspect_rewritten(world: Ledger) -> None:
    """An object is read, of a key that has had many versions."""
    newest = ledger.objects_of_run(world.conn, world.auditing.run_id)[-1]
    ledger.record_inspection(world.conn, newest.object_id, sha256="new", inspection=newest.inspection)


def validate_work(world: Ledger) -> None:
    """The work of a lane."""
    run_id = world.auditing.run_id
    ledger.work_size(world.conn, run_id)
    ledger.chunk_work(world.conn, run_id, 0, 2, state="staged")


def gate_rewritten(world: Ledger) -> None:
    """The gate lets an object pass, of a key that has had many versions."""
    totals = ledger.object_totals(world.conn, world.auditing.run_id)
    ledger.publish_object(world.conn, totals[-1].object_id)


def stream_work(world: Ledger) -> None:
    """What a lane has to send, and the note that it was sent."""
    deque(ledger.batches_to_stream(world.conn, world.settling.run_id, 0, 1), 0)
    ledger.mark_streamed(world.conn, [uuid4()])


def standing(world: Ledger, run: Run) -> dict[str, Any]:
    """What a message of the run's newest object says of it."""
    found = ledger.objects_of_run(world.conn, run.run_id)[-1]
    return {name: getattr(found, name) for name in ("dataset", "object_id", "version", "lineage")}


def consume(world: Ledger) -> None:
    """All that a consumer asks besides the merge."""
    about = standing(world, world.settling)
    message_id = uuid4()
    with transaction(world.conn) as cursor:
        receipts.lock_datasets(cursor, [BUSY])
        receipts.claim(
            cursor, message_id=message_id, object_id=about["object_id"], chunk_id=1, consumer="new"
        )
        cursor.execute(query("consumer_object"), {"message_id": message_id, **about})
        receipts.lateness(cursor, **about)
        receipts.close(cursor, message_id, receipts.Counts(1, inserted=1))


def consume_rewritten(world: Ledger) -> None:
    """The same for a key that has had many versions."""
    about = standing(world, world.auditing)
    with transaction(world.conn) as cursor:
        cursor.execute(query("consumer_object"), {"message_id": uuid4(), **about})
        receipts.lateness(cursor, **about)


def settle(world: Ledger) -> None:
    """One look of the waiting task."""
    ledger.settle_status(world.conn, world.settling.run_id)
    ledger.mark_loaded(world.conn, world.settling.run_id)


def progress(world: Ledger) -> None:
    """One look of a person who waits for the run."""
    progress_of(world.conn, world.settling.run_id)


def report(world: Ledger) -> None:
    """The books are closed."""
    run = world.settling
    ledger.load_rejects(world.conn, run.run_id)
    books.run_books(world.conn, run)
    ledger.volumes(world.conn, run, 20)
    ledger.taken_over(world.conn, run.run_id)
    ledger.task_reasons(world.conn, run.run_id)
    ledger.finish_run(world.conn, run.run_id, "success", None, [ledger.run_event("run.caught_up", run, {})])


def relay_events(world: Ledger) -> None:
    """The outbox of events."""
    world.ask("event_unpublished", limit=200)


def fold_events(world: Ledger) -> None:
    """The notification consumer's tick, without groups."""
    world.ask("event_unfolded", limit=200)
    world.ask("alert_expire")
    world.ask("alert_group_due", limit=500)
    world.ask("delivery_take", resting=[], patience=timedelta(days=1))


def feed_alertmanager(world: Ledger) -> None:
    """What an Alertmanager is to know."""
    world.ask("alertmanager_due", every=timedelta(minutes=1), receiver="team", channel="am")
    world.ask("alertmanager_alerts")


def reroute_alerts(world: Ledger) -> None:
    """The routing file has changed."""
    world.ask("alerts_unresolved")


def error_tick(world: Ledger) -> None:
    """The error consumer's look for what is settled by now."""
    failures.resolve_errors(world.conn)
    failures.tell_ends(world.conn)


def watch(world: Ledger) -> None:
    """The watch's look at the ledger."""
    world.ask("watch_datasets")
    world.ask("watch_parked")


def books_of_newest(world: Ledger) -> None:
    """``headgate books DATASET``."""
    newest = ledger.latest_run(world.conn, BUSY)
    if newest is not None:
        books.run_books(world.conn, newest)


def books_of_all(world: Ledger) -> None:
    """``headgate books``."""
    for run in books.latest_runs(world.conn):
        books.run_books(world.conn, run)


def books_of_runs(world: Ledger) -> None:
    """``headgate books DATASET --all``."""
    books.recent_runs(world.conn, BUSY)


def row(world: Ledger) -> None:
    """``headgate row``."""
    books.row_history(world.conn, BUSY, f"{BUSY}/{world.past.run_id * 5}.csv", 17)


def errors_open(world: Ledger) -> None:
    """``headgate errors list``."""
    deque(replay.errors(world.conn, replay.Where(), replay.OPEN, PAGE), 0)
    replay.counts(world.conn, replay.Where(), replay.OPEN)


def errors_newest(world: Ledger) -> None:
    """The first page of ``headgate errors list --state all``."""
    deque(replay.errors(world.conn, replay.Where(), None, PAGE), 0)


def errors_of_run(world: Ledger) -> None:
    """``headgate errors list --state all --where run=…``."""
    deque(replay.errors(world.conn, replay.Where(run=(world.past.run_id,)), None, PAGE), 0)


def errors_of_object(world: Ledger) -> None:
    """``headgate errors list --where object=KEY``."""
    wanted = replay.Where(object=(f"{BUSY}/{world.past.run_id * 5}.csv",))
    deque(replay.errors(world.conn, wanted, None, PAGE), 0)


def lost(world: Ledger) -> None:
    """``headgate replay --from staging``."""
    deque(lost_batches(world.conn, replay.Where()), 0)


def alerts_unresolved(world: Ledger) -> None:
    """``headgate alerts list``."""
    desk.alerts(world.conn, desk.Filter(), limit=100)


def alerts_all(world: Ledger) -> None:
    """``headgate alerts list --state all``."""
    desk.alerts(world.conn, desk.Filter(desk.STATES), limit=100)


def alert(world: Ledger) -> None:
    """``headgate alerts show``."""
    desk.get_alert(world.conn, world.runs)
    desk.messages_of(world.conn, world.runs)


def events_newest(world: Ledger) -> None:
    """``headgate events list``."""
    with transaction(world.conn) as cursor:
        outbox.page(cursor, limit=PAGE)


def events_of_dataset(world: Ledger) -> None:
    """``headgate events list DATASET``."""
    with transaction(world.conn) as cursor:
        outbox.page(cursor, dataset=BUSY, limit=PAGE)


def quarantine_page(world: Ledger) -> None:
    """The first page of ``headgate quarantine list DATASET``."""
    deque(quarantine.entries(world.conn, quarantine.Filter(dataset=BUSY), PAGE), 0)


def quarantine_of_run(world: Ledger) -> None:
    """``headgate quarantine list --run``, and how many there are."""
    wanted = quarantine.Filter(run=world.past.run_id, state=None)
    deque(quarantine.entries(world.conn, wanted, PAGE), 0)
    quarantine.count(world.conn, wanted)


def quarantine_of_object(world: Ledger) -> None:
    """``headgate quarantine list --object``, and how many there are."""
    wanted = quarantine.Filter(dataset=BUSY, object=f"{BUSY}/{world.past.run_id * 5 - 2}.csv", state=None)
    deque(quarantine.entries(world.conn, wanted, PAGE), 0)
    quarantine.count(world.conn, wanted)


def retention_receipts(world: Ledger) -> None:
    """A batch of each dataset's receipts."""
    for dataset in DATASETS:
        after = {"after_loaded_at": None, "after_object": None}
        days = {"days": USUAL.receipts, "limit": 50, "dry_run": False}
        world.ask("retention_receipts", dataset=dataset, **days, **after)


def retention_staging(world: Ledger) -> None:
    """A batch of each dataset's staged objects."""
    for dataset in DATASETS:
        world.ask("retention_staging", dataset=dataset, days=USUAL.staging, after=0, limit=50)


def retention_records(statement: str, kind: str) -> Case:
    """A batch of records of all datasets."""

    def case(world: Ledger) -> None:
        world.ask(statement, **RETENTION.sql(kind), after=None, limit=1000, dry_run=False)

    return case


CASES: dict[str, Case] = {
    "scan: a page of the listing": scan_a_page,
    "scan: opening and adopting": scan_opens,
    "inspect: key of many versions": inspect_rewritten,
    "validate: a lane's work": validate_work,
    "gate: key of many versions": gate_rewritten,
    "stream: a lane's work": stream_work,
    "consumer: a message": consume,
    "consumer: key of many versions": consume_rewritten,
    "settle: one look": settle,
    "run --wait: one look": progress,
    "report": report,
    "events: relay": relay_events,
    "notifications: one tick": fold_events,
    "notifications: Alertmanager": feed_alertmanager,
    "notifications: new routing": reroute_alerts,
    "errors: one tick": error_tick,
    "watch: one look": watch,
    "books DATASET": books_of_newest,
    "books": books_of_all,
    "books DATASET --all": books_of_runs,
    "row": row,
    "errors list": errors_open,
    "errors list --state all": errors_newest,
    "errors list --where run": errors_of_run,
    "errors list --where object": errors_of_object,
    "replay --from staging": lost,
    "alerts list": alerts_unresolved,
    "alerts list --state all": alerts_all,
    "alerts show": alert,
    "events list": events_newest,
    "events list DATASET": events_of_dataset,
    "quarantine list DATASET": quarantine_page,
    "quarantine list --run": quarantine_of_run,
    "quarantine list --object": quarantine_of_object,
    "retention: receipts": retention_receipts,
    "retention: staged objects": retention_staging,
    "retention: errors": retention_records("retention_errors", "errors"),
    "retention: replays": retention_records("retention_replays", "errors"),
    "retention: alerts": retention_records("retention_alerts", "alerts"),
    "retention: notifications": retention_records("retention_notifications", "alerts"),
    "retention: silences": retention_records("retention_silences", "alerts"),
    "retention: events": retention_records("retention_events", "events"),
}
