"""Hours in which a receiver is not disturbed: what comes then is told afterwards, in one digest."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from headgate.alerts.matcher import Matcher, parse_matcher

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{name!r} is no time zone: write Europe/Zurich, America/New_York, UTC") from None
    return name


def _clock(value: object) -> time:
    """``22:00``; unquoted, YAML reads it as a number of minutes."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value // 60:02}:{value % 60:02}"
    try:
        hours, minutes = map(int, str(value).split(":"))
        return time(hours, minutes)
    except ValueError:
        raise ValueError(f'{value!r} is no time of day: write "22:00"') from None


def _weekday(name: str) -> str:
    if name.lower() not in WEEKDAYS:
        raise ValueError(f"{name!r} is no day: days are {', '.join(WEEKDAYS)}")
    return name.lower()


Clock = Annotated[time, BeforeValidator(_clock)]


class QuietHours(BaseModel):
    """From ``start`` to ``end`` (the next day where that is earlier), on days that begin them."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    start: Clock
    end: Clock
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    weekdays: list[Annotated[str, AfterValidator(_weekday)]] = list(WEEKDAYS)
    unless: list[Annotated[Matcher, BeforeValidator(parse_matcher)]] = Field([], description="told at once")

    @model_validator(mode="after")
    def _some_time(self) -> QuietHours:
        if self.start == self.end:
            raise ValueError("start and end are the same")
        return self

    def end_of(self, now: datetime) -> datetime | None:
        """When the quiet hours that hold ``now`` end; ``None`` when it is in none."""
        local = now.astimezone(ZoneInfo(self.timezone))
        for days in (0, 1):  # those that began today, and those that began yesterday
            day = (local - timedelta(days=days)).date()
            if WEEKDAYS[day.weekday()] not in self.weekdays:
                continue
            over = day + timedelta(days=1) if self.end <= self.start else day
            begin = datetime.combine(day, self.start, local.tzinfo).astimezone(UTC)
            end = datetime.combine(over, self.end, local.tzinfo).astimezone(UTC)
            if begin <= now < end:
                return end
        return None
