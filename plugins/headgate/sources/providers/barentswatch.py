"""BarentsWatch (Norway): fish health, fishing gear, waves, currents and zones; and its AIS service.

The two have clients of their own at the same token service, so they are two providers here. Rules:
https://developer.barentswatch.no/docs/ and the OpenAPI documents that it links to. BarentsWatch publishes no
rate limit and asks for batch reads one after the other; its data is under the Norwegian Licence for Open
Government Data (NLOD), which wants its name to be given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, count
from typing import IO, Any, ClassVar

from headgate.contract import Source
from headgate.logs import get_logger
from headgate.sources.model import (
    Answer,
    Ask,
    Call,
    Limit,
    Page,
    Provider,
    Rejected,
    Unavailable,
    Want,
    Window,
    rfc3339,
)
from headgate.sources.providers.answers import beginning, members, not_data
from headgate.sources.providers.barentswatch_records import (
    Record,
    read_currents,
    read_gear,
    read_lice,
    read_localities,
    read_register,
    read_ships,
    read_waves,
    read_zones,
    week_name,
)
from headgate.sources.providers.terms import not_known, not_under_each

WFS_PAGE = 500  # zones in an answer; their outlines make it some megabytes
_TITLE = "BarentsWatch"
_FISH_HEALTH = "geodata/fishhealth"
_EXCEPTION = re.compile(r"<(?:\w+:)?ExceptionText>(.*?)<")
_RETRIED = (401, 403, 408, 425, 429)  # the client's business, not the request's

log = get_logger()


class NotReported(Rejected):
    """There is nothing about this site in this week, or no such site: BarentsWatch says the same of both."""


@dataclass(frozen=True)
class Endpoint:
    """How one endpoint is asked for a window, and how a body of it is read."""

    pages: Callable[[Ask, Want], Iterator[Page]]
    records: Callable[[Mapping[str, str], IO[bytes]], Iterator[Record]]
    each: tuple[str, ...] = ()  # what must stand under the contract's ``each``


class _Endpoints(Provider):
    """What both services have in common."""

    credential = "client_credentials"
    limits = (Limit(5, 1.0),)  # ours: none is published
    tasks = 1
    endpoints: ClassVar[Mapping[str, Endpoint]]

    def mistakes(self, source: Source) -> Iterator[str]:
        """See ``endpoints``."""
        yield from not_known(source, *self.endpoints)
        if source.endpoint in self.endpoints:
            yield from not_under_each(source, *self.endpoints[source.endpoint].each)
        for point in source.each.get("point", ()):
            if not _is_northern(point):  # the other way round it would be answered, by nothing
                yield f"point {point!r} is not longitude,latitude of a place in Norwegian waters"

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        """See ``endpoints``."""
        return self.endpoints[want.source.endpoint].pages(ask, want)

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Record]:
        """See ``endpoints``."""
        return self.endpoints[where["endpoint"]].records(where, body)

    def problem(self, answer: Answer) -> Exception | None:
        """A page for people, GeoServer's exception in XML, the message of a refused request, or no data."""
        head = answer.head(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
        if head.startswith(b"<"):
            return _markup_problem(answer, head)
        if 400 <= answer.status < 500 and answer.status not in _RETRIED:
            return _refusal(answer.status, head)
        if answer.call.params.get("filetype") == "Csv":
            return _not_export(answer, head)
        return not_data(answer, self.title)


def _is_northern(point: str) -> bool:
    try:
        longitude, latitude = map(float, point.split(","))
    except ValueError:
        return False
    return -40 <= longitude <= 80 and 50 <= latitude <= 90


def _markup_problem(answer: Answer, head: bytes) -> Exception | None:
    """GeoServer answers in XML although JSON was asked for, with status 200 or 500; no answer is HTML."""
    if b"ExceptionReport" in head:
        found = _EXCEPTION.search(" ".join(head.decode(errors="replace").split()))
        text = f"{answer.status}: {found[1].strip() if found else 'an exception without a text'}"
        asked_wrongly = answer.status < 500 or "must specify a filter" in text
        return Rejected(text) if asked_wrongly else Unavailable(text)
    if answer.status < 400:
        return Unavailable(f"status {answer.status} with a page of markup instead of data")
    return None


def _refusal(status: int, head: bytes) -> Rejected:
    """ProblemDetails (RFC 7807), with its list of errors where it has one; else the text as it came."""
    try:
        told = json.loads(head)
    except ValueError:
        return Rejected(f"{status}: {head[:300].decode(errors='replace').strip()}")
    if not isinstance(told, dict):
        return Rejected(f"{status}: {told}")
    title, errors = str(told.get("title", "")), told.get("errors")
    listed = [str(text) for text in chain.from_iterable(errors.values())] if isinstance(errors, dict) else []
    kind = NotReported if "was not found" in title else Rejected
    return kind(f"{status}: {' '.join([title, *listed])}")


def _not_export(answer: Answer, head: bytes) -> Unavailable | None:
    if answer.status != 200 or b"Lokalitetsnummer" in head:
        return None
    return Unavailable(f"{_TITLE} answers with {beginning(answer)!r} instead of its export")


def _ask_localities(ask: Ask, want: Want) -> Iterator[Page]:
    """All sites of a week are one answer."""
    for monday in _weeks(want.window):
        year, week, _ = monday.isocalendar()
        answer = ask(Call(f"/v1/{_FISH_HEALTH}/locality/{year}/{week}", want.source.parameters))
        members(answer, _TITLE, "localities")
        yield Page(f"week={week_name(monday)}", answer)


def _ask_lice(ask: Ask, want: Want) -> Iterator[Page]:
    """The export of lice counts as CSV: all sites of all weeks of the window in one answer."""
    weeks = [monday.isocalendar() for monday in _weeks(want.window)]
    first, last = weeks[0], weeks[-1]
    span = {"fromyear": first.year, "fromweek": first.week, "toyear": last.year, "toweek": last.week}
    params: dict[str, Any] = {"reporttype": "Lice", "filetype": "Csv", **span, **want.parameters}
    call = Call("/v1/geodata/download/fishhealth", params, read_timeout=300)
    yield Page("page-00001", ask(call), suffix="csv")


def _ask_register(ask: Ask, want: Want) -> Iterator[Page]:
    """One answer a site, of the week in which the window begins: a window of a month is a sample a month.

    The site of the slice, else all that may hold salmonoids, one after the other (about 2,000).
    """
    monday = next(_weeks(want.window))
    year, week, _ = monday.isocalendar()
    missing = []
    for number in [want.slice["locality"]] if "locality" in want.slice else _sites(ask):
        try:
            answer = ask(Call(f"/v2/{_FISH_HEALTH}/locality/{number}/{year}/{week}"))
        except NotReported:
            missing.append(number)
        else:
            yield Page(f"locality={number}", answer)
    if missing:
        log.warning("source.not_reported", week=week_name(monday), sites=len(missing), first=missing[:10])


def _sites(ask: Ask) -> list[str]:
    listed = ask(Call(f"/v1/{_FISH_HEALTH}/localitieswithsalmonoids"))
    return [str(site["localityNo"]) for site in listed.json()]


def _ask_gear(ask: Ask, want: Want) -> Iterator[Page]:
    """Every facility that changed since the window's start, less the overlap; there is no end to give."""
    since = want.window.start - timedelta(seconds=want.source.overlap)
    answer = ask(Call("/v2/geodata/fishingfacilityupdates", {"since": rfc3339(since), **want.parameters}))
    members(answer, _TITLE, "fishingFacilities")
    yield Page("page-00001", answer)


def _ask_point(path: str) -> Callable[[Ask, Want], Iterator[Page]]:
    def pages(ask: Ask, want: Want) -> Iterator[Page]:
        """The forecast of the model's point next to the slice's; status 204 where the model has none."""
        longitude, _, latitude = want.slice["point"].partition(",")
        answer = ask(Call(path, {"x": longitude, "y": latitude, **want.source.parameters}))
        if answer.status != 204:
            members(answer, _TITLE)
        yield Page("page-00001", answer)

    return pages


def _ask_zones(ask: Ask, want: Want) -> Iterator[Page]:
    """One layer page by page. GeoServer joins several layers, and its totals are not relied on."""
    size = int(want.parameters.get("count", WFS_PAGE))
    for number in count(1):
        answer = ask(_zones_call(want.slice["layer"], size, (number - 1) * size))
        found = members(answer, _TITLE, "features")
        yield Page(f"page-{number:05d}", answer)
        if found < size:
            return


def _zones_call(layer: str, size: int, start: int) -> Call:
    params: dict[str, Any] = {
        "service": "WFS",
        "version": "2.0.0",
        "request": "GetFeature",
        "typeNames": f"bw:{layer}",
        "outputFormat": "application/json",
        "sortBy": "id",  # without an order, pages may repeat or miss features
        "count": size,
        "startIndex": start,
    }
    return Call("/ows", params, host="geo", read_timeout=120)


def _ask_latest(path: str, **fixed: str) -> Callable[[Ask, Want], Iterator[Page]]:
    def pages(ask: Ask, want: Want) -> Iterator[Page]:
        """The last that was heard of each ship in 24 hours, in one array."""
        yield Page("page-00001", ask(Call(path, {**fixed, **want.parameters}, host="live", read_timeout=120)))

    return pages


def _ask_tracks(ask: Ask, want: Want) -> Iterator[Page]:
    """One ship's positions in the window; kept for 14 days, so that older windows are empty."""
    span = f"{rfc3339(want.window.start)}/{rfc3339(want.window.end)}"
    call = Call(f"/v1/historic/tracks/{want.slice['mmsi']}/{span}", want.source.parameters, host="historic")
    yield Page("page-00001", ask(call))


def _weeks(window: Window) -> Iterator[date]:
    """Mondays of the ISO weeks that a window touches.

    A week of fish health begins on Monday in Norway, one or two hours before the window's UTC.
    """
    monday = window.start.date() - timedelta(days=window.start.weekday())
    while datetime.combine(monday, time(), UTC) < window.end:
        yield monday
        monday += timedelta(weeks=1)


class BarentsWatch(_Endpoints):
    """Fish health, fishing gear, forecasts (scope ``api``) and zones (no token)."""

    name = "barentswatch"
    title = _TITLE
    hosts: ClassVar[Mapping[str, str]] = {
        "api": "https://www.barentswatch.no/bwapi",
        "geo": "https://geo.barentswatch.no/geoserver",
        "id": "https://id.barentswatch.no",
    }
    paged = frozenset({"zones"})
    volatile = True  # zones and gear say when they were asked for
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "fish_health": Endpoint(_ask_localities, read_localities),
        "lice_export": Endpoint(_ask_lice, read_lice),
        "aquaculture_register": Endpoint(_ask_register, read_register),
        "fishing_gear": Endpoint(_ask_gear, read_gear),
        "wave_forecast": Endpoint(_ask_point("/v1/waveforecastpoint/nearest/all"), read_waves, ("point",)),
        "sea_current": Endpoint(_ask_point("/v1/seacurrent/nearest/all"), read_currents, ("point",)),
        "zones": Endpoint(_ask_zones, read_zones, ("layer",)),
    }

    def token_scope(self, call: Call) -> str:
        """The map server wants no token."""
        return "" if call.host == "geo" else "api"


class BarentsWatchAis(_Endpoints):
    """Positions of ships in Norwegian waters (scope ``ais``)."""

    name = "barentswatch_ais"
    title = f"{_TITLE} AIS"
    hosts: ClassVar[Mapping[str, str]] = {
        "live": "https://live.ais.barentswatch.no",
        "historic": "https://historic.ais.barentswatch.no",
        "id": "https://id.barentswatch.no",
    }
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "latest": Endpoint(
            _ask_latest("/v1/latest/combined", modelType="Full", modelFormat="Json"), read_ships
        ),
        "latest_messages": Endpoint(_ask_latest("/v1/latest/ais"), read_ships),
        "tracks": Endpoint(_ask_tracks, read_ships, ("mmsi",)),
    }

    def token_scope(self, call: Call) -> str:
        """All of it wants the scope of its own."""
        return "ais"
