"""NASA POWER: meteorology and solar radiation of a point or a box, as long rows.

https://power.larc.nasa.gov/docs/services/api/temporal/
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import IO, Any, ClassVar

from headgate.contract import Source
from headgate.errors import DataError
from headgate.sources.model import Answer, Ask, Call, Limit, Page, Provider, Rejected, Want
from headgate.sources.providers.answers import beginning, not_data, short_object
from headgate.sources.providers.terms import not_known, not_under_each

_FILL = -999.0
_ENDPOINTS = [
    f"{time}/{area}" for time in ("daily", "hourly", "climatology") for area in ("point", "regional")
]
_CSV_END = "-END HEADER-"
_CSV_PLACE = re.compile(r"latitude\s+(\S+)\s+longitude\s+(\S+)", re.IGNORECASE)
_CSV_ELEVATION = re.compile(r"region = (\S+) meters")
_CSV_PARAMETER = re.compile(r"(\S+) +(.+) \((.*)\)")
_CSV_STANDARD = re.compile(r" in (UTC|LST)\b")

Record = dict[str, Any]


class NasaPower(Provider):
    """Endpoints ``daily/point``, ``hourly/point``, ``climatology/point`` and their ``…/regional``.

    The contract's ``each`` wants ``community``, which the answers do not repeat, and for points ``point``,
    ``"latitude,longitude"``; all points of a cell (0.5° × 0.625°) have the same series. ``format`` among the
    parameters may be ``csv``.
    """

    name = "nasa_power"
    title = "NASA POWER"
    hosts: ClassVar[Mapping[str, str]] = {"api": "https://power.larc.nasa.gov/api/temporal"}
    limits = (Limit(1, 1.0),)  # none is published; bursts of about 30 were refused
    volatile = True  # the seconds that it took are in each answer

    def mistakes(self, source: Source) -> Iterator[str]:
        """What answers do not repeat stands under ``each``; hours are asked for in UTC, as LST is no zone."""
        yield from not_known(source, *_ENDPOINTS)
        yield from not_under_each(source, "community")
        if source.endpoint.startswith("hourly/") and source.parameters.get("time-standard") != "UTC":
            yield "hours of local solar time have no time zone: give the parameter `time-standard: UTC`"

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        """One page: the window of a point or a box, all parameters."""
        params = _params(want)
        answer = ask(Call(f"/{want.source.endpoint}", params, read_timeout=120.0))
        yield Page("page-00001", answer, suffix=str(params["format"]).lower())

    def problem(self, answer: Answer) -> Exception | None:
        """HTML with status 200, and the reasons of a refused request."""
        if answer.status in (400, 422):
            return Rejected(f"{self.title}: {_reasons(answer)}")
        return not_data(answer, self.title, b"{", b"-")

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        """A row for each place, parameter and time; values that are missing are null.

        An answer's size is limited by the API (20 parameters of a point, one of a box), so it is read whole.
        """
        text = body.read().decode("utf-8-sig")
        if text.startswith("{"):
            return _of_json(json.loads(text), where)
        return _of_csv(text.splitlines(), where)


def _params(want: Want) -> dict[str, Any]:
    """Both ends are inclusive; days to come are not asked for."""
    params = {"format": "json", **want.parameters}
    if point := params.pop("point", None):
        latitude, _, longitude = str(point).partition(",")
        params |= {"latitude": latitude.strip(), "longitude": longitude.strip()}
    if not want.source.endpoint.startswith("climatology"):
        last = min(want.window.last_day, datetime.now(UTC).date())
        params |= {"start": f"{want.window.start:%Y%m%d}", "end": f"{last:%Y%m%d}"}
    return params


def _of_json(document: Mapping[str, Any], where: Mapping[str, str]) -> Iterator[Record]:
    header, described = document["header"], document["parameters"]
    fill, standard = float(header.get("fill_value", _FILL)), header.get("time_standard")
    for feature in document.get("features", [document]):
        longitude, latitude, *elevation = feature["geometry"]["coordinates"]
        for parameter, series in feature["properties"]["parameter"].items():
            row = {
                "community": where.get("community", "").upper(),
                "time_standard": standard,
                "latitude": latitude,
                "longitude": longitude,
                "elevation": elevation[0] if elevation else None,
                "parameter": parameter,
                "longname": described[parameter].get("longname"),
                "units": described[parameter].get("units"),
            }
            for time, value in series.items():
                yield {**row, **_time(time, standard), "value": None if float(value) == fill else value}


def _of_csv(lines: Sequence[str], where: Mapping[str, str]) -> Iterator[Record]:
    """A block of header lines, then a table; its time columns depend on the community and the service."""
    if _CSV_END not in map(str.strip, lines):
        raise DataError(f"NASA POWER: the CSV has no {_CSV_END} line")
    end = [line.strip() for line in lines].index(_CSV_END)
    head = "\n".join(line.strip() for line in lines[:end])
    latitude, longitude = _found(_CSV_PLACE, head)
    row = {
        "community": where.get("community", "").upper(),
        "time_standard": _found(_CSV_STANDARD, head)[0],
        "latitude": latitude,
        "longitude": longitude,
        "elevation": _found(_CSV_ELEVATION, head)[0],
    }
    described = {name: {"longname": long, "units": unit} for name, long, unit in _CSV_PARAMETER.findall(head)}
    for cells in csv.DictReader(lines[end + 1 :]):
        for parameter, time, value in _values(cells):
            known = {**row, "parameter": parameter, **described.get(parameter, {})}
            missing = float(value) == _FILL
            yield {**known, **_time(time, row["time_standard"]), "value": None if missing else value}


def _found(pattern: re.Pattern[str], head: str) -> tuple[str, ...]:
    match = pattern.search(head)
    if match is None:
        raise DataError(f"NASA POWER: the header of the CSV does not say {pattern.pattern!r}")
    return match.groups()


def _values(cells: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Parameter, time as in the JSON form, and value of the cells of a line."""
    if "PARAMETER" in cells:  # climatology: a line a parameter, a column a month
        yield from ((cells["PARAMETER"], name, text) for name, text in cells.items() if name != "PARAMETER")
        return
    if "DOY" in cells:
        day = date(int(cells["YEAR"]), 1, 1) + timedelta(days=int(cells["DOY"]) - 1)
    else:
        day = date(int(cells["YEAR"]), int(cells["MO"]), int(cells["DY"]))
    time = f"{day:%Y%m%d}" + (f"{int(cells['HR']):02}" if "HR" in cells else "")
    for name, text in cells.items():
        if name not in ("YEAR", "DOY", "MO", "DY", "HR"):
            yield name, time, text


def _time(key: str, standard: str | None) -> dict[str, str]:
    """``date`` of a day (``YYYYMMDD``), ``time`` of an hour (``YYYYMMDDHH``), ``month`` of a climatology."""
    if not key.isdecimal():
        return {"month": key}
    day = f"{key[:4]}-{key[4:6]}-{key[6:8]}"
    if len(key) == 8:
        return {"date": day}
    if standard != "UTC":
        raise DataError(
            "NASA POWER: hours of local solar time belong to no time zone. "
            "Set time-standard: UTC among the contract's parameters."
        )
    return {"time": f"{day}T{key[8:10]}:00:00Z"}


def _reasons(answer: Answer) -> str:
    """The sentences of the API's own shape or of its framework's; else the body's beginning."""
    document = short_object(answer)
    try:
        found = document.get("messages") or [detail["msg"] for detail in document["detail"]]
    except (KeyError, TypeError):
        return beginning(answer)
    return "; ".join(map(str, found))
