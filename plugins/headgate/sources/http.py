"""The HTTP client of one provider: httpx, with a cache where the provider's own headers allow one."""

from __future__ import annotations

import hashlib
import re
import time
from importlib.metadata import version
from pathlib import Path
from threading import Timer
from typing import Any, Final

import httpx
from hishel import CacheOptions, SqliteStorage
from hishel.httpx import CacheClient, CacheTransport

from headgate.settings import MIB

CONNECT_TIMEOUT: Final = 10.0  # seconds
CACHED_BODY: Final = 64 * MIB  # larger ones are not kept
CACHE_SIZE: Final = 512 * MIB
CACHE_AGE: Final = 7 * 86_400.0  # seconds
# Shared: what is `private` is not kept (RFC 9111, section 3); what answers a signed request never is.
KEPT: Final = CacheOptions(shared=True, supported_methods=["GET"], allow_stale=False)
ADDED: Final = re.compile(r"(^|, )no-(cache|store), headgate$")
NEVER_KEPT: Final = CacheOptions(supported_methods=[])


class Http(CacheClient):
    """Redirects are not followed here. ``cache``: of a file that processes share; nothing depends on it.

    Another version of hishel has another file, as it may not read this one's.
    """

    def __init__(self, cache: Path) -> None:
        super().__init__(
            storage=SqliteStorage(
                database_path=cache.with_name(f"{cache.name}-{version('hishel')}.sqlite"),
                default_ttl=CACHE_AGE,
                max_stream_size=CACHED_BODY,
                max_size=CACHE_SIZE,
            ),
            rfc=KEPT,
            headers={"User-Agent": f"headgate/{version('headgate')}", "Accept-Encoding": "gzip"},
            follow_redirects=False,
        )

    def send(self, request: httpx.Request, *args: Any, **kwargs: Any) -> httpx.Response:
        """Kept apart by what the headers ask for, too: some APIs name a page there, and no ``Vary``."""
        asked = [(name, value) for name, value in request.headers.multi_items() if name != "cookie"]
        key = hashlib.sha256(repr((str(request.url), asked)).encode()).hexdigest()
        request.extensions["caching"] = {**request.extensions.get("caching", {}), "key": key}
        return super().send(request, *args, **kwargs)

    def forget(self, request: httpx.Request) -> None:
        """What was kept of the answer to it."""
        assert self.storage is not None
        for entry in self.storage.get_entries(request.extensions["caching"]["key"]):
            self.storage.remove_entry(entry.id)

    def _init_transport(self, *args: Any, **kwargs: Any) -> httpx.BaseTransport:
        return _watched(super()._init_transport(*args, **kwargs))

    def _init_proxy_transport(self, *args: Any, **kwargs: Any) -> httpx.BaseTransport:
        return _watched(super()._init_proxy_transport(*args, **kwargs))


class Watched(httpx.BaseTransport):
    """Between cache and network: what the cache must not guess, and what only the framing tells."""

    def __init__(self, network: httpx.BaseTransport) -> None:
        self._network = network

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Without a named lifetime an answer is never fresh, and kept only if it can be asked whether it is.

        ``unframed``: it ends with its connection, so that nobody knows whether it is whole. It is not kept
        then, nor is a page for people: it would be the answer as long as its lifetime says.
        """
        response = self._in_time(request)
        response.extensions["unframed"] = (
            not {"content-length", "transfer-encoding"} & response.headers.keys()
        )
        _say_what_may_be_kept(response)
        return response

    def _in_time(self, request: httpx.Request) -> httpx.Response:
        """A time-out bounds the wait for a byte; headers that come byte by byte are cut off in this way."""
        seconds = longest(request.extensions["timeout"]["read"])
        latest = time.monotonic() + seconds
        late = Timer(seconds, self._network.close)
        late.start()
        try:
            return self._network.handle_request(request)
        except httpx.TransportError:
            if time.monotonic() >= latest:
                raise httpx.ReadTimeout("its headers took too long") from None
            raise
        finally:
            late.cancel()

    def close(self) -> None:
        """Of the network."""
        self._network.close()


def _say_what_may_be_kept(response: httpx.Response) -> None:
    headers, unchanged = response.headers, response.status_code == 304
    said = headers.get("cache-control", "")
    doubtful = response.extensions["unframed"] or "html" in headers.get("content-type", "")
    if doubtful and not unchanged:
        headers["cache-control"] = f"{said}, no-store, headgate".lstrip(", ")
        return
    if "max-age" in said or "s-maxage" in said or "expires" in headers:
        return
    if unchanged and not said:
        return  # what was said before stands
    can_be_asked = unchanged or "etag" in headers or "last-modified" in headers
    added = "no-cache" if can_be_asked else "no-store"
    headers["cache-control"] = f"{said}, {added}, headgate".lstrip(", ")


def sent_headers(response: httpx.Response) -> dict[str, str]:
    """By names in lower case, as the provider sent them: without what was added for the cache."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    named = ADDED.sub("", headers.pop("cache-control", ""))
    return headers | ({"cache-control": named} if named else {})


def longest(read: float) -> float:
    """Seconds after which a request has its answer's headers, or has failed."""
    return CONNECT_TIMEOUT + 2 * read


def timeouts(read: float) -> httpx.Timeout:
    """``read``: seconds without a byte."""
    return httpx.Timeout(read, connect=CONNECT_TIMEOUT, pool=CONNECT_TIMEOUT)


def _watched(transport: httpx.BaseTransport) -> httpx.BaseTransport:
    if isinstance(transport, CacheTransport):
        transport.next_transport = Watched(transport.next_transport)
    return transport
