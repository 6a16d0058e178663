"""Climate Data Online v2 (``/noaa_cdo/api``) and NCEI's Access Data Service (``/ncei/api``).

Faults of its own: ``second`` and ``day`` (429 with the text of that limit and no Retry-After), ``text`` (a
sentence with status 200), ``shrinks`` (the first row of the list is taken back before this page) and
``repeats`` (this page is as if a row had come before it: it begins with the last row of the one before).
A correction changes values and flags of the 45 days before it; each ``vanish`` takes the first row back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tests.stubs.world import World, days

CREDENTIALS = {"HEADGATE_SOURCE_NOAA_CDO_TOKEN": "stubStubStubStubStubStubStubStub"}
CDO, NCEI = "noaa_cdo", "ncei"
LATE = 2  # days that the newest data are behind
REACH = 45  # days that corrections go back
STATIONS = ("USW00014895", "USW00094728", "CA003053600", *(f"US1DENC{number:04}" for number in range(22)))
NATIVE = {"TMAX": 10, "TMIN": 10, "PRCP": 10, "SNOW": 1, "SNWD": 1}  # of the unit in a metric unit
MONTHLY = ("TMAX", "TMIN", "TAVG", "PRCP", "EMXT", "CLDD")

Row = dict[str, Any]


def routes(world: World) -> list[BaseRoute]:
    cdo = Cdo(world)
    return [
        Route("/noaa_cdo/api/data", cdo.answers(cdo.data)),
        Route("/noaa_cdo/api/stations", cdo.answers(cdo.stations)),
        Route("/noaa_cdo/api/stations/{id}", cdo.station),
        Route("/ncei/api/data/v1", Ncei(world).data),
    ]


def element(world: World, provider: str, station: str, day: date, name: str) -> tuple[int, str] | None:
    """The native value and the flags of an element; None on the days that miss it."""
    chance = world.random(station, day, name)
    revision = world.revision(provider, day, REACH)
    if chance.random() < 0.05:
        return None
    if name in ("SNOW", "SNWD", "PRCP"):
        amount = chance.choice((0, 0, 0, 3, 25, 80))
        trace = amount == 0 and chance.random() < 0.2
        return amount + (revision if amount else 0), f"{'T' if trace else ''},,{chance.choice('Nna7W')},0700"
    value = chance.randint(-50, 250) + (60 if name == "TMAX" else 0) + revision
    failed = "I" if chance.random() < 0.02 + 0.1 * bool(revision) else ""
    return value, f",{failed},W,2400" if station.startswith("USW") else f",{failed},C,"


class Cdo:
    """The API with the token, its paging from 1, its silent bounds and its two shapes of errors."""

    def __init__(self, world: World) -> None:
        self.world = world

    def answers(self, rows: Callable[[Request], Sequence[Row] | Response]) -> Any:
        """An endpoint that lists rows."""

        async def answer(request: Request) -> Response:
            refused = self._refused(request)
            if refused is not None:
                return refused
            found = rows(request)
            return found if isinstance(found, Response) else self._page(request, found)

        return answer

    async def station(self, request: Request) -> Response:
        number = request.path_params["id"].removeprefix("GHCND:")
        return self._refused(request) or JSONResponse(self._station(number) if number in STATIONS else {})

    def _refused(self, request: Request) -> Response | None:
        world, path = self.world, request.url.path
        if request.headers.get("token") != CREDENTIALS["HEADGATE_SOURCE_NOAA_CDO_TOKEN"]:
            return JSONResponse({"status": "400", "message": "Token parameter is required."}, 400)
        for kind, limit in (("second", "5 per second"), ("day", "10000 per day")):
            if world.meets(CDO, kind, path):
                message = f"This token has reached its temporary request limit of {limit}."
                return JSONResponse({"status": "429", "message": message}, 429)
        if world.meets(CDO, "text", path):
            return PlainTextResponse("Climate Data Online is not available at this time.")
        return None

    def _page(self, request: Request, rows: Sequence[Row]) -> Response:
        query = request.query_params
        limit = min(int(query.get("limit", 25)), 1000)
        offset = max(int(query.get("offset", 1)), 1)
        if self.world.meets(CDO, "shrinks", request.url.path):
            self.world.vanish(CDO)
        more = int(offset > 1 and self.world.meets(CDO, "repeats", request.url.path))
        rows = rows[self.world.vanished(CDO) :]
        first = offset - 1 - more
        page = rows[first : first + limit]
        if not page:
            return JSONResponse({})
        resultset = {"offset": offset, "count": len(rows) + more, "limit": limit}
        return JSONResponse({"metadata": {"resultset": resultset}, "results": page})

    def data(self, request: Request) -> Sequence[Row] | Response:
        query = request.query_params
        start, end = (date.fromisoformat(query[name][:10]) for name in ("startdate", "enddate"))
        years = 10 if query["datasetid"] == "GSOM" else 1
        if end >= date(start.year + years, start.month, min(start.day, 28)):
            return _bad_request(f"The date range must be less than {years} year{'s' * (years > 1)}.")
        stations = [name.removeprefix("GHCND:") for name in query.getlist("stationid")] or list(STATIONS)
        wanted = query.getlist("datatypeid")
        found = self._monthly if query["datasetid"] == "GSOM" else self._daily
        return [row for row in found(start, end, stations) if not wanted or row["datatype"] in wanted]

    def _daily(self, start: date, end: date, stations: Sequence[str]) -> Iterator[Row]:
        for day in days(start, min(end, self.world.today - timedelta(days=LATE))):
            for station in (name for name in stations if name in STATIONS):
                for name in NATIVE:
                    if (found := element(self.world, CDO, station, day, name)) is not None:
                        yield _row(day, name, station, found[1], found[0])

    def _monthly(self, start: date, end: date, stations: Sequence[str]) -> Iterator[Row]:
        for day in days(start, min(end, self.world.today.replace(day=1) - timedelta(days=1))):
            for station in (name for name in stations if name in STATIONS) if day.day == 1 else ():
                for name in MONTHLY:
                    chance = self.world.random(station, day, name)
                    value = round(chance.uniform(-5, 25) + self.world.revision(CDO, day, 92), 2)
                    yield _row(day, name, station, _monthly_flags(name, chance.randint(0, 5)), value)

    def stations(self, request: Request) -> Sequence[Row]:
        query = request.query_params
        if not set(query.getlist("locationid")) <= {"FIPS:10"}:
            return []
        return [self._station(number) for number in STATIONS if number.startswith("US1DE")]

    def _station(self, number: str) -> Row:
        chance = self.world.random(number)
        row = {
            "mindate": "1991-01-01",
            "maxdate": (self.world.today - timedelta(days=LATE)).isoformat(),
            "latitude": round(chance.uniform(38.4, 39.8), 4),
            "name": f"DELAWARE {number[-4:]}, DE US",
            "datacoverage": chance.choice((1, 0.8813)),
            "id": f"GHCND:{number}",
            "longitude": round(chance.uniform(-75.8, -75.0), 4),
        }
        high = {"elevation": round(chance.uniform(0, 120), 1), "elevationUnit": "METERS"}
        return row | (high if chance.random() < 0.8 else {})


class Ncei:
    """Wide rows, every value a text; native values are padded with spaces, missing elements left out."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def data(self, request: Request) -> Response:
        query = request.query_params
        missing = [name for name in ("dataset", "stations", "startDate", "endDate") if name not in query]
        if missing:
            errors = [{"field": name, "message": f"{name} is required", "value": None} for name in missing]
            body = {"errorCode": 400, "errorMessage": "Bad Request: check parameters", "errors": errors}
            return JSONResponse(body, 400)
        start, end = (date.fromisoformat(query[name]) for name in ("startDate", "endDate"))
        rows = [
            json.dumps(row)
            for day in days(start, min(end, self.world.today - timedelta(days=LATE)))
            for station in query["stations"].split(",")
            if station in STATIONS and (row := self._row(station, day, query))
        ]
        return Response(
            "[" + "\n,".join(rows[self.world.vanished(NCEI) :]) + "\n]", media_type="application/json"
        )

    def _row(self, station: str, day: date, query: Any) -> dict[str, str]:
        row = {"DATE": day.isoformat(), "STATION": station}
        if query.get("includeStationName") == "true":
            row["NAME"] = f"STATION {station}, US"
        if query.get("includeStationLocation") == "1":
            row |= {"LATITUDE": "39.5", "LONGITUDE": "-75.5", "ELEVATION": "12.2"}
        for name, parts in NATIVE.items():
            if (found := element(self.world, NCEI, station, day, name)) is not None:
                value, flags = found
                row[name] = f"{value / parts:.1f}" if query.get("units") == "metric" else f"{value:>5}"
                row |= {f"{name}_ATTRIBUTES": flags} if query.get("includeAttributes") == "true" else {}
        return row if len(row) > 2 else {}


def _row(day: date, datatype: str, station: str, attributes: str, value: float) -> Row:
    return {
        "date": f"{day}T00:00:00",
        "datatype": datatype,
        "station": f"GHCND:{station}",
        "attributes": attributes,
        "value": value,
    }


def _monthly_flags(name: str, missing: int) -> str:
    days_missing = str(missing) if missing else ""
    if name == "EMXT":
        return f"{days_missing},W,17,+"
    return f"{days_missing},,,W" if name in ("PRCP", "TMAX", "TMIN") else f"{days_missing},S"


def _bad_request(message: str) -> Response:
    body = {"statusCode": "400", "userMessage": "There was an error with the request."}
    return JSONResponse(body | {"developerMessage": message}, 400)
