"""ClimateData.ca: observed and modelled climate series of a place in Canada, as its charts show them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import IO, Any, ClassVar

from headgate.contract import Source
from headgate.errors import DataError
from headgate.sources.model import Answer, Ask, Call, Limit, Page, Provider, Rejected, Want, rfc3339
from headgate.sources.providers.answers import beginning, not_data
from headgate.sources.providers.terms import not_known, not_under_each

SLICES = ("dataset_name", "month", "point", "variable")
"""What a series is of. No body repeats it, so it must stand in the key: under ``each`` of the source."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SERIES = re.compile(r"(?:(30y|delta7100)_)?(.+?)(?:_(median|range))?")
_BOUNDS = {("slr", "CMIP5"): ("p05", "p95"), ("slr", "CMIP6"): ("p17", "p83")}


class ClimateData(Provider):
    """``endpoint`` is ``generate-charts``; ``each`` has ``SLICES``, ``point`` as ``<latitude>,<longitude>``.

    A record is one value of one series at one time, of the grid cell that is nearest to the point:
    ``dataset_name``, ``variable``, ``month``, ``latitude``, ``longitude`` as asked for, ``series`` as the
    chart names it, its parts ``averaging`` (``year``, ``30y``, ``delta7100``), ``scenario`` and
    ``statistic`` (``value``, ``median``, ``p10``, ``p90``, …), ``time`` (RFC 3339) and ``value``.
    """

    name = "climatedata"
    title = "ClimateData.ca"
    hosts: ClassVar[Mapping[str, str]] = {"api": "https://data.climatedata.ca"}
    limits = (Limit(2, 1.0),)  # none is documented

    def mistakes(self, source: Source) -> Iterator[str]:
        """What a series is of must stand under ``each``."""
        yield from not_known(source, "generate-charts")
        yield from not_under_each(source, *SLICES)

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        """One body. The server's own default is CMIP5, so the dataset is always named."""
        latitude, _, longitude = want.slice["point"].partition(",")
        asked = {name: value for name, value in want.parameters.items() if name not in SLICES}
        path = (
            f"/{want.source.endpoint}/{latitude}/{longitude}/{want.slice['variable']}/{want.slice['month']}"
        )
        yield Page("page-00001", ask(Call(path, {**asked, "dataset_name": want.slice["dataset_name"]})))

    def problem(self, answer: Answer) -> Exception | None:
        """Errors are plain text; a file that the server does not have is an HTML page with status 500.

        That must not count as an outage, or one wrong month would keep all others from being asked for.
        """
        if answer.status in (400, 404):
            return Rejected(f"ClimateData.ca: {beginning(answer)}")
        if answer.status == 500:
            return Rejected(
                "ClimateData.ca fails with status 500, which is also its answer where it has no file for the "
                "variable and the month"
            )
        return not_data(answer, self.title, b"{")

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        """Every value of every series; lists are empty where the cell has none, as at sea."""
        import ijson

        latitude, _, longitude = where["point"].partition(",")
        place = {name: where[name] for name in SLICES if name != "point"}
        place |= {"latitude": latitude, "longitude": longitude}
        bounds = _BOUNDS.get((where["variable"], where["dataset_name"]), ("p10", "p90"))
        for series, points in ijson.kvitems(body, "", use_float=True):
            averaging, scenario, kind = _parts(series)
            statistics = {"range": bounds, "median": ("median",)}.get(kind, ("value",))
            of_series = {**place, "series": series, "averaging": averaging, "scenario": scenario}
            for milliseconds, *values in _points(series, points):
                for statistic, value in zip(statistics, values, strict=True):
                    yield {**of_series, "statistic": statistic, "time": _time(milliseconds), "value": value}


def _parts(series: str) -> tuple[str, str, str]:
    """Averaging, scenario and kind of a series: ``30y_ssp126_range`` is 30y, ssp126, range."""
    found = _SERIES.fullmatch(series)
    assert found is not None  # the pattern takes any name
    return found[1] or "year", found[2], found[3] or ""


def _points(series: str, points: Any) -> Iterable[Sequence[Any]]:
    """``[ms, value…]`` of a series, which is a list of them, or ``{ms: [value…]}``, or an empty list."""
    if isinstance(points, Mapping):
        return ([milliseconds, *values] for milliseconds, values in points.items())
    if isinstance(points, list):
        return points
    raise DataError(f"the series {series} of ClimateData.ca is no list: {str(points)[:100]}")


def _time(milliseconds: str | float) -> str:
    """Milliseconds since 1970 UTC, negative ones before it."""
    return rfc3339(_EPOCH + timedelta(milliseconds=float(milliseconds)))
