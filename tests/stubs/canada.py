"""MSC GeoMet as pygeoapi 0.20 serves it, with its traps of paging, and ClimateData.ca's charts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tests.stubs.world import World, days

Feature = dict[str, Any]

STATIONS = {
    "6158731": (51459, "TORONTO INTL A", "ON", -79.631, 43.677),
    "7025251": (30165, "MONTREAL INTL A", "QC", -73.741, 45.471),
    "1108395": (51442, "VANCOUVER INTL A", "BC", -123.183, 49.194),
    "702525A": (99999, "MONTREAL INTL A", "QC", -73.742, 45.47),  # the same place under a new identifier
}
LISTED = 2000
"""Stations in the list: with pages of 1000 the last one is full."""

STANDARD = {
    "f",
    "lang",
    "limit",
    "offset",
    "datetime",
    "bbox",
    "sortby",
    "properties",
    "skipGeometry",
    "resulttype",
}
BEHIND_UTC = timedelta(hours=5)


def routes(world: World) -> list[BaseRoute]:
    """``/geomet/api/collections/…`` and ``/climatedata/api/generate-charts/…``."""

    async def queryables(request: Request) -> Response:
        properties = _properties(world, request.path_params["collection"])
        if properties is None:
            return _error("NotFound", "Collection not found", 404)
        return JSONResponse({"type": "object", "properties": {name: {} for name in sorted(properties)}})

    async def items(request: Request) -> Response:
        if _properties(world, request.path_params["collection"]) is None:
            return _error("NotFound", "Collection not found", 404)
        if "json" not in request.query_params.get("f", request.headers.get("accept", "")):
            return HTMLResponse("<!DOCTYPE html><html><body>items</body></html>")
        return _items(world, request)

    async def charts(request: Request) -> Response:
        return _charts(world, **request.path_params, **request.query_params)

    return [
        Route("/geomet/api/collections/{collection}/queryables", queryables),
        Route("/geomet/api/collections/{collection}/items", items),
        Route("/climatedata/api/generate-charts/{lat}/{lon}/{var}", charts),
        Route("/climatedata/api/generate-charts/{lat}/{lon}/{var}/{month}", charts),
    ]


# --- GeoMet -----------------------------------------------------------------------------------------------


def _items(world: World, request: Request) -> Response:
    collection, asked, path = request.path_params["collection"], request.query_params, request.url.path
    properties = _properties(world, collection) or frozenset()
    try:
        offset, limit = _extent(asked)
        order = [name for name in asked.get("sortby", "").split(",") if name]
        if any(name.lstrip("+-") not in properties for name in order):
            return _error("InvalidParameterValue", "bad sort property")
    except ValueError as error:
        return _error("InvalidParameterValue", str(error))
    limit = min(limit, 100 if world.meets("geomet", "limit_cut_to_100", path) else 10_000)
    filters = {name: value for name, value in asked.items() if name not in STANDARD}
    if world.meets("geomet", "unknown_names_dropped", path):  # as from pygeoapi 0.21 on
        filters = {name: value for name, value in filters.items() if name in properties}
    found = [feature for feature in _features(world, collection, asked) if _fits(feature, filters)]
    _sort(world, found, order, offset)
    shift = 1 if offset and world.meets("geomet", "row_came_before", path) else 0
    page = found[offset - shift : offset - shift + limit]
    matched = offset + len(page) if offset + limit > 10_000 else len(found)
    if world.meets("geomet", "total_changes", path):
        matched = 1
    has_next = offset + limit < len(found) or len(page) == limit
    return JSONResponse(
        {
            "type": "FeatureCollection",
            "features": page,
            "numberMatched": matched,
            "numberReturned": len(page),
            "links": _links(request, offset + limit if has_next else None),
            "timeStamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",  # another one in every body
        },
        media_type="application/geo+json",
    )


def _extent(asked: Mapping[str, str]) -> tuple[int, int]:
    for name, low, what in (("offset", 0, "positive or zero"), ("limit", 1, "strictly positive")):
        value = asked.get(name, "500")
        if not value.lstrip("-").isdigit():
            raise ValueError(f"{name} value should be an integer")
        if int(value) < low:
            raise ValueError(f"{name} value should be {what}")
    return int(asked.get("offset", "0")), int(asked.get("limit", "500"))


def _links(request: Request, next_offset: int | None) -> list[dict[str, str]]:
    """A next link leaves out ``f`` and encodes values again, so a space becomes ``%2520``."""
    links = [{"rel": "self", "href": str(request.url)}, {"rel": "alternate", "href": str(request.url)}]
    if next_offset is not None:
        query = {
            name: quote(value) for name, value in request.query_params.items() if name not in ("f", "offset")
        }
        query["offset"] = str(next_offset)
        links.append({"rel": "next", "href": f"{request.url.replace(query='')}?{urlencode(query)}"})
    return [*links, {"rel": "collection", "href": str(request.url.replace(query=""))}]


def _fits(feature: Feature, filters: Mapping[str, str]) -> bool:
    """Text is matched by its words; a name that no record has fits nothing."""
    for name, wanted in filters.items():
        value = feature["properties"].get(name)
        words = str(value).split()
        if value is None or not any(set(option.split()) <= set(words) for option in wanted.split("|")):
            return False
    return True


def _sort(world: World, features: list[Feature], order: Sequence[str], offset: int) -> None:
    """Without an order, each page comes from another one."""
    if not order:
        world.random("geomet", "order", offset).shuffle(features)
    for name in reversed(order):
        features.sort(key=lambda one: one["properties"][name.lstrip("+-")], reverse=name.startswith("-"))


def _features(world: World, collection: str, asked: Mapping[str, str]) -> list[Feature]:
    first, last = _span(asked.get("datetime", "../.."))
    if collection == "climate-stations":
        return [_station(number) for number in range(LISTED)]
    make = _day if collection == "climate-daily" else _hours
    wanted = asked.get("CLIMATE_IDENTIFIER", "|".join(STATIONS)).split("|")
    return [
        feature
        for station in STATIONS
        if station in wanted
        for day in days(first.date(), min(last.date(), world.today - timedelta(days=1)))
        for feature in make(world, station, day)
        if f"{first:%Y-%m-%d %H:%M:%S}" <= feature["properties"]["LOCAL_DATE"] <= f"{last:%Y-%m-%d %H:%M:%S}"
    ]


def _span(text: str) -> tuple[datetime, datetime]:
    """``a/b`` with both ends; without one, a few years."""
    start, _, end = text.partition("/")
    first, last = datetime(2015, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    return (
        first if start == ".." else datetime.fromisoformat(start),
        last if end == ".." else datetime.fromisoformat(end or start),
    )


def _properties(world: World, collection: str) -> frozenset[str] | None:
    """Names of a collection's properties; None where there is no such collection."""
    sample: Mapping[str, Callable[[], Feature]] = {
        "climate-stations": lambda: _station(0),
        "climate-daily": lambda: next(_day(world, "6158731", date(2024, 1, 1))),
        "climate-hourly": lambda: next(_hours(world, "6158731", date(2024, 1, 1))),
    }
    return frozenset(sample[collection]()["properties"]) if collection in sample else None


