"""Starts a dataset's run when objects have arrived: an asset of its landing place, watched in the triggerer.

Imported while DAG files are parsed, so everything heavy is imported inside the functions. The trigger never
says which objects a run is for: a run takes all that is new when it scans.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from headgate.announcements import Listener
    from headgate.contract import Contract
    from headgate.listing import StoredObject
    from headgate.steps.arrivals import Lookout

LONGEST_PAUSE = 60.0  # seconds between looks where the store announces, and while a server is away
BREATH = 0.5  # seconds after a look in which no announcement leads to another
KEYS_TOLD = 10  # of an event


def landing_asset(contract: Contract) -> Asset:
    """Where the objects of a dataset arrive; its events start runs."""
    trigger = ArrivalTrigger(contract.dataset, contract.bucket, contract.prefix)
    return Asset(
        name=f"{contract.dataset} arrivals",
        uri=f"x-headgate-landing://{contract.bucket}/{contract.prefix}",
        group="headgate",
        watchers=[AssetWatcher(name=f"{contract.dataset} arrivals", trigger=trigger)],
    )


class ArrivalTrigger(BaseEventTrigger):
    """Fires when there are objects that the next run of the dataset would take and no run is about to scan.

    A server that is away is waited for. When the triggerer is away nothing is lost: what arrived is found
    when it is back, or by the scheduled run.
    """

    def __init__(self, dataset: str, bucket: str, prefix: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dataset, self.bucket, self.prefix = dataset, bucket, prefix

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Only the place: connection settings are read where the triggerer runs."""
        place = {"dataset": self.dataset, "bucket": self.bucket, "prefix": self.prefix}
        return ("headgate.airflow_ext.arrivals.ArrivalTrigger", place)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, fire when a run is due, pause; for ever."""
        from headgate.steps.arrivals import Starts

        lookout = await asyncio.to_thread(make_lookout, self.dataset, self.bucket, self.prefix)
        bell, starts = Bell(self.bucket, self.prefix, asyncio.get_running_loop()), Starts()
        usual = await asyncio.to_thread(answer_bell, bell)
        try:
            while True:
                pause = max(usual, await self._looked(lookout, bell))
                unknown = lookout.unknown
                if starts.due(unknown, time.monotonic()) and not await self._scan_is_coming():
                    starts.started(unknown, time.monotonic())
                    yield TriggerEvent(told(unknown))  # type: ignore[no-untyped-call]
                await asyncio.sleep(min(pause, BREATH))
                await bell.rung_within(max(pause - BREATH, 0.0))
        finally:
            BELLS.discard(bell)
            lookout.leave()

    async def _looked(self, lookout: Lookout, bell: Bell) -> float:
        from headgate.errors import HeadgateError

        keys, missed = bell.taken()
        if missed:
            lookout.sweep_next()
        try:
            return await asyncio.to_thread(lookout.look, keys)
        except HeadgateError as error:  # a missing bucket, too, may be made while we look
            self.log.warning("%s: cannot look for new objects, trying again: %s", self.dataset, error)
            lookout.sweep_next()
            return LONGEST_PAUSE / 4

    async def _scan_is_coming(self) -> bool:
        from headgate.errors import HeadgateError

        try:
            return await asyncio.to_thread(scan_is_coming, self.dataset)
        except HeadgateError as error:
            self.log.warning("%s: no run is started before the ledger answers: %s", self.dataset, error)
            return True


def scan_is_coming(dataset: str) -> bool:
    """Whether a run of the dataset is queued or has not finished its scan: it takes what is new."""
    from contextlib import closing

    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance as Runs

    from headgate.airflow_ext import tasks
    from headgate.ledger.arrivals import open_runs

    alive = Runs.get_dr_count(dataset, states=tasks.ALIVE)
    if not alive:
        return False
    with closing(tasks.ledger_only()) as ledger:
        names = ledger(open_runs, dataset)
    states = Runs.get_task_states(dataset, task_ids=["scan"], run_ids=names) if names else {}
    scanned = [name for name, of_tasks in states.items() if of_tasks.get("scan") == "success"]
    return alive > (Runs.get_dr_count(dataset, run_ids=scanned, states=tasks.ALIVE) if scanned else 0)


def told(unknown: frozenset[StoredObject]) -> dict[str, Any]:
    """What the event says, for people."""
    return {"objects": len(unknown), "keys": sorted(item.key for item in unknown)[:KEYS_TOLD]}


def make_lookout(dataset: str, bucket: str, prefix: str) -> Lookout:
    """A lookout with this process's store and a ledger connection for each question, as there may be many."""
    from headgate.airflow_ext import tasks
    from headgate.steps.arrivals import Lookout

    return Lookout(shared_store(), tasks.ledger_only, dataset, bucket, prefix)


@cache
def shared_store() -> Any:
    """One client, and its connections, for all watchers of the process; they do their own waiting."""
    from headgate.airflow_ext.hooks import task_settings
    from headgate.store import ObjectStore

    return ObjectStore.from_settings(task_settings(), patience=0.0, reread=task_settings)


class Bell:
    """Wakes one watcher for keys that the store announced below its prefix."""

    def __init__(self, bucket: str, prefix: str, loop: asyncio.AbstractEventLoop) -> None:
        self.bucket, self.prefix = bucket, prefix
        self._loop, self._rung = loop, asyncio.Event()
        self._keys: set[str] = set()
        self._missed = False

    def ring(self, key: str | None = None) -> None:
        """Of any thread: this key was announced; None when some may have been missed."""
        self._loop.call_soon_threadsafe(self._ring, key)

    def _ring(self, key: str | None) -> None:
        if key is None:
            self._missed = True
        else:
            self._keys.add(key)
        self._rung.set()

    def taken(self) -> tuple[set[str], bool]:
        """The keys since the last call, and whether some may be missing."""
        keys, missed = self._keys, self._missed
        self._keys, self._missed = set(), False
        self._rung.clear()
        return keys, missed

    async def rung_within(self, seconds: float) -> None:
        """Wait until it rings, or so long."""
        try:
            await asyncio.wait_for(self._rung.wait(), seconds)
        except TimeoutError:
            return


BELLS: set[Bell] = set()


def answer_bell(bell: Bell) -> float:
    """Ring this bell from now on, where the store announces; seconds between looks without a ring."""
    from headgate.airflow_ext.hooks import task_settings

    BELLS.add(bell)
    settings = task_settings()
    if not settings.s3_notifications:
        return settings.arrival_seconds
    listener()
    return LONGEST_PAUSE


@cache
def listener() -> Listener:
    """The one listener of this process, started."""
    from headgate.airflow_ext.hooks import task_settings
    from headgate.announcements import Listener
    from headgate.settings import current

    made = Listener(current("amqp_url", task_settings), announced, announcements_missed)
    made.start()
    return made


def announced(bucket: str, key: str) -> None:
    """The store announced an object."""
    for bell in list(BELLS):
        if bell.bucket == bucket and key.startswith(bell.prefix):
            bell.ring(key)


def announcements_missed() -> None:
    """The listener was not connected for a while."""
    for bell in list(BELLS):
        bell.ring()
