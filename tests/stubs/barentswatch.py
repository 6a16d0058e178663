"""BarentsWatch, and the token endpoint of its AIS service.

Corrections of provider ``barentswatch`` change lice counts of the five weeks before, and comments of two
tools. Kinds of faults of its own: ``invalid_client`` (the token is refused with 400) and ``wfs_exception``
(XML with status 200).
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tests.stubs import barentswatch_ships as ships
from tests.stubs.world import World

CLIENTS = {
    "barentswatch": ("demo@example.org:headgate", "stub secret/of+fish", "api"),
    "barentswatch_ais": ("demo@example.org:headgate-ais", "stub secret/of+ships", "ais"),
}
CREDENTIALS = {
    f"HEADGATE_SOURCE_{name.upper()}_{part}": value
    for name, (client, secret, _) in CLIENTS.items()
    for part, value in (("CLIENT_ID", client), ("CLIENT_SECRET", secret))
}
SITES = {
    10029: ("Tuholmane Ø", "1149", "Karmøy", 59.371233, 5.216333),
    11340: ("Skogsøya", "4626", "Øygarden", 60.512, 4.905),
    12108: ("Hella", "1871", "Andøy", 69.071, 15.602),
    13035: ("Sauaneset I", "4625", "Austevoll", 60.089085, 5.267967),
    13235: ("Storvika I", "1841", "Fauske", 67.203967, 15.275233),
    30777: ("Oslofjorden test", "0301", "Oslo", 59.8, 10.6),
}
REPORTED = (0.05, 0.88, 0.976, 0.99)  # share of the sites by weeks that have gone by
LAYERS = {"ilaprotectionzone": 5, "ilasurveillancezone": 7, "pdprotectionzone": 3, "pdsurveillancezone": 4}
TOOLS = ("NETS", "LONGLINE", "CRABPOT", "SENSORCABLE", "SEISMIC", "DANPURSEINE")

Handler = Callable[[World, Request], Response]


def routes(world: World) -> list[BaseRoute]:
    """Everything but the streams."""
    fish = "/v1/geodata/fishhealth"
    api = [
        (f"{fish}/locality/{{year:int}}/{{week:int}}", fish_health),
        (f"{fish}/localitieswithsalmonoids", sites),
        ("/v2/geodata/fishhealth/locality/{no:int}/{year:int}/{week:int}", register),
        ("/v1/geodata/download/fishhealth", lice_export),
        ("/v2/geodata/fishingfacilityupdates", fishing_gear),
        ("/v1/waveforecastpoint/nearest/all", waves),
        ("/v1/seacurrent/nearest/all", currents),
    ]
    live = [("/v1/latest/combined", ships.latest_combined), ("/v1/latest/ais", ships.latest_ais)]
    return [
        Route("/barentswatch/id/connect/token", token_of(world, "barentswatch"), methods=["POST"]),
        Route("/barentswatch_ais/id/connect/token", token_of(world, "barentswatch_ais"), methods=["POST"]),
        *(Route(f"/barentswatch/api{path}", behind(world, "api", handler)) for path, handler in api),
        *(Route(f"/barentswatch_ais/live{path}", behind(world, "ais", handler)) for path, handler in live),
        Route(
            "/barentswatch_ais/historic/v1/historic/tracks/{mmsi:int}/{start}/{end}",
            behind(world, "ais", ships.tracks),
        ),
        Mount("/barentswatch/geo", routes=[Route("/ows", lambda request: wfs(world, request))]),
    ]


# Token


def token_of(world: World, provider: str) -> Callable[[Request], Awaitable[Response]]:
    """The token endpoint; what is wrong with a client is told with 400, not 401."""
    client, secret, scope = CLIENTS[provider]
    serial = itertools.count(1)

    async def token(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != "client_credentials" or "client_id" not in form:
            return JSONResponse({"error": "invalid_request"}, 400)
        wrong = (form["client_id"], form.get("client_secret"), form.get("scope")) != (client, secret, scope)
        if wrong or world.meets(provider, "invalid_client", request.url.path):
            return JSONResponse({"error": "invalid_client"}, 400)
        issued = {"access_token": f"stub.{scope}.{next(serial)}", "expires_in": 3600, "token_type": "bearer"}
        return JSONResponse(issued)  # without a scope, and the type in lower case, as the pages have it once

    return token


def behind(world: World, scope: str, handler: Handler) -> Callable[[Request], Response]:
    """The handler for those who bear a token of the scope."""
    return lambda request: may_enter(request, scope) or handler(world, request)


def may_enter(request: Request, scope: str) -> Response | None:
    """401 for a request without a token of this scope."""
    if request.headers.get("authorization", "").startswith(f"Bearer stub.{scope}."):
        return None
    return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})


def problem(title: str, status: int = 400) -> Response:
    """ProblemDetails."""
    body = {"title": title, "status": status, "bwErrorCode": "GenericError", "traceId": "00-stub-00"}
    return JSONResponse(body, status, media_type="application/problem+json")


# Fish health


def report_of(world: World, number: int, monday: date) -> dict[str, Any] | None:
    """What a site has reported of a week by now, corrections included; None while it has not."""
    gone = (world.today - monday).days // 7
    chance = world.random("lice", number, monday)
    if gone < 0 or chance.random() > REPORTED[min(gone, 3)]:
        return None
    corrected = world.revision("barentswatch", monday, reach=35) if number % 2 else 0
    female = round(chance.uniform(0, 0.6), 2) + corrected
    temperature = round(6 + chance.uniform(0, 10), 2)
    typing_error = number == 30777 and monday.isocalendar().week % 2 == 0
    return {
        "female": female,
        "mobile": round(chance.uniform(0, 4), 2),
        "attached": round(chance.uniform(0, 2), 2),
        "temperature": 196 if typing_error else temperature,
    }


def fish_health(world: World, request: Request) -> Response:
    year, week = request.path_params["year"], request.path_params["week"]
    try:
        monday = date.fromisocalendar(year, week, 1)
    except ValueError:
        return problem("Week must in the range [1, 52] or [1, 53] depending on the year.")
    rows = [site_row(world, number, monday) for number in SITES] if year >= 2012 else []
    return JSONResponse({"year": year, "week": week, "localities": rows})


def site_row(world: World, number: int, monday: date) -> dict[str, Any]:
    name, municipality_no, municipality, lat, lon = SITES[number]
    report = report_of(world, number, monday)
    return {
        "localityNo": number,
        "localityWeekId": number * 10_000 + monday.toordinal() % 10_000,
        "name": name,
        "hasReportedLice": report is not None,
        "isFallow": number == 12108,
        "avgAdultFemaleLice": report and report["female"],
        "hasCleanerfishDeployed": False,
        "hasMechanicalRemoval": False,
        "hasSubstanceTreatments": False,
        "hasPd": number == 13035,
        "hasIla": False,
        "municipalityNo": municipality_no,
        "municipality": municipality,
        "lat": lat,
        "lon": lon,
        "isOnLand": False,
        "inFilteredSelection": True,
        "hasSalmonoids": True,
        "isSlaughterHoldingCage": False,
    }


def lice_export(world: World, request: Request) -> Response:
    """UTF-8 with a byte order mark, Norwegian headers, newest week first."""
    asked = request.query_params
    if (asked.get("reporttype"), asked.get("filetype")) != ("Lice", "Csv"):
        return problem("One or more validation errors occurred.")
    first = date.fromisocalendar(int(asked["fromyear"]), int(asked["fromweek"]), 1)
    last = date.fromisocalendar(int(asked["toyear"]), int(asked["toweek"]), 1)
    mondays = [first + timedelta(weeks=weeks) for weeks in range((last - first).days // 7 + 1)]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(LICE_HEADER)
    for monday in reversed(mondays):
        writer.writerows(lice_row(world, number, monday) for number in SITES if monday <= world.today)
    return Response(b"\xef\xbb\xbf" + text.getvalue().encode(), media_type="text/csv")


LICE_HEADER = (
    *("Uke", "År", "Lokalitetsnummer", "Lokalitetsnavn", "Voksne hunnlus", "Lus i bevegelige stadier"),
    *(
        "Fastsittende lus",
        "Trolig uten fisk",
        "Har telt lakselus",
        "Kommunenummer",
        "Kommune",
        "Fylkesnummer",
    ),
    *("Fylke", "Lat", "Lon", "Lusegrense uke", "Over lusegrense uke", "Sjøtemperatur", "ProduksjonsområdeId"),
    "Produksjonsområde",
)


def lice_row(world: World, number: int, monday: date) -> list[Any]:
    name, municipality_no, municipality, lat, lon = SITES[number]
    report = report_of(world, number, monday)
    year, week, _ = monday.isocalendar()
    counts = [report["female"], report["mobile"], report["attached"]] if report else [""] * 3
    over = ("Ja" if report["female"] > 0.5 else "Nei") if report else ""
    return [
        *(week, year, number, name, *counts, "Ja" if number == 12108 else "Nei", "Ja" if report else "Nei"),
        *(municipality_no, municipality.upper(), municipality_no[:2], "Vestland", lat, lon, 0.5, over),
        *(report["temperature"] if report else "", 3, "Karmøy til Sotra"),
    ]


def sites(_world: World, _request: Request) -> Response:
    return JSONResponse([{"localityNo": number, "name": site[0]} for number, site in SITES.items()])


def register(world: World, request: Request) -> Response:
    """The site and its licences in a week; 400 for whatever there is nothing about."""
    number, year, week = (request.path_params[name] for name in ("no", "year", "week"))
    monday = date.fromisocalendar(year, week, 1)
    if number not in SITES or year < 2012 or monday > world.today:
        return problem(f"Locality week for {number} {year}-W{week} was not found.")
    name, municipality_no, municipality, lat, lon = SITES[number]
    return JSONResponse(
        {
            "locality": {"no": number, "name": name, "isOnLand": False},
            "geometry": {"type": "Point", "coordinates": [lon, lat]},
            "municipality": {"no": municipality_no, "name": municipality},
            "productionArea": {"id": 3, "name": "Karmøy til Sotra"},
            "aquaCultureRegister": {
                "placement": "SJØ",
                "capacity": 3120,
                "unit": "TN",
                "licenses": [
                    licence(number, "H AV 0011", 780, True),
                    licence(number, "R KM0025", 945.5, False),
                ],
                "hasGreenLicense": False,
                "organizations": [{"name": "Fjordlaks AS", "organizationNo": "912345678"}],
                "species": ["Laks", "Ørret"],
            },
            "liceReport": {"hasReported": True, "isFallow": number == 12108, "seaTemperature": 8.6},
        }
    )


def licence(number: int, name: str, capacity: float, endless: bool) -> dict[str, Any]:
    return {
        "licenseNo": name,
        "licensee": "FJORDLAKS AS",
        "grantDate": "1973-12-03T23:00:00.000Z",
        "expirationDate": "9999-12-30T00:00:00" if endless else "2031-06-30T22:00:00Z",
        "localities": [{"localityNo": number}, {"localityNo": 99999}],
        "capacity": capacity,
        "purpose": "Kommersiell",
        "productionType": "Matfisk",
        "isGreen": False,
        "species": ["Laks", "Ørret"],
        "speciesCategory": "Laks, regnbueørret og ørret",
        "unit": "TN",
    }


# Fishing gear, waves, currents


def fishing_gear(world: World, request: Request) -> Response:
    """What changed since: a tool changes when it is set, when it is taken up and when it is corrected."""
    since = datetime.fromisoformat(request.query_params.get("since", "1970-01-01T00:00:00Z"))
    tools = [tool for tool in gear(world) if datetime.fromisoformat(tool["lastChangedDateTime"]) >= since]
    return JSONResponse({"updatedTimestamp": asked_at(world), "fishingFacilities": tools})


def gear(world: World) -> Iterator[dict[str, Any]]:
    """Two tools set a day in the past forty days; they are up again after six days."""
    today = datetime.combine(world.today, time(), UTC)
    for ago, number in itertools.product(range(40), range(2)):
        day = world.today - timedelta(days=ago)
        chance = world.random("gear", day, number)
        setup = today - timedelta(days=ago, hours=chance.randint(1, 20))
        removed = setup + timedelta(days=6) if ago > 5 else None
        corrected = world.revision("barentswatch") if ago < 2 and number == 0 else 0
        changed = world.now - timedelta(minutes=30) if corrected else removed or setup
        lon, lat = round(chance.uniform(3, 20), 5), round(chance.uniform(60, 72), 5)
        line = {"type": "LineString", "coordinates": [[lon, lat], [round(lon + 0.1, 5), lat]]}
        yield {
            "toolId": f"{chance.getrandbits(32):08x}-0000-4000-8000-{number:012x}",
            "vesselName": None,
            "ircs": None,
            "mmsi": None,
            "toolTypeCode": TOOLS[chance.randrange(len(TOOLS))],
            "toolCount": chance.randint(1, 40) if number else None,
            "setupDateTime": stamp(setup),
            "setupProcessedTime": None,
            "removedDateTime": removed and stamp(removed),
            "lastChangedDateTime": stamp(changed),
            "source": "FDIR",
            "comment": f"corrected {corrected}" if corrected else None,
            "geometry": line if number else {"type": "Point", "coordinates": [lon, lat]},
        }


def stamp(instant: datetime) -> str:
    """Seven digits of a second, as .NET writes them."""
    return f"{instant:%Y-%m-%dT%H:%M:%S}.0000000Z"


def asked_at(world: World) -> str:
    """Another time at each call, as bodies say when they were made."""
    return stamp(world.now + timedelta(seconds=world.count("barentswatch")))


def at_sea(request: Request) -> tuple[float, float] | None:
    """The model's point next to the one asked for; none in the middle of the land."""
    lon, lat = float(request.query_params["x"]), float(request.query_params["y"])
    return None if 7 < lon < 12 and 60 < lat < 63 else (round(lat / 0.04) * 0.04, round(lon / 0.04) * 0.04)