def _feature(name: str, station: str, properties: dict[str, Any]) -> Feature:
    _, _, _, longitude, latitude = STATIONS[station]
    point = {"type": "Point", "coordinates": [longitude, latitude]}
    return {"id": name, "type": "Feature", "geometry": point, "properties": properties}


def _of_station(station: str) -> dict[str, Any]:
    number, name, province, _, _ = STATIONS[station]
    return {
        "CLIMATE_IDENTIFIER": station,
        "STN_ID": number,
        "STATION_NAME": name,
        "PROVINCE_CODE": province,
    }


def _day(world: World, station: str, day: date) -> Iterator[Feature]:
    """A day whose mean is missing at first (flag M), until the provider corrects it."""
    chance = world.random("geomet", station, day)
    low = round(chance.uniform(-20, 15), 1)
    snow = chance.choice((0, 2.4))
    values = {
        "MEAN_TEMPERATURE": chance.choice((round(low + 4, 1), None)),
        "MIN_TEMPERATURE": low,
        "MAX_TEMPERATURE": round(low + 8),
        "TOTAL_PRECIPITATION": 0 if not snow else 2.2,
        "TOTAL_RAIN": None,
        "TOTAL_SNOW": snow,
        "SNOW_ON_GROUND": chance.choice((0, 12, None)),
        "DIRECTION_MAX_GUST": chance.choice((29, 4, None)),
        "SPEED_MAX_GUST": 55,
        "HEATING_DEGREE_DAYS": 23.1,
        "COOLING_DEGREE_DAYS": 0,
        "MIN_REL_HUMIDITY": 41,
        "MAX_REL_HUMIDITY": 93,
    }
    flags = {f"{name}_FLAG": "M" if value is None else None for name, value in values.items()}
    flags["TOTAL_PRECIPITATION_FLAG"] = None if snow else "T"
    if values["MEAN_TEMPERATURE"] is None and world.revision("geomet", day, 60):
        values["MEAN_TEMPERATURE"], flags["MEAN_TEMPERATURE_FLAG"] = round(low + 4, 1), "E"
    name = f"{station}.{day.year}.{day.month}.{day.day}"
    yield _feature(
        name,
        station,
        _of_station(station)
        | {"ID": name, "LOCAL_DATE": f"{day} 00:00:00"}
        | {"LOCAL_YEAR": day.year, "LOCAL_MONTH": day.month, "LOCAL_DAY": day.day}
        | values
        | flags,
    )


