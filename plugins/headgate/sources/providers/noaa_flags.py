"""Flags of NOAA's station data: one comma list, whose places mean something else by dataset and element.

Daily: https://www.ncei.noaa.gov/pub/data/ghcn/daily/readme.txt; monthly: the GSOM readme of NCEI.
"""

from __future__ import annotations

from collections.abc import Sequence

_DAILY = ("measurement_flag", "quality_flag", "source_flag", "observation_time")
_MONTHLY = ("days_missing", "measurement_flag", "quality_flag", "source_flag")
_EXTREME_TEMPERATURE = ("days_missing", "source_flag", "day_of_month", "further_days")
_EXTREME_AMOUNT = ("days_missing", "measurement_flag", "source_flag", "day_of_month", "further_days")
_MONTHLY_BY_ELEMENT = {
    "EMNT": _EXTREME_TEMPERATURE,
    "EMXT": _EXTREME_TEMPERATURE,
    "EMSD": _EXTREME_AMOUNT,
    "EMSN": _EXTREME_AMOUNT,
    "EMXP": _EXTREME_AMOUNT,
}
_MONTHLY_BY_LENGTH = {1: ("source_flag",), 2: ("days_missing", "source_flag")}
_DAILY_DATASETS = frozenset({"GHCND", "daily-summaries"})
_MONTHLY_DATASETS = frozenset({"GSOM", "global-summary-of-the-month"})


def named_flags(dataset: str, element: str, attributes: str) -> dict[str, str]:
    """The flags by what they mean: ``",,W,2400"`` of GHCND is measurement, quality, source and time.

    Places at the end may be missing. Nothing for datasets whose flags mean something else.
    """
    parts = [part.strip() for part in attributes.split(",")]
    return dict(zip(_places(dataset, element, len(parts)), parts, strict=False))


def _places(dataset: str, element: str, length: int) -> Sequence[str]:
    if dataset in _DAILY_DATASETS:
        return _DAILY
    if dataset in _MONTHLY_DATASETS:
        return _MONTHLY_BY_ELEMENT.get(element) or _MONTHLY_BY_LENGTH.get(length) or _MONTHLY
    return ()
