"""The settings by which Headgate asks the stubs in the place of the providers."""

from __future__ import annotations

from headgate.sources.catalogue import PROVIDERS, provider
from tests.stubs.app import modules


def settings_of(url: str) -> dict[str, str]:
    """Addresses and logins, by the names of their settings, of stubs whose root is ``url``."""
    return {**addresses(url), **credentials()}


def addresses(url: str) -> dict[str, str]:
    """``HEADGATE_SOURCE_<PROVIDER>_URL``, or ``…_URL_<HOST>`` for a host that is not its API."""
    found = {}
    for name in PROVIDERS:
        for host in provider(name).hosts:
            ending = "" if host == "api" else f"_{host.upper()}"
            found[f"HEADGATE_SOURCE_{name.upper()}_URL{ending}"] = f"{url}/{name}/{host}"
    return found


def credentials() -> dict[str, str]:
    """``CREDENTIALS`` of the stubs' modules: what they take for a login."""
    found: dict[str, str] = {}
    for module in modules():
        found |= getattr(module, "CREDENTIALS", {})
    return found
