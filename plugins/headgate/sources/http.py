"""The HTTP client of one provider: httpx, with a cache where the provider's own headers allow one."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import httpx
from hishel import CacheOptions, SqliteStorage
from hishel.httpx import CacheClient, CacheTransport

from headgate.settings import MIB

CONNECT_TIMEOUT: Final = 10.0  # seconds
CACHED_BODY: Final = 64 * MIB  # larger ones are not kept
CACHE_SIZE: Final = 512 * MIB
CACHE_AGE: Final = 7 * 86_400.0  # seconds
# Shared: an answer to a request with Authorization is kept only where the provider says `public`,
# `must-revalidate` or `s-maxage` (RFC 9111, section 3.5).
KEPT: Final = CacheOptions(shared=True, supported_methods=["GET"], allow_stale=False)
NEVER_KEPT: Final = CacheOptions(supported_methods=[])


class Http(CacheClient):
    """Redirects are not followed here. ``cache``: a file that processes share; nothing depends on it."""

    def __init__(self, cache: Path) -> None:
        super().__init__(
            storage=SqliteStorage(
                database_path=cache,
                default_ttl=CACHE_AGE,
                max_stream_size=CACHED_BODY,
                max_size=CACHE_SIZE,
            ),
            rfc=KEPT,
            headers={"User-Agent": f"headgate/{version('headgate')}"},
            follow_redirects=False,
        )

    def _init_transport(self, *args: Any, **kwargs: Any) -> httpx.BaseTransport:
        return _watched(super()._init_transport(*args, **kwargs))

    def _init_proxy_transport(self, *args: Any, **kwargs: Any) -> httpx.BaseTransport:
        return _watched(super()._init_proxy_transport(*args, **kwargs))


class Watched(httpx.BaseTransport):
    """Between cache and network: what the cache must not guess, and what only the framing tells."""

    def __init__(self, network: httpx.BaseTransport) -> None:
        self._network = network

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Without a named lifetime no answer is fresh; ``unframed``: it ends with its connection."""
        response = self._network.handle_request(request)
        named = response.headers.get("cache-control", "")
        if "max-age" not in named and "s-maxage" not in named and "expires" not in response.headers:
            response.headers["cache-control"] = f"{named}, no-cache".lstrip(", ")
        framing = {"content-length", "transfer-encoding"}
        response.extensions["unframed"] = not framing & response.headers.keys()
        return response

    def close(self) -> None:
        """Of the network."""
        self._network.close()


def timeouts(read: float) -> httpx.Timeout:
    """``read``: seconds without a byte."""
    return httpx.Timeout(read, connect=CONNECT_TIMEOUT, pool=CONNECT_TIMEOUT)


def _watched(transport: httpx.BaseTransport) -> httpx.BaseTransport:
    if isinstance(transport, CacheTransport):
        transport.next_transport = Watched(transport.next_transport)
    return transport
