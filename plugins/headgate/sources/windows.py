"""Which windows of a source a run asks for: pure functions of its contract, its interval and what is landed.

A window is landed for good once it was asked for after its end and the contract's ``lag`` and ``reread``:
providers correct late, and a window that was asked for early holds less than it will.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Literal

from headgate.contract import Source
from headgate.sources.keys import folder
from headgate.sources.model import Want, Window

State = Literal["wanted", "landed", "failed"]
FIRST_DAYS = timedelta(days=1)  # a first run without `since`, interval and dates asks for so much


@dataclass(frozen=True)
class Known:
    """A window's slice that was asked for before, or is about to be: a row of ``headgate.fetch``.

    ``fetched_at``: when the fetch began that landed all of it, None while none has. ``routine``: a run asked
    for it that goes on where the one before it stopped, not one for certain dates.
    """

    folder: str  # of its keys, below the dataset's prefix
    window_start: datetime
    window_end: datetime
    slice: dict[str, str]
    state: State
    fetched_at: datetime | None = None
    run_id: int | None = None  # that wants it, or landed it last
    routine: bool = True

    @property
    def window(self) -> Window:
        """Its span of time."""
        return Window(self.window_start, self.window_end)


@dataclass(frozen=True)
class Asked:
    """What a run asks for.

    ``span``: its data interval, or the dates that a person gave; None: all that is missing. ``alone``: of
    the span only, neither what was missed before it nor what is read again, as for backfills and dates.
    ``refetch``: what is landed for good, too.
    """

    now: datetime
    span: Window | None = None
    alone: bool = False
    missing: bool = False
    refetch: bool = False


def wants(source: Source, asked: Asked, known: Sequence[Known], run_id: int | None = None) -> list[Want]:
    """What this run has to fetch, the oldest window first.

    A window that this run has landed already is not asked for again, whatever its task tries again.
    """
    every, allowed = {row.folder: row for row in known}, slices(source.each)
    candidates = [(window, slice) for window in _of_run(source, asked, known) for slice in allowed]
    if not asked.alone:
        candidates += _open(source, known, allowed)
    found: dict[str, Want] = {}
    for window, slice in sorted(candidates, key=lambda one: (one[0].start, one[0].end)):
        place = folder(window, slice)
        if not _is_done(source, every.get(place), asked, run_id):
            found[place] = Want(source, window, slice)
    return list(found.values())


def is_final(source: Source, row: Known) -> bool:
    """Whether it was asked for when nothing of it could change any more."""
    late = timedelta(days=source.lag + source.reread)
    return row.fetched_at is not None and row.fetched_at >= row.window_end + late


def under_other_key(source: Source, known: Sequence[Known]) -> Known | None:
    """One that was landed, and that the contract would by now land under another key."""
    for row in known:
        if row.fetched_at is not None and any(
            row.slice.keys() != source.each.keys() or span != row.window
            for span in windows(source, row.window_start, row.window_end)
        ):
            return row
    return None


def slices(each: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every combination of the values; one empty slice where there are none."""
    return [dict(zip(each, values, strict=True)) for values in product(*each.values())]


def windows(source: Source, start: datetime, end: datetime) -> Iterator[Window]:
    """The windows that have a moment of ``[start, end)``, within the contract's ``since`` and ``until``.

    Calendar windows are whole ones, so that whoever asks for a part of one gets the same key.
    """
    asked = _within(source, Window(start, end))
    if asked.start >= asked.end:
        return
    if source.window == "interval":
        yield asked
        return
    begin = _floor(source.window, asked.start)
    while begin < asked.end:
        following = _next(source.window, begin)
        yield _within(source, Window(begin, following))
        begin = following


def _of_run(source: Source, asked: Asked, known: Sequence[Known]) -> Iterator[Window]:
    if asked.span is not None:
        yield from windows(source, asked.span.start, min(asked.span.end, asked.now))
    if not asked.alone:
        yield from windows(source, *_missing(source, asked, known))


def _missing(source: Source, asked: Asked, known: Sequence[Known]) -> tuple[datetime, datetime]:
    """What no run has asked for yet: behind the last routine one, up to the run's interval or to now.

    The first list of changes begins at ``since``; so do calendar windows when a person asks, without dates.
    """
    reached = max((row.window_end for row in known if row.routine), default=None)
    since = _midnight(source.since) if source.since else None
    if source.window == "interval":
        reached = reached or since
    if asked.span is not None:
        return reached or asked.span.start, asked.span.start
    if source.window != "interval" and since is not None:
        return since, asked.now
    return reached or asked.now - FIRST_DAYS, asked.now


def _open(
    source: Source, known: Sequence[Known], allowed: Sequence[dict[str, str]]
) -> Iterator[tuple[Window, dict[str, str]]]:
    """What failed, was left or is to be read again, in the windows that the contract has now."""
    wanted = [row for row in known if row.state != "landed" or not is_final(source, row)]
    for slice in allowed:
        rows = [row for row in wanted if _agree(row.slice, slice)]
        if source.window == "interval":
            rows = [row for row in rows if not _is_covered(row, slice, known)]
            # One list of changes, or one look at what is now, stands for all that were missed.
            spans = [_from_first_to_last(rows)] if rows else []
        else:
            spans = [span for row in rows for span in windows(source, row.window_start, row.window_end)]
        yield from ((span, slice) for span in spans)


def _from_first_to_last(rows: Sequence[Known]) -> Window:
    return Window(min(row.window_start for row in rows), max(row.window_end for row in rows))


def _agree(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Whether a slice of an earlier contract, which may have other names, holds what this one is of."""
    return all(old[name] == new[name] for name in old.keys() & new.keys())


def _is_covered(row: Known, slice: Mapping[str, str], known: Sequence[Known]) -> bool:
    """Whether a longer interval of the slice is landed that holds this one."""
    return any(
        other.state == "landed"
        and other.slice == slice
        and other.window_start <= row.window_start
        and other.window_end >= row.window_end
        for other in known
    )


def _is_done(source: Source, row: Known | None, asked: Asked, run_id: int | None) -> bool:
    if row is None or row.state != "landed":
        return False
    if run_id is not None and row.run_id == run_id:
        return True
    if asked.missing and asked.span is not None and row.fetched_at is not None:
        over = min(row.window_end, asked.span.end) + timedelta(days=source.lag)
        if row.fetched_at >= over and not asked.refetch:
            return True
    return not asked.refetch and is_final(source, row)


def _within(source: Source, window: Window) -> Window:
    """What of it the contract's ``since`` and ``until`` leave."""
    start = max(window.start, _midnight(source.since)) if source.since else window.start
    end = min(window.end, _midnight(source.until)) if source.until else window.end
    return Window(start, end)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _floor(size: str, moment: datetime) -> datetime:
    """The beginning of the calendar window that the moment lies in."""
    moment = moment.astimezone(UTC)
    if size == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if size == "week":
        return day - timedelta(days=day.weekday())
    if size == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if size == "year" else day


def _next(size: str, begin: datetime) -> datetime:
    if size == "month":
        return (begin + timedelta(days=31)).replace(day=1)
    if size == "year":
        return begin.replace(year=begin.year + 1)
    return begin + {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[size]
