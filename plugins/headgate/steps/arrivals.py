"""Arrivals: which object versions in the landing bucket are unknown to the ledger, and when is that a start?

Nothing is written down here. What a lookout forgets when its process ends it finds again in the bucket and
the ledger; what it never finds the next scheduled run takes. So nothing is lost and nothing is loaded
twice, whatever happens to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import closing

from headgate.ledger.arrivals import arrived
from headgate.ledger.objects import pages
from headgate.listing import StoredObject
from headgate.steps.services import Ledger
from headgate.store import PAGE, ObjectStore

KEYS_AT_ONCE = 100  # that are looked up one by one; any of them starts a run, which takes all there are
FIRST_REPEAT, LONGEST_REPEAT = 60.0, 3600.0  # seconds until a start that took nothing is tried again


class Pace:
    """Keeps the looks of all lookouts of a process together below a share of its time."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._took: dict[Hashable, float] = {}

    def pause(self, who: Hashable, seconds: float) -> float:
        """Seconds to wait after a look of this one that took so long; grows with what all the others take."""
        self._took[who] = seconds
        return sum(self._took.values()) / self._share

    def leave(self, who: Hashable) -> None:
        """This one looks no more."""
        self._took.pop(who, None)


SWEEPS, GLANCES = Pace(0.05), Pace(0.1)


class Lookout:
    """Looks at one dataset's place in the bucket; ``unknown`` is what the next run would take.

    Up to a thousand objects are listed at each look. Of more only those whose names sort behind all seen so
    far, as names with a date in them do, and those that the store announced; the whole listing is swept as
    often as ``SWEEPS`` lets it. A page of the listing that has not changed costs the ledger nothing.
    """

    def __init__(
        self, store: ObjectStore, connect: Callable[[], Ledger], dataset: str, bucket: str, prefix: str
    ) -> None:
        self._store, self._connect = store, connect
        self._dataset, self._bucket, self._prefix = dataset, bucket, prefix
        self._known_pages: set[int] = set()
        self._last_key = ""
        self._sweep_at = 0.0
        self.unknown: frozenset[StoredObject] = frozenset()

    def look(self, keys: Collection[str] = ()) -> float:
        """Look at these keys, or for whatever has arrived; seconds until it should look again."""
        started = time.monotonic()
        if started >= self._sweep_at:
            if self._sweep() > PAGE:
                ended = time.monotonic()
                self._sweep_at = ended + SWEEPS.pause(self, ended - started)
                return 0.0
        elif keys:
            self._glance(list(self._named(sorted(keys)[:KEYS_AT_ONCE])))
            if len(keys) > KEYS_AT_ONCE and not self.unknown:  # the others came after the scan?
                self.sweep_next()
        else:
            self._glance(self._behind())
        return GLANCES.pause(self, time.monotonic() - started)

    def sweep_next(self) -> None:
        """Something may have been missed: the next look goes through the whole listing."""
        self._sweep_at = 0.0

    def leave(self) -> None:
        """It looks no more."""
        SWEEPS.leave(self)
        GLANCES.leave(self)

    def _sweep(self) -> int:
        unknown: list[StoredObject] = []
        known_pages: set[int] = set()
        objects = 0
        for page in pages(self._store.listing(self._bucket, self._prefix), PAGE):
            mark = hash(tuple(page))
            new = [] if mark in self._known_pages else self._new(page)
            if not new:
                known_pages.add(mark)
            unknown += new
            objects += len(page)
            self._last_key = max(self._last_key, *(item.key for item in page))
        self._known_pages, self.unknown = known_pages, frozenset(unknown)
        return objects

    def _behind(self) -> list[StoredObject]:
        found = list(self._store.listing(self._bucket, self._prefix, after=self._last_key))
        if found:
            self._last_key = max(item.key for item in found)
        return found

    def _glance(self, found: Sequence[StoredObject]) -> None:
        waiting = self.unknown - {*found}
        if len(waiting) <= KEYS_AT_ONCE:  # they may have been put again, or deleted
            waiting = frozenset(self._named({item.key for item in waiting}))
        candidates = {item.key: item for item in (*waiting, *found)}
        self.unknown = frozenset(self._new(list(candidates.values())))

    def _named(self, keys: Collection[str]) -> Iterator[StoredObject]:
        """Objects by their listing: only that has the time of arrival to the fraction of a second."""
        for key in keys:
            first = next(iter(self._store.listing(self._bucket, key)), None)
            if first is not None and first.key == key and key.startswith(self._prefix):
                yield first

    def _new(self, listed: Sequence[StoredObject]) -> list[StoredObject]:
        if not listed:
            return []
        with closing(self._connect()) as ledger:
            keys = ledger(arrived, self._dataset, self._bucket, listed)
        return [item for item in listed if item.key in keys]


class Starts:
    """When is a run to be started for what is unknown? Once, for all of it together.

    Until a run has taken what it was started for, none is started for more: it takes all there is by then. A
    run that took nothing, as its scan failed, is followed by another after a growing pause. Times in seconds
    of one clock.
    """

    def __init__(self) -> None:
        self._started_for: frozenset[StoredObject] = frozenset()
        self._repeat_at = 0.0
        self._pause = FIRST_REPEAT

    def due(self, unknown: frozenset[StoredObject], now: float) -> bool:
        """Whether a run should be started now."""
        if self._started_for & unknown:
            return now >= self._repeat_at
        self._started_for, self._pause = frozenset(), FIRST_REPEAT
        return bool(unknown)

    def started(self, unknown: frozenset[StoredObject], now: float) -> None:
        """A run was asked for."""
        self._started_for = unknown
        self._repeat_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_REPEAT)
