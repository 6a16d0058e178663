"""The settings by which Headgate asks the stubs in the place of the providers."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from headgate.sources.catalogue import PROVIDERS, provider
from tests.stubs.app import MODULES


def settings_of(url: str) -> dict[str, str]:
    """Addresses and logins, by the names of their settings, of stubs whose root is ``url``."""
    return {**addresses(url), **credentials()}


def addresses(url: str) -> dict[str, str]:
    """``HEADGATE_SOURCE_<PROVIDER>_URL``, or ``…_URL_<HOST>`` for a host that is not its API."""
    found = {}
    for name in filter(is_written, PROVIDERS):
        for host in provider(name).hosts:
            ending = "" if host == "api" else f"_{host.upper()}"
            found[f"HEADGATE_SOURCE_{name.upper()}_URL{ending}"] = f"{url}/{name}/{host}"
    return found


def is_written(name: str) -> bool:
    return find_spec(PROVIDERS[name].partition(":")[0]) is not None


def credentials() -> dict[str, str]:
    """``CREDENTIALS`` of the stubs' modules: what they take for a login."""
    found: dict[str, str] = {}
    for name in MODULES:
        if find_spec(f"tests.stubs.{name}") is not None:
            module = importlib.import_module(f"tests.stubs.{name}")
            found |= getattr(module, "CREDENTIALS", {})
    return found
