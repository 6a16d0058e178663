"""NASA POWER (``/nasa_power/api``) and the Common Metadata Repository (``/nasa_cmr/api``).

Faults of its own: ``burst`` (POWER's 429), ``timed-out`` and ``time-out`` (CMR's two ways to say that it sent
a part only). A correction of POWER changes the half year before it; one of CMR makes a second revision of
the granules of the three days before it. Each ``vanish`` of CMR deletes a granule of the day before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.stubs.world import World, days

POWER, CMR = "nasa_power", "nasa_cmr"
UNITS = {
    "T2M": ("C", "Temperature at 2 Meters"),
    "T2M_MIN": ("C", "Temperature at 2 Meters Minimum"),
    "T2M_MAX": ("C", "Temperature at 2 Meters Maximum"),
    "RH2M": ("%", "Relative Humidity at 2 Meters"),
    "WS10M": ("m/s", "Wind Speed at 10 Meters"),
    "PRECTOTCORR": ("mm/day", "Precipitation Corrected"),
    "PS": ("kPa", "Surface Pressure"),
    "ALLSKY_SFC_SW_DWN": ("kW-hr/m^2/day", "All Sky Surface Shortwave Downward Irradiance"),
}
SOLAR = ("ALLSKY_SFC_SW_DWN",)
FILL = -999
COLLECTION = "C2021957657-LPCLOUD"
FIRST = date(2020, 1, 1)
PER_DAY = 3  # granules
REVISED = 3  # days before a correction of CMR that it changes
MOST = {"daily": 20, "hourly": 15, "climatology": 20}
DOCS = "https://power.larc.nasa.gov/docs"


def routes(world: World) -> list[BaseRoute]:
    power, cmr = Power(world), Cmr(world)
    return [
        Route("/nasa_power/api/{service}/point", power.point),
        Route("/nasa_cmr/api/granules.umm_json", cmr.granules),
        Route("/nasa_cmr/api/deleted-granules.json", cmr.deleted),
    ]


class Power:
    """One series for each parameter; days that are not produced yet have the fill value."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def point(self, request: Request) -> Response:
        service, query = request.path_params["service"], request.query_params
        if self.world.meets(POWER, "burst", request.url.path):
            return JSONResponse({"message": "Too Many Requests"}, 429)
        parameters = query.get("parameters", "").split(",")
        wrong = [f"{name} is not a valid parameter." for name in parameters if name not in UNITS]
        if query.get("community", "").upper() not in ("AG", "RE", "SB"):
            wrong.append("Please provide a community: AG, RE, SB.")
        if len(parameters) > MOST[service]:
            wrong.append(f"At most {MOST[service]} parameters are allowed.")
        if wrong:
            header = (
                f"The POWER {service.capitalize()} API failed to complete your request; "
                f"please review the errors below and the POWER Docs ({DOCS})."
            )
            return JSONResponse({"header": header, "messages": wrong}, 422)
        return JSONResponse(self._body(service, parameters, query))

    def _body(self, service: str, parameters: Sequence[str], query: Any) -> dict[str, Any]:
        place = [float(query["longitude"]), float(query["latitude"]), 923.95]
        keys = self._times(service, query)
        series = {name: {key: self._value(name, key, place) for key in keys} for name in parameters}
        return {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": place},
            "properties": {"parameter": series},
            "header": {
                "title": f"NASA/POWER Source Native Resolution {service.capitalize()} Data",
                "api": {"version": "v2.9.2", "name": f"POWER {service.capitalize()} API"},
                "sources": ["POWER", "MERRA2"],
                "fill_value": FILL,
                "time_standard": query.get("time-standard", "LST").upper(),
                "start": query.get("start"),
                "end": query.get("end"),
            },
            "messages": [],
            "parameters": {
                name: {"units": UNITS[name][0], "longname": UNITS[name][1]} for name in parameters
            },
            "times": {"data": 0.718, "process": round(0.03 + self.world.count(POWER) / 100, 2)},
        }

    @staticmethod
    def _times(service: str, query: Any) -> list[str]:
        start, end = (date.fromisoformat(query[name]) for name in ("start", "end"))
        hours = [f"{hour:02}" for hour in range(24)] if service == "hourly" else [""]
        return [f"{day:%Y%m%d}{hour}" for day in days(start, end) for hour in hours]

    def _value(self, name: str, key: str, place: Sequence[float]) -> float | int:
        day = date(int(key[:4]), int(key[4:6]), int(key[6:8]))
        if day > self.world.today - timedelta(days=6 if name in SOLAR else 3):
            return FILL
        cell = (round(place[1] / 0.5), round(place[0] / 0.625))
        value = self.world.random(*cell, name, key).uniform(0, 30)
        return round(value + 0.01 * self.world.revision(POWER, day, 186), 2)


