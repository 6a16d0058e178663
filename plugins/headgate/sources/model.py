"""What the source framework and its providers say to each other.

A provider is one small class that knows an API: ``pages`` asks for what a contract wants and pages through
it, ``problem`` tells a failure from an answer, ``records`` reads a landed body. Authentication, limits,
retries, the breaker and the landing bucket are the framework's business.
"""

from __future__ import annotations

import gzip
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

from headgate.contract import Source
from headgate.errors import DataError, Retriable

Scalar = str | int | float | bool


class Unavailable(Retriable):
    """The provider fails or asks for patience. ``retry_after``: seconds that it named, if it did."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaUsed(Retriable):
    """Nothing more is to be had before long, for example today: the next interval goes on."""


class Rejected(DataError):
    """The provider understood the request and will not answer it; asking again changes nothing."""


@dataclass(frozen=True)
class Window:
    """A span of time, UTC, without its end."""

    start: datetime
    end: datetime

    @property
    def last_day(self) -> date:
        """For APIs whose ends are inclusive."""
        return (self.end - timedelta(microseconds=1)).date()


def rfc3339(moment: datetime) -> str:
    """In UTC and whole seconds, as APIs take it and records have it: ``2024-01-31T00:00:00Z``."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True)
class Want:
    """One thing to fetch: a window of a dataset, and of it one combination of the contract's ``each``."""

    source: Source
    window: Window
    slice: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """The contract's parameters with those of the slice."""
        return {**self.source.parameters, **self.slice}


@dataclass(frozen=True)
class Call:
    """One HTTP request, without what authenticates it.

    ``host`` is a key of the provider's ``hosts``; ``path`` is joined to its address. Values of ``params``
    may be lists (the parameter repeats). ``json`` is sent as the body of a POST.
    """

    path: str
    params: Mapping[str, Scalar | Sequence[Scalar]] = field(default_factory=dict)
    host: str = "api"
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    read_timeout: float = 60.0  # seconds without a byte


@dataclass(frozen=True)
class Answer:
    """What came back: the body is a gzip file on disk until the answer is closed over by its landing."""

    call: Call
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: Path  # gzip, made with mtime 0: the same bytes give the same file
    size: int  # bytes of the body as the provider sent it, after its transfer encoding
    sha256: str  # of these bytes, hex
    fetched_at: datetime
    from_cache: bool = False  # the provider said that it has not changed

    def open(self) -> IO[bytes]:
        """The body's bytes as a stream; the caller closes it."""
        return BufferedReader(gzip.open(self.body))

    def head(self, size: int = 65_536) -> bytes:
        """Its first bytes: enough to tell HTML from JSON, or to read an error."""
        with self.open() as stream:
            return stream.read(size)

    def json(self) -> Any:
        """The whole body decoded, for answers that are known to be small; else stream it by ``open``."""
        with self.open() as stream:
            return json.load(stream)

    @property
    def content_type(self) -> str:
        """Without its parameters, lower case."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


@dataclass(frozen=True)
class Page:
    """An answer to be landed under a name that is unique in its window and slice.

    ``page-00001`` and on, or ``name=value`` where a page is of one thing (``locality=13035``). ``suffix``:
    where it is not the provider's usual one.
    """

    name: str
    answer: Answer
    suffix: str = ""


@dataclass(frozen=True)
class Limit:
    """At most so many requests in so many seconds, over all processes."""

    requests: int
    seconds: float


Ask = Callable[[Call], Answer]
"""Does one call: waits for its turn, authenticates, tries again. Raises what ``Provider.problem`` says."""

Credential = Literal["none", "token", "client_credentials", "optional_token"]


class Provider(ABC):
    """How one API is asked and read. Stateless: one instance serves all datasets of a process."""

    name: ClassVar[str]  # its credentials, limits, breaker and Airflow pool bear it
    title: ClassVar[str]
    hosts: ClassVar[Mapping[str, str]]  # name to base address, overridden by settings
    limits: ClassVar[tuple[Limit, ...]] = ()
    tasks: ClassVar[int] = 2  # that may ask it at the same time: the size of its Airflow pool
    credential: ClassVar[Credential] = "none"
    token_path: ClassVar[str] = "/connect/token"  # noqa: S105 (below hosts["id"], for client_credentials)
    paged: ClassVar[frozenset[str]] = frozenset()  # endpoints whose answers come in pages
    suffix: ClassVar[str] = "json"  # of landed bodies, before .gz
    volatile: ClassVar[bool] = False  # bodies say when they were made: the same records in other bytes

    def mistakes(self, source: Source) -> Iterator[str]:
        """Why a contract's source cannot be asked for as it stands; ``contract check`` tells it."""
        return iter(())

    @abstractmethod
    def pages(self, ask: Ask, want: Want) -> Iterator[Page]:
        """Ask for everything that is wanted, page by page."""

    def problem(self, answer: Answer) -> Exception | None:
        """What is wrong with an answer that the status alone does not tell; else ``None``.

        Called for every answer, those with status 200 too. ``None`` for a bad status leaves it to the
        framework: 401 and 403 credentials, 429 and 5xx ``Unavailable``, other 4xx ``Rejected``.
        """
        return None

    @abstractmethod
    def records(self, where: Mapping[str, str], body: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        """The records of a landed body in its order, each flat, by the provider's own field names.

        ``where``: what the object's key says: slice and page (``name=value``), ``endpoint``,
        ``window_start`` and ``window_end`` (RFC 3339). Needs memory for a record, not for the body.
        Raises ``DataError`` for a body that is not what it should be.
        """

    def authenticate(self, call: Call, secret: Mapping[str, str]) -> Mapping[str, str]:
        """Headers that carry a plain token; OAuth clients are the framework's business."""
        return {}

    def token_scope(self, call: Call) -> str:
        """The OAuth scope that a call needs; one client serves one scope."""
        return ""
