"""Ships of the AIS service: where they are and were. Behind a token; see ``tests.stubs.barentswatch``."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.stubs.world import World

SHIPS = {
    257034450: ("HIMMELTIND", 69, "A"),
    257045650: ("GEIRANGERFJORD II", 69, "A"),
    258558000: ("ROSLAGEN", 70, "A"),
    258505000: ("NORDLYS@@", 60, "A"),
    257132820: ("VEINES", 30, "B"),
    2573250: ('MARÉ, "TEST"', 99, "A"),
}


def position(world: World, mmsi: int, at: datetime) -> dict[str, Any]:
    """Where a ship is and what it says of its movement."""
    chance = world.random("ship", mmsi, at)
    start = world.random("home", mmsi)
    hours = at.timestamp() / 3600 % 24
    return {
        "courseOverGround": chance.choice([None, round(chance.uniform(0, 359.9), 1), chance.randrange(360)]),
        "latitude": round(start.uniform(58, 72) + hours / 24, 6),
        "longitude": round(start.uniform(4, 20) + hours / 24, 6),
        "rateOfTurn": chance.choice([None, -127, 127, 0, chance.randint(-126, 126)]),
        "speedOverGround": round(chance.uniform(0, 20), 1),
        "trueHeading": chance.choice([None, chance.randrange(360)]),
        "navigationalStatus": chance.choice([0, 0, 5, 7]),
        "altitude": None,
        "mmsi": mmsi,
    }


def latest_combined(world: World, _request: Request) -> Response:
    """All ships, in no order of time."""
    at = world.now.replace(second=0, microsecond=0)
    rows = []
    for number, (mmsi, (name, ship_type, report_class)) in enumerate(SHIPS.items()):
        heard = at - timedelta(minutes=17 * number % 60)
        rows.append(
            {
                **position(world, mmsi, heard),
                "msgtime": f"{heard:%Y-%m-%dT%H:%M:%S}.9935271+00:00" if number % 2 else heard.isoformat(),
                "imoNumber": None if number % 2 else 9_020_314 + number,
                "callSign": f"LF{number}A",
                "name": name,
                "destination": None if number % 3 else "TRAENALOKAL",
                "eta": ("08071300", "00002460", "00000000", None, "11302460", "12312359")[number],
                "draught": 20 + number,
                "shipLength": 23,
                "shipWidth": 6,
                "shipType": ship_type,
                **dict.fromkeys(("dimensionA", "dimensionB"), 11),
                **dict.fromkeys(("dimensionC", "dimensionD"), 3),
                "positionFixingDeviceType": 1,
                "reportClass": report_class,
            }
        )
    return JSONResponse(rows)


def latest_ais(world: World, _request: Request) -> Response:
    """A row for each kind of message and ship."""
    at = world.now.replace(second=0, microsecond=0).isoformat()
    rows: list[dict[str, Any]] = []
    for mmsi, (name, ship_type, _) in SHIPS.items():
        rows.append(
            {
                "type": "Staticdata",
                "messageType": 5,
                "mmsi": mmsi,
                "msgtime": at,
                "name": name,
                "shipType": ship_type,
            }
        )
        rows.append({"type": "Position", "messageType": 1, **position(world, mmsi, world.now), "msgtime": at})
    return JSONResponse(rows)


def tracks(world: World, request: Request) -> Response:
    """A position each quarter of an hour, newest first, of the past 14 days; some messages come twice.

    At noon two stations heard the same second at two places.
    """
    mmsi = request.path_params["mmsi"]
    start, end = (datetime.fromisoformat(request.path_params[name]) for name in ("start", "end"))
    start, end = max(start, world.now - timedelta(days=14)), min(end, world.now)
    first = datetime.combine(start.date(), time(), UTC)
    times = [first + timedelta(minutes=15 * number) for number in range(14 * 96)]
    rows = []
    for number, at in enumerate(moment for moment in times if start <= moment < end):
        row = {**track_position(world, mmsi, at), "msgtime": at.isoformat()}
        rows += [row, row] if number % 20 == 0 else [row]
        if at.hour == 12 and not at.minute:
            rows.append({**row, "latitude": round(row["latitude"] + 0.01, 6)})
    return JSONResponse(rows[::-1] if mmsi in SHIPS else [])


def track_position(world: World, mmsi: int, at: datetime) -> dict[str, Any]:
    name, ship_type, _ = SHIPS.get(mmsi, ("", 0, ""))
    return {**position(world, mmsi, at), "name": name, "shipType": ship_type}
