"""NASA's Common Metadata Repository: granules of Earth data collections, and those that were deleted.

https://cmr.earthdata.nasa.gov/search/site/docs/search/api.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
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
    Unavailable,
    Want,
    rfc3339,
)
from headgate.sources.providers.answers import beginning, members, not_data, short_object
from headgate.sources.providers.terms import not_known

_PAGE_ITEMS = 2000  # the most that CMR gives
_MIB = 1_048_576
_DELETIONS_KEPT = timedelta(days=364)  # CMR refuses to look back a year
_DELETED = "feed=deleted"
_ITEMS = {
    "granules.umm_json": "items",
    "granules.json": "feed.entry",
    "granules.stac": "features",
}
_TIMED_OUT = ("cmr-timed-out", "cmr-time-out")  # the documentation has both
_KILO = {"B": 1 / _MIB, "KB": 1 / 1024, "MB": 1.0, "GB": 1024.0, "TB": 1024.0**2, "PB": 1024.0**3}

Json = Mapping[str, Any]


class NasaCmr(Provider):
    """Endpoint ``granules.umm_json``, or ``granules.json`` and ``granules.stac``, which know no revisions.

    A window is one of revision dates: what was made or changed in it. Deletions are asked for where the
    contract names a ``collection_concept_id``, and not of windows that are older than a year.
    """

    name = "nasa_cmr"
    title = "NASA CMR"
    hosts: ClassVar[Mapping[str, str]] = {"api": "https://cmr.earthdata.nasa.gov/search"}
    limits = (Limit(5, 1.0),)  # none is published; CMR answers 429 when it is too much
    volatile = True  # the milliseconds that it took are in each answer
    credential = "optional_token"
    paged = frozenset(_ITEMS)

    def mistakes(self, source: Source) -> Iterator[str]:
        """See ``_ITEMS``."""
        yield from not_known(source, *_ITEMS)

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        """Deletions first: a granule that was deleted and ingested again is there after all."""
        if (deletions := _deletions(want)) is not None:
            answer = ask(deletions)
            members(answer, self.title)
            yield Page(_DELETED, answer)
        headers = {"Client-Id": "headgate"}
        size = int(want.parameters.get("page_size", _PAGE_ITEMS))
        for number in count(1):
            answer = ask(_search(want, headers, number))
            items = members(answer, self.title, _ITEMS[want.source.endpoint])
            after = answer.headers.get("cmr-search-after")
            yield Page(f"page-{number:05}", answer)
            if items < size or (after is None and not _by_number(want)):
                return
            if after is not None:
                headers["CMR-Search-After"] = after

    def problem(self, answer: Answer) -> Exception | None:
        """Answers that CMR gave up on after 170 s (a part of the items, status 200); its own errors."""
        if any(answer.headers.get(name, "").lower() == "true" for name in _TIMED_OUT):
            return Unavailable(f"{self.title} ran out of time and sent only a part of the items")
        if answer.status in (400, 404, 422):
            errors = short_object(answer).get("errors") or [beginning(answer)]
            return Rejected(f"{self.title}: {'; '.join(map(str, errors))}")
        return not_data(answer, self.title)

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        """A record for each granule; of the deletions those before the window's end, with ``deleted-at``."""
        import ijson

        if where.get("feed") == "deleted":
            yield from _deleted(ijson.items(body, "item"), where["window_end"])
            return
        read = {"granules.umm_json": _of_umm, "granules.json": _of_entry, "granules.stac": _of_stac}
        yield from map(read[where["endpoint"]], ijson.items(body, f"{_ITEMS[where['endpoint']]}.item"))

    def authenticate(self, call: Call, secret: Mapping[str, str]) -> Mapping[str, str]:
        """An Earthdata Login token, for collections that are not public."""
        return {"Authorization": f"Bearer {secret['token']}"} if secret.get("token") else {}


def _by_number(want: Want) -> bool:
    return want.source.endpoint == "granules.stac"


