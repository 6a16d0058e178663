"""NCEI Access Data Service: wide rows of station data, every value a text.

https://www.ncei.noaa.gov/support/access-data-service-api-user-documentation
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, ClassVar

from headgate.contract import Source
from headgate.sources.model import Answer, Ask, Call, Limit, Page, Provider, Rejected, Unavailable, Want
from headgate.sources.providers.answers import not_data, short_object
from headgate.sources.providers.noaa_flags import named_flags
from headgate.sources.providers.terms import not_known, not_under_each

_ATTRIBUTES = "_ATTRIBUTES"
_MONTH = re.compile(r"\d{4}-\d{2}")
_YEAR = re.compile(r"\d{4}")


class Ncei(Provider):
    """Endpoint ``data``. The contract's ``each`` wants ``dataset``: it says what the flags mean.

    There are no pages, and large answers time out: a slice should be one station and at most a year.
    """

    name = "ncei"
    title = "NCEI Access Data Service"
    hosts: ClassVar[Mapping[str, str]] = {"api": "https://www.ncei.noaa.gov/access/services"}
    limits = (Limit(4, 1.0),)  # none is published; this is courtesy

    def mistakes(self, source: Source) -> Iterator[str]:
        """The dataset says what the flags mean, and no answer repeats it."""
        yield from not_known(source, "data")
        yield from not_under_each(source, "dataset")

    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        """One page: the days of the window, both ends inclusive."""
        days = {"startDate": f"{want.window.start:%Y-%m-%d}", "endDate": f"{want.window.last_day}"}
        params = {**want.parameters, **days, "format": "json"}
        yield Page("page-00001", ask(Call(f"/{want.source.endpoint}/v1", params, read_timeout=300.0)))

    def problem(self, answer: Answer) -> Exception | None:
        """HTML with status 200, and the service's own error, with whatever status."""
        message = _message(answer)
        if message is None:
            return not_data(answer, self.title, b"[")
        if answer.status >= 500 or answer.status == 429:
            return Unavailable(f"{self.title}: {message}")
        return Rejected(f"{self.title}: {message}")

    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        """A row for each station and date; months and years are dated by their first day."""
        import ijson

        for row in ijson.items(body, "item"):
            yield _record(row, where.get("dataset", ""))


def _record(row: Mapping[str, str], dataset: str) -> dict[str, Any]:
    record: dict[str, Any] = {"DATASET": dataset, **row, "DATE": _first_day(row["DATE"])}
    for name, attributes in row.items():
        element = name.removesuffix(_ATTRIBUTES)
        if element != name:
            del record[name]
            flags = named_flags(dataset, element, attributes)
            record |= {f"{element}_{flag.upper()}": text for flag, text in flags.items()}
    return record


def _first_day(date: str) -> str:
    if _MONTH.fullmatch(date):
        return f"{date}-01"
    return f"{date}-01-01" if _YEAR.fullmatch(date) else date


def _message(answer: Answer) -> str | None:
    """What an error says, with the fields that it names."""
    document = short_object(answer)
    if "errorMessage" not in document:
        return None
    fields = [str(error.get("message")) for error in document.get("errors") or () if isinstance(error, dict)]
    return "; ".join([str(document["errorMessage"]), *fields])
