"""What a contract must ask for slice by slice: answers that do not repeat it are understood by their key."""

from __future__ import annotations

from headgate.errors import Fatal
from headgate.sources.model import Want


def require_each(want: Want, name: str) -> None:
    """``Fatal`` when the contract has the name among its parameters, or not at all."""
    if name not in want.slice:
        raise Fatal(
            f"a source of {want.source.provider}, {want.source.endpoint}, needs `{name}` under `each`, "
            "as the answers do not say it. Correct the contract."
        )
