"""Where a provider is asked, and what it lets us in by.

``HEADGATE_SOURCE_<PROVIDER>_URL`` (host ``api``), ``…_URL_<HOST>``, ``…_TOKEN``, ``…_CLIENT_ID`` and
``…_CLIENT_SECRET``: from the environment, else the files of the stack, else files of these names in
``HEADGATE_SECRETS_DIR``, else the setting ``source`` (which Airflow's connection fills).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import SecretStr

from headgate.errors import Fatal
from headgate.settings import Settings, settings_files
from headgate.sources.model import Credential, Provider

NEEDED: dict[Credential, tuple[str, ...]] = {
    "none": (),
    "token": ("token",),
    "client_credentials": ("client_id", "client_secret"),
    "optional_token": (),
}
TAKEN: dict[Credential, tuple[str, ...]] = NEEDED | {"optional_token": ("token",)}


@dataclass(frozen=True)
class Access:
    """A provider's addresses by name of host, without a slash at the end, and its secrets by name."""

    hosts: Mapping[str, str]
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)

    def host(self, name: str) -> str:
        """The address; ``Fatal`` when the provider has no such host."""
        if name not in self.hosts:
            raise Fatal(f"the provider has no host {name!r}; it has {', '.join(sorted(self.hosts))}")
        return self.hosts[name]

    def secret(self, name: str) -> str:
        """Its plain text; empty when it is not set."""
        return self.secrets[name].get_secret_value() if name in self.secrets else ""

    def hidden(self, text: str) -> str:
        """The text without any secret that stands in it."""
        for name in self.secrets:
            text = text.replace(self.secret(name), "…")
        return text


def access(provider: Provider, settings: Settings) -> Access:
    """As it is set now. ``Fatal`` names an address that is none."""
    found = _Values(provider.name, settings)
    hosts = {name: found.address(name) or address.rstrip("/") for name, address in provider.hosts.items()}
    secrets = {name: value for name in TAKEN[provider.credential] if (value := found.secret(name))}
    return Access(hosts, secrets)


def required(provider: Provider, settings: Settings) -> Access:
    """Like `access`; ``Fatal`` names the secrets that are missing."""
    found = access(provider, settings)
    if lacking := missing(provider, found):
        raise Fatal(
            f"{provider.title} wants credentials: set {' and '.join(lacking)}, {or_connection(provider)}"
        )
    return found


def missing(provider: Provider, found: Access) -> list[str]:
    """Variables of the secrets that a provider cannot be asked without and that are not set."""
    return [
        variable(provider.name, name) for name in NEEDED[provider.credential] if name not in found.secrets
    ]


def what_to_set(provider: Provider) -> str:
    """Where a person corrects what the provider refuses."""
    names = " and ".join(variable(provider.name, name) for name in TAKEN[provider.credential])
    return f"correct {names}, {or_connection(provider)}"


def or_connection(provider: Provider) -> str:
    """The other place for credentials, in words."""
    return f"or Airflow's connection {connection_id(provider.name)}"


def variable(provider: str, name: str) -> str:
    """The environment variable of a value, for example ``HEADGATE_SOURCE_NOAA_CDO_TOKEN``."""
    return f"HEADGATE_SOURCE_{provider}_{name}".upper()


def connection_id(provider: str) -> str:
    """The Airflow connection that may hold the same values."""
    return f"headgate_source_{provider}"


class _Values:
    """What is set for one provider, by name in lower case."""

    def __init__(self, provider: str, settings: Settings) -> None:
        self._provider, self._folder = provider, settings.secrets_dir
        self._files: dict[str, str | None] = {}
        for path in settings_files():
            self._files |= dotenv_values(path)
        self._others = settings.source.get(provider, {})

    def address(self, host: str) -> str:
        """Of a host, without a slash at the end; empty when the provider's own is to be taken."""
        names = (["url"] if host == "api" else []) + [f"url_{host}"]
        for name in names:
            if text := self._text(name):
                return _checked(text, variable(self._provider, name)).rstrip("/")
        return ""

    def secret(self, name: str) -> SecretStr | None:
        text = self._text(name)
        if not text.isprintable() or (name == "token" and not text.isascii()):
            raise Fatal(f"{variable(self._provider, name)} holds what no secret has, such as a second line")
        return SecretStr(text) if text else None

    def _text(self, name: str) -> str:
        by = variable(self._provider, name)
        other = self._others.get(name)
        found = os.environ.get(by) or self._files.get(by) or self._file(by)
        return (found or (other.get_secret_value() if other else "")).strip()

    def _file(self, name: str) -> str:
        places = [self._folder / name, self._folder / name.lower()] if self._folder else []
        return next((place.read_text(encoding="utf-8") for place in places if place.is_file()), "")


def _checked(address: str, name: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise Fatal(f"{name} is no address: it looks like https://host/path, without credentials or query")
    return address
