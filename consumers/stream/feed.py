"""One connection to the stream, read by a thread of its own.

The thread hands over what it reads through a queue that takes a few pieces. While nobody takes them it does
not read: the provider is held back, and cuts us in the end.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import structlog

from headgate.errors import Fatal, Retriable
from headgate.sources.credentials import Access, what_to_set
from headgate.sources.model import Provider, Unavailable

if TYPE_CHECKING:
    import httpx

log = structlog.get_logger("consumers.stream")

PATHS = {"ndjson": "/v1/combined", "sse": "/v1/sse/combined"}
SCOPE = "ais"
PIECES = 64  # in the queue, of 64 KiB at most
UNAUTHORIZED = 401


class StreamEnded(Retriable):
    """The provider has cut the connection, or nothing came for too long."""


@dataclass(frozen=True)
class Block:
    """Bytes of the stream, and when they came."""

    arrived: datetime
    data: bytes = field(repr=False)


class Source:
    """Opens connections to the live positions of BarentsWatch. ``access`` is read anew for each.

    ``form``: ``ndjson`` or ``sse``. ``patience``: seconds without a byte after which one is given up.
    """

    def __init__(self, provider: Provider, access: Callable[[], Access], form: str, patience: float) -> None:
        from headgate.sources.auth import Tokens

        self._provider, self._access = provider, access
        self._path, self._patience = PATHS[form], patience
        self._tokens = Tokens(provider, access)

    def open(self, since: datetime) -> Feed:
        """What the provider received after this moment, and goes on receiving.

        ``Unavailable`` when it gives none, also to a client that it refuses: its login may be in rotation.
        """
        try:
            return self._open(since)
        except Fatal as error:
            raise Unavailable(str(error)) from None

    def _open(self, since: datetime) -> Feed:
        with ExitStack() as opened:
            header = self._tokens.header(SCOPE)
            response = self._connect(opened, header, since)
            if response.status_code == UNAUTHORIZED:  # the token may have been withdrawn before its time
                opened.close()
                self._tokens.forget(SCOPE, header)
                response = self._connect(opened, self._tokens.header(SCOPE), since)
            self._expect_stream(response)
            return Feed(response, opened.pop_all())

    def _connect(self, opened: ExitStack, header: str, since: datetime) -> httpx.Response:
        import httpx

        access = self._access()
        client = opened.enter_context(httpx.Client(timeout=httpx.Timeout(30, read=self._patience)))
        request = client.stream(
            "GET",
            access.host("live") + self._path,
            params={
                "since": since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "modelType": "Full",
                "modelFormat": "Json",
            },
            headers={"Authorization": header, "Accept-Encoding": "identity"},
        )
        try:
            return opened.enter_context(request)
        except httpx.HTTPError as error:
            raise Unavailable(self._told(access.hidden(f"{type(error).__name__} {error}"))) from None

    def _expect_stream(self, response: httpx.Response) -> None:
        from headgate.sources.patience import named_wait

        status = response.status_code
        if status in (UNAUTHORIZED, 403):
            told = f"status {status}: {what_to_set(self._provider)}"
        elif status != 200:
            told = f"status {status}: {self._access().hidden(_beginning(response))}"
        elif "html" in response.headers.get("content-type", ""):
            told = "a web page in place of positions"
        else:
            return
        raise Unavailable(self._told(told), named_wait(response.headers))

    def _told(self, what: str) -> str:
        return f"{self._provider.title} gives no stream: {what}"


class Feed:
    """What one connection brings. Used as a context, which ends it."""

    def __init__(self, response: Any, opened: ExitStack) -> None:
        self._response, self._opened = response, opened
        self._pieces: queue.Queue[Block | StreamEnded] = queue.Queue(PIECES)
        self._closed = threading.Event()
        threading.Thread(target=self._read, name="stream", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()

    def next(self, seconds: float) -> Block | None:
        """The next piece; None when none came in this time. ``StreamEnded`` when there are no more."""
        try:
            piece = self._pieces.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(piece, StreamEnded):
            raise piece
        return piece

    def _read(self) -> None:
        reason = "the provider has ended the stream"
        try:
            with self._opened:
                for data in self._response.iter_bytes():
                    if not self._hand_over(Block(datetime.now(UTC), data)):
                        return
        except Exception as error:  # noqa: BLE001  whatever it is, somebody waits
            reason = f"the stream was cut: {type(error).__name__} {error}".rstrip()
        self._hand_over(StreamEnded(reason))

    def _hand_over(self, piece: Block | StreamEnded) -> bool:
        """Wait until there is room; False when the feed was closed meanwhile."""
        while not self._closed.is_set():
            try:
                self._pieces.put(piece, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False


def _beginning(response: httpx.Response) -> str:
    """The first characters of a refusal, as far as they come."""
    import httpx

    try:
        return next(response.iter_text(300), "").strip()
    except httpx.HTTPError:
        return "no words"