def _search(want: Want, headers: Mapping[str, str], number: int) -> Call:
    params = {
        "page_size": _PAGE_ITEMS,
        **want.parameters,
        "revision_date[]": f"{rfc3339(_since(want))},{rfc3339(want.window.end)}",
    }
    if _by_number(want):
        params["page_num"] = number
    return Call(f"/{want.source.endpoint}", params, headers=dict(headers), read_timeout=200.0)


def _deletions(want: Want) -> Call | None:
    """CMR takes only the date from which deletions are listed, and one within a year."""
    collection = want.parameters.get("collection_concept_id")
    oldest = datetime.now(UTC) - _DELETIONS_KEPT
    if collection is None or want.window.end <= oldest:
        return None
    since = rfc3339(max(_since(want), oldest))
    params = {"revision_date": since, "parent_collection_id": collection}
    return Call("/deleted-granules.json", params, headers={"Client-Id": "headgate"}, read_timeout=200.0)


def _since(want: Want) -> datetime:
    return want.window.start - timedelta(seconds=want.source.overlap)


def _deleted(items: Iterator[Json], end: str) -> Iterator[dict[str, Any]]:
    """What was deleted later belongs to a later window, which knows whether it came back."""
    limit = datetime.fromisoformat(end)
    for item in items:
        deleted = datetime.fromisoformat(item["revision-date"])
        if deleted < limit:
            yield {
                "concept-id": item["concept-id"],
                "collection-concept-id": item.get("parent-collection-id"),
                "provider-id": item.get("provider-id"),
                "granule-ur": item.get("granule-ur"),
                "revision-date": deleted.isoformat(),
                "deleted-at": deleted.isoformat(),
            }


def _of_umm(item: Json) -> dict[str, Any]:
    meta, umm = item["meta"], item["umm"]
    begin, end = _times(umm.get("TemporalExtent") or {})
    data = umm.get("DataGranule") or {}
    collection = umm.get("CollectionReference") or {}
    return {
        **{name: meta.get(name) for name in ("concept-id", "revision-id", "revision-date")},
        **{name: meta.get(name) for name in ("collection-concept-id", "provider-id", "native-id")},
        "collection": collection.get("ShortName"),
        "collection-version": collection.get("Version"),
        "granule-ur": umm.get("GranuleUR"),
        "time-start": begin,
        "time-end": end,
        "day-night-flag": data.get("DayNightFlag"),
        "production-date": data.get("ProductionDateTime"),
        "provider-updated": _provider_updated(umm.get("ProviderDates") or ()),
        "cloud-cover": umm.get("CloudCover"),
        "size-mb": _size(data.get("ArchiveAndDistributionInformation") or ()),
        "footprint": _umm_footprint(umm.get("SpatialExtent") or {}),
        "data-url": _related(umm, "GET DATA"),
        "s3-url": _related(umm, "GET DATA VIA DIRECT ACCESS"),
        "browse-url": _related(umm, "GET RELATED VISUALIZATION"),
    }


def _of_entry(entry: Json) -> dict[str, Any]:
    links = [link for link in entry.get("links") or () if not link.get("inherited")]
    return {
        "concept-id": entry["id"],
        "collection-concept-id": entry.get("collection_concept_id"),
        "provider-id": entry.get("data_center"),
        "granule-ur": entry.get("title"),
        "time-start": entry.get("time_start"),
        "time-end": entry.get("time_end"),
        "day-night-flag": entry.get("day_night_flag"),
        "provider-updated": entry.get("updated"),
        "cloud-cover": entry.get("cloud_cover"),
        "size-mb": entry.get("granule_size"),
        "footprint": _entry_footprint(entry),
        "data-url": _link(links, "/data#"),
        "s3-url": _link(links, "/s3#"),
        "browse-url": _link(links, "/browse#"),
    }


