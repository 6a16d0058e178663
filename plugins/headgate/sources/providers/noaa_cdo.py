"""NOAA Climate Data Online, API v2: station data as long rows, and lists of stations, datasets and the like.

https://www.ncdc.noaa.gov/cdo-web/webservices/v2
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, ClassVar
from urllib.parse import quote

from headgate.contract import Source
from headgate.errors import Fatal
from headgate.sources.credentials import what_to_set
from headgate.sources.model import (
    Answer,
    Ask,
    Call,
    Limit,
    Page,
    Provider,
    QuotaUsed,
    Rejected,
    Unavailable,
    Want,
)
from headgate.sources.providers.answers import not_data, short_object
from headgate.sources.providers.noaa_flags import named_flags
from headgate.sources.providers.terms import not_known, not_under_each

_PAGE_ROWS = 1000  # the most that the API gives
_PASSES = 3
_DAYS_LIMIT = re.compile(r"\bday\b|daily|10,?000", re.IGNORECASE)  # its exact words were never recorded
_PATIENCE = 1.0  # seconds; the API refuses more than 5 requests a second and names no time to wait


class NoaaCdo(Provider):
    """Endpoints are those of the API: ``data``, ``stations``, ``datasets``, …; all come in pages.

    ``data`` wants ``datasetid`` under the contract's ``each``: it says what the flags mean. A list with
    ``id`` under ``each`` is asked for one by one.
    """

    name = "noaa_cdo"
    title = "NOAA Climate Data Online"
    hosts: ClassVar[Mapping[str, str]] = {"api": "https://www.ncei.noaa.gov/cdo-web/api/v2"}
    limits = (Limit(5, 1.0), Limit(10_000, 86_400.0))
    tasks = 4
    credential = "token"
    paged = frozenset(
        {"data", "stations", "locations", "locationcategories", "datatypes", "datacategories", "datasets"}
    )

    def mistakes(self, source: Source) -> Iterator[str]:
        """The dataset says what the flags of data mean, and no answer repeats it."""
        yield from not_known(source, *sorted(self.paged))
        if source.endpoint == "data":
            yield from not_under_each(source, "datasetid")

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        """Pages until one is short. A list whose total changed on the way is read again from its start.

        What is read again comes as further pages: rows may have moved over a page's edge, and of two
        readings of a row the later one counts. The total is not used to find the end.
        """
        if "id" in want.slice:
            path = f"/{want.source.endpoint}/{quote(want.slice['id'], safe='')}"
            yield Page("page-00001", ask(Call(path)))
            return
        number = 0
        for _ in range(_PASSES):
            totals = set()
            for answer, total in self._listing(ask, want):
                number += 1
                totals |= {total}
                yield Page(f"page-{number:05}", answer)
            if len(totals) == 1:
                return

    def _listing(self, ask: Ask, want: Want) -> Iterator[tuple[Answer, int]]:
        """The pages, and what each says of the rows of all of them."""
        params = {"limit": _PAGE_ROWS, **_params(want)}
        offset = 1  # the API counts from 1
        while True:
            answer = ask(Call(f"/{want.source.endpoint}", {**params, "offset": offset}))
            found = _Found.of(answer, int(params["limit"]))
            yield answer, offset - 1 if found.total is None else found.total
            if found.rows < found.limit:
                return
            offset += found.rows

    def problem(self, answer: Answer) -> Exception | None:
        """HTML with status 200; errors in both shapes, their status a text; the limits a second and a day."""
        error = _error_of(answer)
        if error is None:
            return not_data(answer, self.title)
        status, message = error
        if status == 429 and _DAYS_LIMIT.search(message):
            return QuotaUsed(f"{self.title}: {message}")
        if status == 429 or status >= 500:
            return Unavailable(f"{self.title}: {message}", retry_after=_PATIENCE)
        if "token" in message.lower():
            return Fatal(f"{self.title}: {message} {what_to_set(self)}")
        return Rejected(f"{self.title}: {message}")

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        """Rows of ``results``; ``{}`` has none. Of ``data`` with the flags by name, see ``named_flags``."""
        import ijson

        if "id" in where:
            yield json.load(body)
            return
        for row in ijson.items(body, "results.item"):
            yield _with_flags(row, where) if where["endpoint"] == "data" else row

    def authenticate(self, call: Call, secret: Mapping[str, str]) -> Mapping[str, str]:
        """The header that every call needs."""
        return {"token": secret["token"]}


@dataclass(frozen=True)
class _Found:
    """What a page says of itself: its rows, the page size that was granted, the rows of all pages.

    ``{}`` stands for a page behind the last row, and says nothing of their number. Raises ``KeyError`` for an
    answer that is neither.
    """

    rows: int
    limit: int
    total: int | None

    @classmethod
    def of(cls, answer: Answer, limit: int) -> _Found:
        document = answer.json()
        if not document:
            return cls(0, limit, None)
        resultset = document["metadata"]["resultset"]
        return cls(len(document["results"]), int(resultset["limit"]), int(resultset["count"]))


def _params(want: Want) -> dict[str, Any]:
    """The contract's parameters; of data also the days of the window, both ends inclusive.

    The metadata are slow, and the only sign of a list that changes.
    """
    if want.source.endpoint != "data":
        return want.parameters
    days = {"startdate": f"{want.window.start:%Y-%m-%d}", "enddate": f"{want.window.last_day}"}
    return {**want.parameters, **days, "includemetadata": "true"}


def _with_flags(row: Mapping[str, Any], where: Mapping[str, str]) -> Mapping[str, Any]:
    dataset = where.get("datasetid", "")
    flags = named_flags(dataset, row["datatype"], row.get("attributes") or "")
    marks = {"trace": flags.get("measurement_flag") == "T", "quality_failed": bool(flags.get("quality_flag"))}
    return {"dataset": dataset, **row, **flags, **(marks if flags else {})}


def _error_of(answer: Answer) -> tuple[int, str] | None:
    """Status and text of an error, in either of the API's shapes; it may come with status 200."""
    document = short_object(answer)
    status = document.get("statusCode") or document.get("status")
    message = document.get("developerMessage") or document.get("message")
    if status is None or message is None:
        return None
    return int(status), str(message)
