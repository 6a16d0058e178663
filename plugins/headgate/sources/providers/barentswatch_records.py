"""The records of BarentsWatch's bodies: flat, by the API's own names, with what only the request knew."""

from __future__ import annotations

import csv
import io
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import IO, Any
from zoneinfo import ZoneInfo

from headgate.errors import DataError

Record = dict[str, Any]

REPEATS_WITHIN = 1000  # records in which the same one again is taken for an echo
_WAVE_VALUES = ("totalSignificantWaveHeight", "expectedMaximumWaveHeight", "totalPeakPeriod")
_OSLO = ZoneInfo("Europe/Oslo")
_DAY = "%Y-%m-%d"


def read_localities(where: Mapping[str, str], body: IO[bytes]) -> Iterator[Record]:
    """All sites of a week; none before 2012."""
    week = _of_week(where["week"])
    return ({**week, **row} for row in items(body, "localities.item"))


def read_lice(_where: Mapping[str, str], body: IO[bytes]) -> Iterator[Record]:
    """Norwegian headers behind a byte order mark; booleans stay ``Ja`` and ``Nei`` for the contract."""
    for row in csv.DictReader(io.TextIOWrapper(body, "utf-8-sig", newline=""), restkey="surplus"):
        yield {**row, "weekStart": _monday(row.get("År"), row.get("Uke"))}


def read_register(where: Mapping[str, str], body: IO[bytes]) -> Iterator[Record]:
    """One record a licence, with what holds for its site; the answer itself names neither site nor week."""
    report = json.load(body)
    if "locality" not in report:
        raise DataError("the body is no report of a site: it has no locality")
    register = report.get("aquaCultureRegister") or {}
    site = _of_site(where, report, register)
    for licence in register.get("licenses") or []:
        yield {
            **site,
            **licence,
            "licenseKey": "".join((licence.get("licenseNo") or "").split()),
            "grantDate": _norwegian_day(licence.get("grantDate")),
            "expirationDate": _norwegian_day(licence.get("expirationDate")),
            "species": ", ".join(licence.get("species") or []),
            "localities": len(licence.get("localities") or []),
        }


def read_gear(_where: Mapping[str, str], body: IO[bytes]) -> Iterator[Record]:
    """Tools in the sea, those that were taken up since included."""
    for row in items(body, "fishingFacilities.item"):
        shape = row.pop("geometry", None)
        yield {**row, **_outline(shape), **_place(shape)}


def read_waves(where: Mapping[str, str], body: IO[bytes]) -> Iterator[Record]:
    """A height of 0.0 without a direction is how the model says that it has no value there."""
    for row in items(body, "item"):
        if row.get("totalMeanWaveDirection") is None and not row.get("totalSignificantWaveHeight"):
            row |= dict.fromkeys(_WAVE_VALUES)
        yield {"point": where.get("point"), **row}


def read_currents(where: Mapping[str, str], body: IO[bytes]) -> Iterator[Record]:
    """The steps of a forecast, with the point that was asked for."""
    return ({"point": where.get("point"), **row} for row in items(body, "item"))


def read_zones(where: Mapping[str, str], body: IO[bytes]) -> Iterator[Record]:
    """The features of a layer, their days as days."""
    for feature in items(body, "features.item"):
        properties = feature.get("properties") or {}
        days = {name: _norwegian_day(properties.get(name)) for name in ("fromdate", "todate", "originaldate")}
        yield {"layer": where["layer"], **properties, **days, **_outline(feature.get("geometry"))}


def read_ships(_where: Mapping[str, str], body: IO[bytes]) -> Iterator[Record]:
    """Messages as they came, echoes left out."""
    return _without_echoes(_array_or_lines(body))


def week_name(monday: date) -> str:
    """The ISO week of a day: ``2026-W30``."""
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"


def items(body: IO[bytes], prefix: str, **options: Any) -> Iterator[Any]:
    """What is found under a prefix of ijson's, one after the other."""
    import ijson

    return iter(ijson.items(body, prefix, use_float=True, **options))


def _of_week(name: str) -> Record:
    """``2026-W30`` as columns."""
    year, week = int(name[:4]), int(name[6:])
    return {"year": year, "week": week, "weekStart": date.fromisocalendar(year, week, 1).isoformat()}


def _monday(year: str | None, week: str | None) -> str | None:
    try:
        return date.fromisocalendar(int(year or ""), int(week or ""), 1).isoformat()
    except ValueError:
        return None  # the row's own year and week are refused for what they are


def _norwegian_day(text: str | None) -> str | None:
    """A day that comes as Norwegian midnight in UTC (22:00Z or 23:00Z of the day before), or as a day."""
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(_OSLO).strftime(_DAY)
    except (ValueError, OverflowError):  # a day with a Z behind it; the register's "no end", late in 9999
        return text[:10]


def _of_site(where: Mapping[str, str], report: Mapping[str, Any], register: Mapping[str, Any]) -> Record:
    monday = date.fromisoformat(where["window_start"][:10])
    locality, municipality = report.get("locality") or {}, report.get("municipality") or {}
    area = report.get("productionArea") or {}
    return {
        **_of_week(week_name(monday)),
        "localityNo": where["locality"],
        "localityName": locality.get("name"),
        "isOnLand": locality.get("isOnLand"),
        "municipalityNo": municipality.get("no"),
        "municipality": municipality.get("name"),
        "productionAreaId": area.get("id"),
        "productionArea": area.get("name"),
        "isFallow": (report.get("liceReport") or {}).get("isFallow"),
        "siteCapacity": register.get("capacity"),
        "siteUnit": register.get("unit"),
        "placement": register.get("placement"),
        "organizations": ", ".join(str(org.get("name")) for org in register.get("organizations") or []),
        **_place(report.get("geometry")),
    }


def _outline(shape: Any) -> Record:
    """A GeoJSON geometry as text, which PostGIS reads by ``ST_GeomFromGeoJSON``."""
    if not isinstance(shape, dict):
        return {"geometry": shape, "geometryType": None}
    return {"geometry": json.dumps(shape, separators=(",", ":")), "geometryType": shape.get("type")}


def _place(shape: Any) -> Record:
    """Its first position: the point itself, or the start of the line."""
    position = shape.get("coordinates") if isinstance(shape, dict) else None
    while isinstance(position, list) and position and isinstance(position[0], list):
        position = position[0]
    longitude, latitude = (position or [None, None])[:2]
    return {"longitude": longitude, "latitude": latitude}


def _array_or_lines(body: IO[bytes]) -> Iterator[Record]:
    """The service calls its arrays and its streams of lines the same content type."""
    first = body.peek(1)[:1] if isinstance(body, io.BufferedReader) else b"["
    return items(body, "item") if first == b"[" else items(body, "", multiple_values=True)


def _without_echoes(rows: Iterable[Record]) -> Iterator[Record]:
    """A message that two stations heard comes twice, equal in every field; the second is no record.

    Two that differ in anything stay, those with equal ship and time included.
    """
    recent: OrderedDict[str, None] = OrderedDict()
    for row in rows:
        text = repr(row)
        if text in recent:
            continue
        yield row
        recent[text] = None
        if len(recent) > REPEATS_WITHIN:
            recent.popitem(last=False)
