"""GLOBE: measurements of schools and volunteers, by protocol and the date that they were made on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, ClassVar

from headgate.contract import Source
from headgate.errors import DataError
from headgate.sources.model import Answer, Ask, Call, Limit, Page, Provider, Unavailable, Want
from headgate.sources.providers.answers import not_data

SUCCESS = "success"
OWN_ID = frozenset({"land_covers", "mosquito_habitat_mapper", "sky_conditions"})
"""Protocols whose records have an id of their own. That of others is made of what and who measured when."""

_AREAS = {"countrycode": "country/", "minlat": "lat/lon/", "userid": "userid/"}
_NOTHING = (None, "", "null")


class Globe(Provider):
    """``endpoint`` is a protocol, such as ``land_covers``. One body holds all of a window's days: no pages.

    ``parameters`` may name an area or a person: ``countrycode``, or ``minlat``, ``maxlat``, ``minlon`` and
    ``maxlon``, or ``userid``. Windows are whole days, by the date of measuring, which is all that can be
    asked for. Records have the fields of a result beside those of its ``data``.
    """

    name = "globe"
    title = "GLOBE"
    hosts: ClassVar[Mapping[str, str]] = {"api": "https://api.globe.gov/search/v1"}
    limits = (Limit(2, 1.0),)  # no limit is documented; a body may take the server minutes

    def mistakes(self, source: Source) -> Iterator[str]:
        """Measurements have a date to be asked by, so that parts of a day would be empty."""
        if source.window in ("hour", "interval"):
            yield f"GLOBE is asked for whole days: window {source.window} does not fit, take day or month"

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        """One body. If ``enddate`` still counts, nobody says: a day more is asked for, and left out later."""
        area = next((path for name, path in _AREAS.items() if name in want.parameters), "")
        asked = {
            "protocols": want.source.endpoint,
            "startdate": f"{want.window.start:%Y-%m-%d}",
            "enddate": f"{want.window.end:%Y-%m-%d}",
            "geojson": "FALSE",
            "sample": "FALSE",
            **want.parameters,
        }
        path = f"/measurement/protocol/measureddate/{area}"
        yield Page("page-00001", ask(Call(path, asked, read_timeout=600)))

    def problem(self, answer: Answer) -> Exception | None:
        """A failure comes with status 200, too; only its ``message`` tells."""
        import ijson

        if answer.status != 200:
            return None
        if (outage := not_data(answer, self.title, b"{")) is not None:
            return outage
        try:
            with answer.open() as body:
                message = next(ijson.items(body, "message"), "no message of success")
        except ijson.JSONError as error:
            return Unavailable(f"GLOBE answered with broken JSON: {error}")
        return None if message == SUCCESS else Unavailable(f"GLOBE reports: {message}")

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        """The results that were measured in the window."""
        import ijson

        protocol = where["endpoint"]
        start, end = where["window_start"][:10], where["window_end"][:10]
        for result in ijson.items(_checked(ijson.parse(body, use_float=True)), "results.item"):
            measured = result.get("measuredDate")
            if measured is None or start <= measured < end:
                yield _flat(result, protocol)


def _checked(events: Iterable[tuple[str, str, Any]]) -> Iterator[tuple[str, str, Any]]:
    """The events of a body that has results; ``DataError`` at the first that says otherwise, or at its end.

    A failure that is taken for an empty answer would let rows vanish.
    """
    found = False
    for prefix, event, value in events:
        if prefix == "message" and value != SUCCESS:
            raise DataError(f"the body is a report of GLOBE and no answer: {value}")
        found = found or (prefix, event) == ("results", "start_array")
        yield prefix, event, value
    if not found:
        raise DataError("the body is no answer of GLOBE: it has no results")


def _flat(result: Mapping[str, Any], protocol: str) -> dict[str, Any]:
    """The result's fields beside those of its data, whose names begin with the protocol's."""
    data = result.get("data") or {}
    record = {**{name: value for name, value in result.items() if name != "data"}, **data}
    if protocol not in OWN_ID:
        user = data.get(f"{protocol.replace('_', '')}Userid")
        record["userKey"] = 0 if user in _NOTHING else user
    return record