@dataclass(frozen=True)
class Granule:
    """One in its newest revision."""

    taken: date
    number: int
    revision: int
    revised: datetime
    collection: str

    @property
    def id(self) -> str:
        return f"G{2_000_000_000 + self.taken.toordinal() * 10 + self.number}-LPCLOUD"

    @property
    def name(self) -> str:
        return f"HLS.L30.T13SDV.{self.taken:%Y%j}T17383{self.number}.v2.0"

    @property
    def cursor(self) -> list[Any]:
        """Where it stands in the order of a search."""
        begin = datetime.combine(self.taken, time(17, 38, 30 + self.number), UTC)
        return ["lpcloud", int(begin.timestamp() * 1000), self.id]


class Cmr:
    """Search by revision date with its search-after header, which the last page has too; deletions."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._deleted: dict[str, tuple[Granule, datetime]] = {}

    async def granules(self, request: Request) -> Response:
        query, world = request.query_params, self.world
        size = int(query.get("page_size", 10))
        if not 0 <= size <= 2000:
            return JSONResponse(
                {"errors": [f"page_size must be a number between 0 and 2000, was {size}"]}, 400
            )
        found = self._found(query.get("collection_concept_id"), query.get("revision_date[]"))
        after = json.loads(request.headers.get("cmr-search-after", "null"))
        page = [granule for granule in found if after is None or granule.cursor > after][:size]
        took = 159 + world.count(CMR)  # as with the real one, never the same
        headers = {"CMR-Hits": str(len(found)), "CMR-Took": str(took)}
        if page:
            headers["CMR-Search-After"] = json.dumps(page[-1].cursor, separators=(",", ":"))
        for kind, name in (("timed-out", "CMR-Timed-Out"), ("time-out", "CMR-Time-Out")):
            if world.meets(CMR, kind, request.url.path):
                page, headers[name] = page[:1], "true"
        body = {"hits": len(found), "took": took, "items": [_umm(granule) for granule in page]}
        media = "application/vnd.nasa.cmr.umm_results+json;version=1.6.6; charset=utf-8"
        return Response(json.dumps(body), headers=headers | {"Content-Type": media})

    async def deleted(self, request: Request) -> Response:
        """Since a date, within a year, all up to now."""
        since = request.query_params.get("revision_date", "")
        if "," in since or datetime.fromisoformat(since) < self.world.now - timedelta(days=366):
            return JSONResponse(
                {"errors": [f"Only one revision date within one year is allowed, was {since}"]}, 400
            )
        found = [
            {
                "granule-ur": granule.name,
                "revision-date": f"{at:%Y-%m-%dT%H:%M:%S}+0000",
                "parent-collection-id": granule.collection,
                "concept-id": granule.id,
                "provider-id": "LPCLOUD",
            }
            for granule, at in self._deletions().values()
            if at >= datetime.fromisoformat(since)
        ]
        return JSONResponse(found, headers={"CMR-Hits": str(len(found))})

    def _found(self, collection: str | None, dates: str | None) -> list[Granule]:
        span = (dates or "2000-01-01T00:00:00Z,2100-01-01T00:00:00Z").split(",")
        first, last = map(datetime.fromisoformat, span)
        deleted = self._deletions()
        # A correction reaches back some days: of what was taken before, nothing has a revision in the span.
        taken = days(max(FIRST, first.date() - timedelta(days=REVISED)), min(last.date(), self.world.today))
        granules = [self._granule(day, number, collection) for day in taken for number in range(PER_DAY)]
        return [one for one in granules if first <= one.revised <= last and one.id not in deleted]

    def _granule(self, day: date, number: int, collection: str | None) -> Granule:
        dates = [
            published
            for provider, published in self.world._corrections
            if provider == CMR and 0 < (published - day).days <= REVISED
        ]
        revised = datetime.combine(max(dates, default=day), time(1, number), UTC)
        return Granule(day, number, 1 + len(dates), revised, collection or COLLECTION)

    def _deletions(self) -> dict[str, tuple[Granule, datetime]]:
        """Each ``vanish`` is met once, by the date that the world has then."""
        if len(self._deleted) > self.world.vanished(CMR):
            self._deleted.clear()  # it is another world
        for number in range(len(self._deleted), self.world.vanished(CMR)):
            granule = self._granule(self.world.today - timedelta(days=1), number % PER_DAY, None)
            self._deleted[granule.id] = (granule, datetime.combine(self.world.today, time(2), UTC))
        return self._deleted


def _umm(granule: Granule) -> dict[str, Any]:
    begin = datetime.combine(granule.taken, time(17, 38, 30 + granule.number), UTC)
    corners = [
        (-106.098, 35.149),
        (-104.892, 35.155),
        (-104.891, 36.144),
        (-106.111, 36.139),
        (-106.098, 35.149),
    ]
    points = [{"Longitude": longitude, "Latitude": latitude} for longitude, latitude in corners]
    place = f"https://data.example.org/{granule.name}/{granule.name}"
    return {
        "meta": {
            "concept-type": "granule",
            "concept-id": granule.id,
            "revision-id": granule.revision,
            "native-id": granule.name,
            "collection-concept-id": granule.collection,
            "provider-id": "LPCLOUD",
            "format": "application/echo10+xml",
            "revision-date": f"{granule.revised:%Y-%m-%dT%H:%M:%S}.836Z",
        },
        "umm": {
            "GranuleUR": granule.name,
            "CollectionReference": {"ShortName": "HLSL30", "Version": "2.0"},
            "TemporalExtent": {
                "RangeDateTime": {
                    "BeginningDateTime": f"{begin:%Y-%m-%dT%H:%M:%S}.830Z",
                    "EndingDateTime": f"{begin + timedelta(seconds=24):%Y-%m-%dT%H:%M:%S}.717Z",
                }
            },
            "SpatialExtent": {
                "HorizontalSpatialDomain": {"Geometry": {"GPolygons": [{"Boundary": {"Points": points}}]}}
            },
            "DataGranule": {
                "DayNightFlag": "Day",
                "ProductionDateTime": f"{begin + timedelta(days=1):%Y-%m-%dT%H:%M:%S}.000Z",
                "ArchiveAndDistributionInformation": [{"Name": "B11.tif", "SizeInBytes": 2_097_152}],
            },
            "ProviderDates": [{"Date": f"{granule.revised:%Y-%m-%dT%H:%M:%S}.000Z", "Type": "Update"}],
            "CloudCover": 14 + granule.revision - 1,
            "RelatedUrls": [
                {"URL": f"{place}.B11.tif", "Type": "GET DATA"},
                {"URL": f"s3://lp-prod/{granule.name}.B11.tif", "Type": "GET DATA VIA DIRECT ACCESS"},
                {"URL": f"{place}.jpg", "Type": "GET RELATED VISUALIZATION"},
            ],
        },
    }
