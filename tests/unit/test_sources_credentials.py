"""Where addresses and credentials of providers come from, and what is said of those that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from headgate.errors import Fatal
from headgate.settings import read_settings
from headgate.sources.catalogue import PROVIDERS, provider
from headgate.sources.credentials import access, missing, required, what_to_set
from headgate.sources.model import Credential
from tests.integration.plain import Plain


class Lab(Plain):
    """With two hosts and a token."""

    name = "lab"
    title = "The lab"
    hosts: Mapping[str, str] = {"api": "https://api.example.com/v1/", "live": "https://live.example.com"}
    credential: Credential = "token"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_HOME", str(tmp_path))


def token() -> str:
    return access(Lab(), read_settings()).secret("token")


def test_the_nearest_place_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert token() == ""
    monkeypatch.setenv("HEADGATE_SOURCE", '{"lab": {"token": "setting"}}')
    assert token() == "setting"
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "headgate_source_lab_token").write_text("secret file\n")
    monkeypatch.setenv("HEADGATE_SECRETS_DIR", str(secrets))
    assert token() == "secret file"
    (tmp_path / "headgate.env").write_text("HEADGATE_SOURCE_LAB_TOKEN=stack\n")
    assert token() == "stack"
    (tmp_path / "stubs.env").write_text("HEADGATE_SOURCE_LAB_TOKEN=stubs\n")
    assert token() == "stubs"
    monkeypatch.setenv("HEADGATE_SOURCE_LAB_TOKEN", "environment")
    assert token() == "environment"


def test_addresses_of_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = access(Lab(), read_settings())
    assert found.hosts == {"api": "https://api.example.com/v1", "live": "https://live.example.com"}
    monkeypatch.setenv("HEADGATE_SOURCE_LAB_URL", "http://localhost:8000/api/")
    monkeypatch.setenv("HEADGATE_SOURCE_LAB_URL_LIVE", "http://localhost:8000/live")
    found = access(Lab(), read_settings())
    assert found.hosts == {"api": "http://localhost:8000/api", "live": "http://localhost:8000/live"}


@pytest.mark.parametrize(
    "address",
    ["localhost:8000", "ftp://x", "https://me:secret@x.example", "https://x?key=secret", "https://"],
)
def test_what_is_no_address_is_refused_without_being_repeated(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_SOURCE_LAB_URL", address)
    with pytest.raises(Fatal, match="HEADGATE_SOURCE_LAB_URL is no address") as raised:
        access(Lab(), read_settings())
    assert "secret" not in str(raised.value)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        Fatal, match="set HEADGATE_SOURCE_LAB_TOKEN, or Airflow's connection headgate_source_lab"
    ):
        required(Lab(), read_settings())
    monkeypatch.setenv("HEADGATE_SOURCE_LAB_TOKEN", "  ")
    assert missing(Lab(), access(Lab(), read_settings())) == ["HEADGATE_SOURCE_LAB_TOKEN"]
    assert "HEADGATE_SOURCE_LAB_TOKEN" in what_to_set(Lab())


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_SOURCE_LAB_TOKEN", "sesame")
    settings = read_settings().model_copy(update={"source": {"lab": {"token": SecretStr("sesame")}}})
    found = access(Lab(), settings)
    assert "sesame" not in repr(found) + repr(settings) + str(settings.model_dump())
    assert found.hidden("token sesame is at its limit") == "token … is at its limit"


def test_a_provider_that_nobody_knows() -> None:
    with pytest.raises(Fatal, match="no source provider 'nasa'; known are barentswatch, "):
        provider("nasa")


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_each_provider_is_what_its_name_says(name: str) -> None:
    found = provider(name)
    assert found.name == name
    assert found is provider(name)
    assert ("id" in found.hosts) == (found.credential == "client_credentials")
    assert all(host.startswith("https://") for host in found.hosts.values())
    assert found.tasks >= 1
