"""What contracts get wrong about a provider, for ``Provider.mistakes``."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.contract import Source


def not_known(source: Source, *endpoints: str) -> Iterator[str]:
    """When the source's endpoint is none of these."""
    if source.endpoint not in endpoints:
        yield f"{source.provider} has no endpoint {source.endpoint!r} here; known are {', '.join(endpoints)}"


def not_under_each(source: Source, *names: str) -> Iterator[str]:
    """Those that the contract has among its parameters, or not at all: no answer says them, the key must."""
    for name in names:
        if name not in source.each:
            yield f"{source.provider} {source.endpoint} needs `{name}` under `each`, as no answer says it"