def waves(world: World, request: Request) -> Response:
    """Steps of three hours of today's run; the last is one without a value."""
    point = at_sea(request)
    return Response(status_code=204) if point is None else JSONResponse(list(wave_steps(world, *point)))


def wave_steps(world: World, lat: float, lon: float) -> Iterator[dict[str, Any]]:
    run = datetime.combine(world.today, time(), UTC)
    for step in range(20):
        chance = world.random("waves", run, lat, lon, step)
        height = round(chance.uniform(0.3, 6), 2)
        nothing = step == 19
        yield {
            "forecastTime": (run + timedelta(hours=3 * step)).isoformat(),
            "totalSignificantWaveHeight": 0.0 if nothing else height,
            "expectedMaximumWaveHeight": 0.0 if nothing else round(height * 1.9, 2),
            "totalMeanWaveDirection": None if nothing else chance.randrange(360),
            "totalPeakPeriod": 1.2 if nothing else round(chance.uniform(4, 14), 1),
            "latitude": round(lat, 4),
            "longitude": round(lon, 4),
            "source": "MyWaveWam800",
            "fileSource": f"MyWave_wam800_{run:%Y%m%dT%H}Z.nc",
        }


def currents(world: World, request: Request) -> Response:
    point = at_sea(request)
    if point is None:
        return Response(status_code=204)
    run = datetime.combine(world.today, time(), UTC)
    steps = [
        {
            "forecastTime": (run + timedelta(hours=hour)).isoformat(),
            "current": round(world.random("current", run, *point, hour).uniform(0, 1.5), 3),
            "direction": world.random("direction", run, *point, hour).randrange(360),
            "latitude": round(point[0], 4),
            "longitude": round(point[1], 4),
            "source": "NorKyst800",
        }
        for hour in range(24)
    ]
    return JSONResponse(steps)