def _of_stac(feature: Json) -> dict[str, Any]:
    known, assets = feature["properties"], feature.get("assets") or {}
    return {
        "concept-id": feature["id"],
        "collection-concept-id": feature.get("collection"),
        "time-start": known.get("start_datetime") or known.get("datetime"),
        "time-end": known.get("end_datetime"),
        "cloud-cover": known.get("eo:cloud_cover"),
        "footprint": _geojson_footprint(feature.get("geometry")),
        "data-url": (assets.get("data") or {}).get("href"),
        "browse-url": (assets.get("browse") or {}).get("href"),
    }


def _times(extent: Json) -> tuple[str | None, str | None]:
    single = extent.get("SingleDateTime")
    span = extent.get("RangeDateTime") or {}
    return single or span.get("BeginningDateTime"), single or span.get("EndingDateTime")


def _provider_updated(dates: Sequence[Json]) -> str | None:
    return max((item["Date"] for item in dates if item.get("Type") in ("Insert", "Update")), default=None)


def _size(files: Sequence[Json]) -> float | None:
    """MiB of all files: their bytes where given, else the size in the provider's unit."""
    sizes = [_file_size(file) for file in files]
    known = [size for size in sizes if size is not None]
    return round(sum(known), 6) if known else None


def _file_size(file: Json) -> float | None:
    if file.get("SizeInBytes") is not None:
        return float(file["SizeInBytes"]) / _MIB
    factor = _KILO.get(str(file.get("SizeUnit", "")).upper())
    return None if factor is None or file.get("Size") is None else float(file["Size"]) * factor


def _related(umm: Json, kind: str) -> str | None:
    return next((url["URL"] for url in umm.get("RelatedUrls") or () if url.get("Type") == kind), None)


def _link(links: Sequence[Json], ending: str) -> str | None:
    return next((str(link["href"]) for link in links if str(link.get("rel")).endswith(ending)), None)


Ring = Sequence[tuple[Any, Any]]  # longitude, latitude


def _umm_footprint(extent: Json) -> str | None:
    geometry = (extent.get("HorizontalSpatialDomain") or {}).get("Geometry") or {}
    rectangles = [
        _rectangle(*(box[f"{side}BoundingCoordinate"] for side in ("West", "South", "East", "North")))
        for box in geometry.get("BoundingRectangles") or ()
    ]
    polygons = [_ring(polygon["Boundary"]["Points"]) for polygon in geometry.get("GPolygons") or ()]
    points = _ring(geometry.get("Points") or ())
    return _multipolygon([*rectangles, *polygons]) or _multipoint(points)


def _entry_footprint(entry: Json) -> str | None:
    boxes = [_rectangle(box[1], box[0], box[3], box[2]) for box in map(str.split, entry.get("boxes") or ())]
    polygons = [_pairs(rings[0].split()) for rings in entry.get("polygons") or ()]
    points = [pair for text in entry.get("points") or () for pair in _pairs(text.split())]
    return _multipolygon([*boxes, *polygons]) or _multipoint(points)


def _geojson_footprint(geometry: Json | None) -> str | None:
    if not geometry:
        return None
    if geometry["type"] == "Point":
        return _multipoint([tuple(geometry["coordinates"][:2])])
    if geometry["type"] in ("Polygon", "MultiPolygon"):
        parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        return _multipolygon([[tuple(pair[:2]) for pair in rings[0]] for rings in parts])
    return None


def _ring(points: Sequence[Json]) -> Ring:
    return [(point["Longitude"], point["Latitude"]) for point in points]


def _pairs(numbers: Sequence[str]) -> Ring:
    """Latitudes and longitudes that alternate, as CMR writes them."""
    return list(zip(numbers[1::2], numbers[::2], strict=True))


def _rectangle(west: Any, south: Any, east: Any, north: Any) -> Ring:
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def _multipolygon(rings: Sequence[Ring]) -> str | None:
    return f"MULTIPOLYGON ({', '.join(f'(({_coordinates(ring)}))' for ring in rings)})" if rings else None


def _multipoint(points: Ring) -> str | None:
    return f"MULTIPOINT ({_coordinates(points)})" if points else None


def _coordinates(points: Ring) -> str:
    return ", ".join(f"{longitude} {latitude}" for longitude, latitude in points)