def _hours(world: World, station: str, day: date) -> Iterator[Feature]:
    for hour in range(24):
        chance = world.random("geomet", station, day, hour)
        local = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        temperature = round(chance.uniform(-20, 25), 1)
        values = {
            "TEMP": temperature + (0.1 if world.revision("geomet", day, 60) and hour == 3 else 0),
            "DEW_POINT_TEMP": round(temperature - 3, 1),
            "RELATIVE_HUMIDITY": 71,
            "PRECIP_AMOUNT": chance.choice((0, 0.2)),
            "WIND_DIRECTION": chance.choice((0, 29, 36)),
            "WIND_SPEED": 13,
            "VISIBILITY": 24.1,
            "STATION_PRESSURE": 99.5,
            "HUMIDEX": None,
            "WINDCHILL": None,
        }
        name = f"{station}.{day.year}.{day.month}.{day.day}.{hour}"
        yield _feature(
            name,
            station,
            _of_station(station)
            | {"ID": name, "LOCAL_DATE": f"{local:%Y-%m-%d %H:%M:%S}"}
            | {"UTC_DATE": f"{local + BEHIND_UTC:%Y-%m-%dT%H:%M:%S}"}
            | {"LOCAL_YEAR": day.year, "LOCAL_MONTH": day.month, "LOCAL_DAY": day.day, "LOCAL_HOUR": hour}
            | values
            | {f"{field}_FLAG": None for field in values}
            | {"WEATHER_ENG_DESC": "NA", "WEATHER_FRE_DESC": "ND"},
        )


def _station(number: int) -> Feature:
    identifier = list(STATIONS)[number] if number < len(STATIONS) else f"{number:05}A{number % 10}"
    known = STATIONS.get(identifier, (number, f"STATION {number}", "ON", -80.0, 45.0))
    return {
        "id": identifier,
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [known[3], known[4]]},
        "properties": {
            "STN_ID": known[0],
            "STATION_NAME": known[1],
            "PROV_STATE_TERR_CODE": known[2],
            "ENG_PROV_NAME": "ONTARIO",
            "COUNTRY": "CAN",
            "LATITUDE": 434037000,
            "LONGITUDE": -793750000,
            "TIMEZONE": "EST",
            "ELEVATION": "173.40",
            "CLIMATE_IDENTIFIER": identifier,
            "TC_IDENTIFIER": None,
            "STATION_TYPE": "NAVCAN",
            "PUBLICATION_CODE": 1,
            "FIRST_DATE": "1840-03-01 00:00:00",
            "LAST_DATE": "2026-11-20 00:00:00",
            "HLY_FIRST_DATE": "2013-06-11 05:00:00",
            "HLY_LAST_DATE": None,
            "HAS_HOURLY_DATA": "Y",
        },
    }


