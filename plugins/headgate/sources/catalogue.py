"""The providers that are known, by name. Their modules are imported when they are asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from headgate.errors import Fatal
from headgate.sources.model import Provider

_ROOM = "headgate.sources.providers"
PROVIDERS = {
    "barentswatch": f"{_ROOM}.barentswatch:BarentsWatch",
    "barentswatch_ais": f"{_ROOM}.barentswatch:BarentsWatchAis",
    "climatedata": f"{_ROOM}.climatedata:ClimateData",
    "geomet": f"{_ROOM}.geomet:GeoMet",
    "globe": f"{_ROOM}.globe:Globe",
    "nasa_cmr": f"{_ROOM}.nasa_cmr:NasaCmr",
    "nasa_power": f"{_ROOM}.nasa_power:NasaPower",
    "ncei": f"{_ROOM}.ncei:Ncei",
    "noaa_cdo": f"{_ROOM}.noaa_cdo:NoaaCdo",
}
"""Name to ``module:Class``. One that is added here may be named in contracts."""


@cache
def provider(name: str) -> Provider:
    """The provider of this name; ``Fatal`` names those that are known."""
    if name not in PROVIDERS:
        raise Fatal(f"there is no source provider {name!r}; known are {', '.join(sorted(PROVIDERS))}")
    module, _, cls = PROVIDERS[name].partition(":")
    found: Provider = getattr(import_module(module), cls)()
    return found
