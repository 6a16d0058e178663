"""What a contract must ask for slice by slice: answers that do not repeat it are understood by their key."""

from __future__ import annotations

from headgate.errors import Fatal
from headgate.sources.model import Want


def require_each(want: Want, *names: str) -> None:
    """``Fatal`` when the contract has one of the names among its parameters, or not at all."""
    if missing := [f"`{name}`" for name in names if name not in want.slice]:
        raise Fatal(
            f"a source of {want.source.provider}, {want.source.endpoint}, needs {', '.join(missing)} under "
            "`each`, as the answers do not say it. Correct the contract."
        )