# Zones


def wfs(world: World, request: Request) -> Response:
    """GeoServer: a layer page by page; two are a join, refused in XML although JSON was asked for."""
    asked = request.query_params
    names = asked.get("typeNames", "").split(",")
    if len(names) > 1:
        return exception("Join query must specify a filter", 500)
    if world.meets("barentswatch", "wfs_exception", request.url.path):
        return exception("Could not parse CQL filter", 200)
    layer = names[0].removeprefix("bw:")
    if layer not in LAYERS:
        return exception(f"Feature type {names[0]} unknown", 400)
    start, count = int(asked.get("startIndex", 0)), int(asked.get("count", 1_000_000))
    shown = [zone(layer, number) for number in range(LAYERS[layer])][start : start + count]
    return JSONResponse(
        {
            "type": "FeatureCollection",
            "features": shown,
            "totalFeatures": "unknown",
            "numberReturned": len(shown),
            "timeStamp": asked_at(world),
        }
    )


def exception(text: str, status: int) -> Response:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><ows:ExceptionReport version="2.0.0"><ows:Exception '
        f'exceptionCode="NoApplicableCode"><ows:ExceptionText>{text}</ows:ExceptionText></ows:Exception>'
        "</ows:ExceptionReport>"
    )
    return Response(body, status, media_type="application/xml")


def zone(layer: str, number: int) -> dict[str, Any]:
    lon, lat = 5 + number, 60 + number
    ring = [[lon, lat], [lon + 0.2, lat], [lon + 0.2, lat + 0.2], [lon, lat]]
    return {
        "type": "Feature",
        "id": f"{layer}.{number}",
        "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]},
        "geometry_name": "geom",
        "properties": {
            "id": number,
            "forsknr": f"FOR-2024-0{number + 1}-10-116",
            "forsknavn": f"Forskrift om sone {number}",
            "forsklink": "https://lovdata.no/dokument/FV/forskrift/2024",
            "sistendret": "2024-05-02T07:10:00Z",
            "fromdate": "2024-04-30T22:00:00Z" if number % 2 else "2024-01-09Z",
            "todate": None if number else "2024-12-31T23:00:00Z",
            "originaldate": "2023-11-15T23:00:00Z",
            "version": 1 + number % 2,
        },
    }
