"""MSC GeoMet: climate observations of Canada as an OGC API (pygeoapi)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import count
from typing import IO, Any, ClassVar

from headgate.contract import Source
from headgate.sources.model import (
    Answer,
    Ask,
    Call,
    Limit,
    Page,
    Provider,
    Rejected,
    Want,
    rfc3339,
)
from headgate.sources.providers.answers import beginning, members, not_data, short_object

MEASURED_AT = {"climate-hourly": "UTC_DATE"}
"""The property by which a record belongs to a window, where the collection may go by another, local time."""

COLLECTIONS = frozenset(
    """
    ahccd-annual ahccd-monthly ahccd-seasonal ahccd-stations ahccd-trends aqhi-forecasts-realtime
    aqhi-observations-realtime aqhi-stations climate-daily climate-hourly climate-monthly climate-normals
    climate-stations hydrometric-annual-peaks hydrometric-annual-statistics hydrometric-daily-mean
    hydrometric-monthly-mean hydrometric-realtime hydrometric-stations ltce-precipitation ltce-snowfall
    ltce-stations ltce-temperature swob-realtime swob-stations weather-alerts
    """.split()  # noqa: SIM905  a name a line would fill a page
)
"""Those known to come in pages."""

PAGE = 1000  # the server cuts what is above 10,000 without a word
_ONE_DAY, _ONE_SECOND = timedelta(days=1), timedelta(seconds=1)
_STANDARD = frozenset(
    {"f", "lang", "limit", "offset", "datetime", "bbox", "sortby", "properties", "skipGeometry", "resulttype"}
)
_JSON = {"Accept": "application/json"}  # a link to the next page leaves out `f` in some versions


class GeoMet(Provider):
    """``endpoint`` is a collection (``climate-daily``), or one of its items (``climate-daily/items/<id>``).

    ``parameters`` and ``each`` are query parameters: ``sortby``, which is needed, and properties of the
    collection as filters (``CLIMATE_IDENTIFIER``). With ``window: interval`` the whole collection is asked
    for; else what was measured in the window, which should hold fewer than 10,000 records: beyond that the
    server reads from the beginning for every page.
    Records have the properties, ``feature.longitude`` and ``feature.latitude`` (degrees), and ``feature.id``
    where no property repeats it.
    """

    name = "geomet"
    title = "MSC GeoMet"
    hosts: ClassVar[Mapping[str, str]] = {"api": "https://api.weather.gc.ca"}
    limits = (Limit(5, 5.0), Limit(80_000, 86_400))  # from 86,400 a day on they want to be told
    paged: ClassVar[frozenset[str]] = COLLECTIONS
    volatile = True  # each body says when it was made

    def __init__(self) -> None:
        self._properties: dict[str, frozenset[str]] = {}  # of collections that were asked for their own

    def mistakes(self, source: Source) -> Iterator[str]:
        """Without an order, rows would be lost between pages."""
        if "/items/" not in source.endpoint and "sortby" not in {**source.parameters, **source.each}:
            yield (
                "GeoMet has no order of its own, so rows would be lost between pages: give the source a "
                "parameter sortby, such as LOCAL_DATE,CLIMATE_IDENTIFIER"
            )

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        """By offset, until a page is empty or has no next one.

        Totals are not looked at, as they change on the way; nor is the link, as its query is encoded twice.
        A last page that is full has a next one, which is empty.
        """
        if "/items/" in want.source.endpoint:
            yield Page("page-00001", ask(Call(f"/collections/{want.source.endpoint}", {"f": "json"})))
            return
        query = _query(want)
        self._require_names(ask, want.source.endpoint, query)
        offset = 0
        for number in count(1):
            path = f"/collections/{want.source.endpoint}/items"
            answer = ask(Call(path, {**query, "offset": offset}, headers=_JSON))
            features = members(answer, self.title, "features")
            has_next = _has_next(answer)
            if features or number == 1:
                yield Page(f"page-{number:05}", answer)
            if not features or not has_next:
                return
            offset += features

    def problem(self, answer: Answer) -> Exception | None:
        """HTML where JSON was asked for, and what the server says of a request that it does not take."""
        if answer.status in (400, 404):
            return Rejected(f"GeoMet: {short_object(answer).get('description') or beginning(answer)}")
        return not_data(answer, self.title, b"{")

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        """The features that were measured in the window."""
        import ijson

        alone = "/items/" in where["endpoint"]
        time = MEASURED_AT.get(where["endpoint"], "")
        for feature in ijson.items(body, "" if alone else "features.item", use_float=True):
            record = _flat(feature)
            if not time or _within(record.get(time), where):
                yield record

    def _require_names(self, ask: Ask, collection: str, query: Mapping[str, Any]) -> None:
        """An unknown name is no error: by the server's version it gives no row, or all of the collection."""
        named = set(query) - _STANDARD
        for lists in ("sortby", "properties"):
            named |= {name.lstrip("+-") for name in str(query.get(lists, "")).split(",") if name}
        if collection not in self._properties:
            answer = ask(Call(f"/collections/{collection}/queryables", {"f": "json"}, headers=_JSON))
            self._properties[collection] = frozenset(answer.json()["properties"])
        known = self._properties[collection]
        if unknown := sorted(named - known):
            raise Rejected(
                f"the GeoMet collection {collection} has no property {', '.join(unknown)}; "
                f"it has {', '.join(sorted(known))}. Correct the source of the contract."
            )


def _query(want: Want) -> dict[str, Any]:
    query = {"limit": PAGE, **want.parameters, "f": "json"}
    if want.source.window != "interval":
        query["datetime"] = _span(want)
    return query


def _span(want: Want) -> str:
    """The window with both its ends, as the server takes them. Local time is behind UTC: a day more then."""
    start = want.window.start - (_ONE_DAY if want.source.endpoint in MEASURED_AT else timedelta(0))
    return f"{rfc3339(start)}/{rfc3339(want.window.end - _ONE_SECOND)}"


def _has_next(answer: Answer) -> bool:
    """Whether a page links to a next one."""
    import ijson

    with answer.open() as body:
        return "next" in ijson.items(body, "links.item.rel")


def _flat(feature: Mapping[str, Any]) -> dict[str, Any]:
    properties = feature.get("properties") or {}
    longitude, latitude, *_ = (feature.get("geometry") or {}).get("coordinates") or (None, None)
    record = {**properties, "feature.longitude": longitude, "feature.latitude": latitude}
    if feature.get("id") not in properties.values():
        record["feature.id"] = feature.get("id")
    return record


def _within(time: str | None, where: Mapping[str, str]) -> bool:
    """Whether a time without zone lies in the window."""
    if time is None:
        return True
    return where["window_start"][:19] <= time[:19].replace(" ", "T") < where["window_end"][:19]
