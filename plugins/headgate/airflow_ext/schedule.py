"""When a dataset's DAG runs: by its contract's cron expression, when objects have arrived, or both."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable

from headgate.airflow_ext.arrivals import landing_asset
from headgate.contract import Contract

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}


def schedule(contract: Contract) -> Any:
    """What the contract says. The cron expression stays beside the arrivals: it finds what they missed."""
    times = timetable(contract.schedule)
    if not contract.start_on_arrival:
        return times
    landing = landing_asset(contract)
    return [landing] if times is None else AssetOrTimeSchedule(timetable=times, assets=[landing])


def timetable(cron: str | None) -> CronTriggerTimetable | None:
    """Runs at each fire time, with the period before it as data interval; None without a schedule.

    Not ``CronDataIntervalTimetable``: that one starts a run for the last period at the moment a
    DAG is first unpaused, which takes the files from under the run that a person just started.
    """
    if cron is None:
        return None
    expression = PRESETS.get(cron, cron)
    return CronTriggerTimetable(
        expression, timezone="UTC", interval=period(expression), run_immediately=timedelta(0)
    )


@cache
def period(expression: str) -> Any:
    """The time between two runs: a calendar month or year where the cron says so, else the longest gap.

    Overlapping intervals are harmless (an object is loaded once), gaps would lose objects in backfills.
    """
    from dateutil.relativedelta import relativedelta  # type: ignore[import-untyped]

    _, _, day, month, weekday = expression.split()[:5]
    if weekday == "*" and day.isdigit() and month == "*":
        return relativedelta(months=1)
    if weekday == "*" and day.isdigit() and month.isdigit():
        return relativedelta(years=1)
    if (day, month) != ("*", "*"):
        return _longest_gap(expression, days=1461)
    return _longest_gap(expression, days=1 if weekday == "*" else 7)


def _longest_gap(expression: str, days: int) -> timedelta:
    """Of an expression that begins again after so many days; among 400 fires, as each costs."""
    from croniter import croniter  # type: ignore[import-untyped]

    start = datetime(2024, 1, 1, tzinfo=UTC)
    end = start + timedelta(days=2 * days)  # a gap may reach from one round into the next
    fires: Iterable[datetime] = croniter(expression, start).all_next(datetime)
    rounds = takewhile(lambda fire: fire <= end, islice(fires, 400))
    return max(later - earlier for earlier, later in pairwise(rounds))