def _error(code: str, description: str, status: int = 400) -> Response:
    return JSONResponse({"code": code, "type": code, "description": description}, status)


# --- ClimateData.ca ---------------------------------------------------------------------------------------

SCENARIOS = {"CMIP5": ("rcp26", "rcp45", "rcp85"), "CMIP6": ("ssp126", "ssp245", "ssp370", "ssp585")}
LAST_HISTORICAL = {"CMIP5": 2005, "CMIP6": 2014}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
VARIABLES = {"tx_max": "annual", "tg_mean": "", "prcptot": "", "hddheat_18": "annual", "slr": "annual"}
"""Those that there are; "annual" ones have a file for the year only."""


def _charts(
    world: World,
    lat: str,
    lon: str,
    var: str,
    month: str = "ann",
    dataset_name: str = "CMIP5",
    decimals: str = "2",
) -> Response:
    if var not in VARIABLES or month not in (*MONTHS, "ann") or dataset_name not in SCENARIOS:
        return PlainTextResponse("Bad request", 400)
    if not decimals.isdigit():
        return PlainTextResponse("Bad request: invalid number of decimals", 400)
    if VARIABLES[var] == "annual" and month != "ann":
        return HTMLResponse("<!doctype html><title>500 Internal Server Error</title>", 500)
    digits = int(decimals)
    chance = world.random("climatedata", lat, lon, var, month, dataset_name)
    shift = world.revision("climatedata")

    def value() -> float:
        number = round(chance.uniform(0, 30) + shift, digits)
        return number if digits else int(number)

    at_sea = float(lon) < -130
    made = _sea_level if var == "slr" else _series
    chart = made(dataset_name, (MONTHS.index(month) if month in MONTHS else 0) + 1, value)
    return JSONResponse({name: type(points)() for name, points in chart.items()} if at_sea else chart)


def _series(dataset: str, month: int, value: Callable[[], float]) -> dict[str, Any]:
    last = LAST_HISTORICAL[dataset]
    historical = [_milliseconds(year, month) for year in range(1950, last + 1)]
    projected = [_milliseconds(year, month) for year in range(last, 2101)]  # the last year is in both
    decades = [_milliseconds(year, month) for year in range(1951, 2081, 10)]
    chart: dict[str, Any] = {
        "observations": [[ms, value()] for ms in historical],
        "30y_observations": {str(ms): [value()] for ms in decades[:4]},
        "modeled_historical_median": [[ms, value()] for ms in historical],
        "modeled_historical_range": [[ms, value(), value()] for ms in historical],
    }
    for scenario in SCENARIOS[dataset]:
        chart[f"{scenario}_median"] = [[ms, value()] for ms in projected]
        chart[f"{scenario}_range"] = [[ms, value(), value()] for ms in projected]
        for kind in ("delta7100", "30y"):
            chart[f"{kind}_{scenario}_median"] = {str(ms): [value()] for ms in decades}
            chart[f"{kind}_{scenario}_range"] = {str(ms): [value(), value()] for ms in decades}
    return chart


def _sea_level(dataset: str, month: int, value: Callable[[], float]) -> dict[str, Any]:
    years = [_milliseconds(year, month) for year in range(2006, 2101, 10)]
    chart: dict[str, Any] = {}
    for scenario in SCENARIOS[dataset]:
        chart[f"{scenario}_median"] = [[ms, value()] for ms in years]
        chart[f"{scenario}_range"] = [[ms, value(), value()] for ms in years]
    for name in ("rcp85_enhanced",) if dataset == "CMIP5" else ("ssp585lowConf", "ssp585highEnd", "uplift"):
        chart[name] = [[float(years[-1]), value()]]
    return chart


def _milliseconds(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)
