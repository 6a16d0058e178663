"""GLOBE's search of measurements, in the shapes that were recorded; no pages, no limits, no tombstones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tests.stubs.world import World, days

PREFIXES = {
    "land_covers": "landcovers",
    "mosquito_habitat_mapper": "mosquitohabitatmapper",
    "sky_conditions": "skyconditions",
    "air_temps": "airtemps",
}
FAILURE = {
    "type": "FeatureCollection",
    "name": "GLOBE-data",
    "features": [],
    "message": "failure: Connection refused",
}
A_DAY = 4
"""Records of a protocol and a day; the last of them is uploaded ten days late."""

SITES = (
    (
        132,
        "VICENTE LOPEZ:LCS-01",
        "Argentina",
        "ARG",
        -34.552,
        -58.483,
        42,
        "Escuela de Educacion  Media N 8",
    ),
    (133, "Mision Baja:LCS-01", "Argentina", "ARG", -54.4892, -68.18545, -12.2, "Domingo Faustino Sarmiento"),
    (35802, "11SMT309762", "United States", "USA", 34.124374, -117.749344, 485.3, "Canyon Weather"),
    (370205, "outside SSA Building", "Kenya", "KEN", -4.02684, 39.7174, 13.2, "Shree Swaminnarayan Academy"),
    (52378, "16SEJ191374", None, None, 39.18563, -86.77885, 235, "Citizen Science"),
)


def routes(world: World) -> list[BaseRoute]:
    """``/globe/api/measurement/protocol/measureddate/[country/|lat/lon/|userid/]``."""

    async def search(request: Request) -> Response:
        asked = request.query_params
        protocol = asked.get("protocols", "")
        if protocol not in PREFIXES:
            return PlainTextResponse("Bad Request", 400)
        if world.meets("globe", "failure", request.url.path):
            return JSONResponse(FAILURE)
        last = date.fromisoformat(asked["enddate"])
        if world.meets("globe", "end_excluded", request.url.path):
            last -= timedelta(days=1)
        results = [
            result
            for result in _results(world, protocol, date.fromisoformat(asked["startdate"]), last)
            if _is_asked_for(result, asked)
        ]
        return JSONResponse({"count": len(results), "message": "success", "results": results})

    return [Route("/globe/api/measurement/protocol/measureddate/{area:path}", search)]


def _results(world: World, protocol: str, first: date, last: date) -> Iterator[dict[str, Any]]:
    taken_back = _taken_back(world)
    for day in days(first, min(last, world.today)):
        for number in range(A_DAY):
            is_late = number == A_DAY - 1 and world.today < day + timedelta(days=10)
            if not is_late and (day, number) not in taken_back:
                yield _result(world, protocol, day, number)


def _taken_back(world: World) -> set[tuple[date, int]]:
    """The first records of days shortly before the world began."""
    beginning = world.start or datetime.now(UTC).date()
    return {(beginning - timedelta(days=2 + nth), 0) for nth in range(world.vanished("globe"))}


def _is_asked_for(result: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    if "countrycode" in asked:
        return bool(result["countryCode"] == asked["countrycode"])
    if "minlat" in asked:
        south, north, west, east = (float(asked[name]) for name in ("minlat", "maxlat", "minlon", "maxlon"))
        return south <= result["latitude"] <= north and west <= result["longitude"] <= east
    return True


def _result(world: World, protocol: str, day: date, number: int) -> dict[str, Any]:
    chance = world.random("globe", protocol, day, number)
    revision = world.revision("globe", day, 183)
    site, name, country, code, latitude, longitude, elevation, organization = chance.choice(SITES)
    measured = f"{day}T{chance.randrange(24):02}:{chance.randrange(60):02}:00" + chance.choice(
        ("", ".123456")
    )
    updated = f"{day + timedelta(days=3 + revision)}T10:43:01"
    return {
        "protocol": protocol,
        "measuredDate": f"{day}",
        "createDate": f"{day + timedelta(days=1)}T10:43:01",
        "updateDate": updated,
        "publishDate": updated,
        "organizationId": 300_000 + site,
        "organizationName": organization,
        "siteId": site,
        "siteName": name,
        "countryName": country,
        "countryCode": code,
        "latitude": latitude,
        "longitude": longitude,
        "elevation": elevation,
        "pid": 187_000_000 + day.toordinal() * 2 + number // 2,  # two records of a visit share it
        "data": {
            f"{PREFIXES[protocol]}{field}": value
            for field, value in _data(protocol, day, number, measured, revision, chance).items()
        },
    }


def _data(protocol: str, day: date, number: int, measured: str, revision: int, chance: Any) -> dict[str, Any]:
    own_id = day.toordinal() * A_DAY + number
    nothing = chance.choice((None, "null", ""))
    every = {"MeasuredAt": measured, "Userid": chance.choice((24905746, 59515189, None))}
    observed = {
        "DataSource": "GLOBE Observer App",
        "MeasurementLatitude": round(chance.uniform(-60, 60), 4),
        "MeasurementLongitude": round(chance.uniform(-180, 180), 4),
        "MeasurementElevation": chance.choice((12, 12.5)),
    }
    if protocol == "land_covers":
        return (
            every
            | observed
            | {
                "LandCoverId": own_id,
                "MucCode": chance.choice(("M91", "M94", "M43")),
                "MucDescription": "Urban, Other" + " (checked)" * revision,
                "MucDetails": nothing,
                "NorthPhotoUrl": chance.choice(
                    ("https://data.globe.gov/system/photos/1.jpg", "pending", "rejected")
                ),
                "NorthExtraData": nothing,
                "SnowIce": chance.choice((True, False, None)),
                "FieldNotes": chance.choice(("(none)", 'ça et là, "zone"')),
            }
        )
    if protocol == "mosquito_habitat_mapper":
        return (
            every
            | observed
            | {
                "MosquitoHabitatMapperId": own_id,
                "LarvaeCount": chance.choice(("0", "5", "1-25", "-9", None)) if not revision else "7",
                "WaterSource": "fountain or bird bath",
                "WaterSourceType": "container: artificial",
                "MosquitoEggs": chance.choice((True, False, None)),
                "Genus": nothing,
                "WaterSourcePhotoUrls": "https://data.globe.gov/1.jpg; pending",
            }
        )
    if protocol == "sky_conditions":
        return (
            every
            | observed
            | {
                "ObservationId": own_id,
                "CloudCover": chance.choice(("clear", "isolated", "broken", "overcast"))
                if not revision
                else "scattered",
                "Cumulus": chance.choice((True, False, "true", "false")),
                "Fog": False,
                "SpreadingContrails": chance.choice((0, 2, "1", None)),
                "NorthPhotoUrl": nothing,
            }
        )
    return every | {
        "MeasuredAt": f"{day}T{10 + number}:00:00",
        "SolarMeasuredAt": f"{day}T{12 + number}:36:00",
        "CurrentTemp": chance.choice((43, 21.5, -4)) + revision,
        "Comments": chance.choice((nothing, '{"instrument": "digital"}', "Warm afternoon")),
    }
