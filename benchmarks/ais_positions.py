"""Made-up live positions as BarentsWatch sends them: a function of their number, at any rate.

With what breaks clients: echoes of earlier lines, two positions of a ship in one second, times out of order,
lines without a position.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SHIPS = 4000
ECHO, TWIN, BAD = 250, 100, 1009  # every so many lines there is one


@dataclass(frozen=True)
class Sea:
    """Line ``number`` is received ``number / rate`` seconds after ``BEGIN``."""

    rate: float

    def number(self, moment: datetime) -> int:
        """Of the last line that was received by then."""
        return math.floor((moment - BEGIN).total_seconds() * self.rate)

    def line(self, number: int) -> bytes:
        """One line of combined/Full/Json, without its end."""
        if is_echo(number):
            return self.line(number - 3)
        mmsi, time, latitude, longitude = self.key(number)
        latitude_text = "null" if is_bad(number) else f"{latitude:.6f}"
        ship = mmsi - 257_000_000
        return (
            f'{{"mmsi":{mmsi},"msgtime":"{time}","altitude":null,"courseOverGround":{number % 3600 / 10},'
            f'"latitude":{latitude_text},"longitude":{longitude:.6f},"navigationalStatus":{ship % 9},'
            f'"rateOfTurn":{"null" if ship % 5 == 0 else number % 127},"speedOverGround":{number % 300 / 10},'
            f'"trueHeading":{number % 360},"imoNumber":{9_000_000 + ship if ship % 2 else "null"},'
            f'"callSign":"LK{ship:04d}","name":"SHIP, {ship}","destination":"BODØ@@","eta":"08071300",'
            f'"draught":{ship % 90},"shipLength":{20 + ship % 200},"shipWidth":{5 + ship % 30},'
            f'"shipType":{30 + ship % 60},"dimensionA":12,"dimensionB":{8 + ship % 200},"dimensionC":3,'
            f'"dimensionD":{2 + ship % 30},"positionFixingDeviceType":1,"reportClass":"A"}}'
        ).encode()

    def key(self, number: int) -> tuple[int, str, float, float]:
        """mmsi, msgtime (up to seven digits of a second), latitude, longitude; of no two lines the same."""
        twin = number % TWIN == 1
        sender = number - 1 if twin else number
        late = sender * 7919 % 20_000_000  # up to 20 s, in microseconds
        sent = BEGIN + timedelta(seconds=sender / self.rate, microseconds=-late)
        ship, turn = sender % SHIPS, sender // SHIPS
        latitude = 58 + ship % 1300 / 100 + turn % 9000 / 1e6 + (0.005 if twin else 0)
        return 257_000_000 + ship, f"{sent:%Y-%m-%dT%H:%M:%S.%f}7+00:00", latitude, 4 + ship % 2500 / 100


def is_echo(number: int) -> bool:
    """Whether a line repeats the one three before it."""
    return number % ECHO == 5 and not is_bad(number - 3)


def is_bad(number: int) -> bool:
    """Whether a line has no position."""
    return number % BAD == 0


def is_row(number: int) -> bool:
    """Whether a line brings a row that no line before it brought."""
    return not is_echo(number) and not is_bad(number)
