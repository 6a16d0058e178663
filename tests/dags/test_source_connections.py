"""A provider's Airflow connection fills what the settings leave open."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection
from pydantic import SecretStr

from headgate.airflow_ext.hooks import source_settings
from headgate.settings import Settings


def given(**fields: object) -> Connection:
    return Connection(conn_id="headgate_source_lab", conn_type="http", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("connection", "values"),
    [
        (
            given(login="me", password="sesame"),
            {"client_id": "me", "client_secret": "sesame", "token": "sesame"},
        ),
        (
            given(password="sesame", extra=json.dumps({"url": "https://x.example", "token": "t", "no": 1})),
            {"client_secret": "sesame", "token": "t", "url": "https://x.example"},
        ),
        (given(), None),
    ],
)
def test_a_connection(
    connection: Connection, values: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HEADGATE_SOURCE_LAB", connection.as_json())
    found = source_settings(Settings(), "lab").source.get("lab")
    assert values == (found and {name: value.get_secret_value() for name, value in found.items()})


def test_without_a_connection_the_settings_stay() -> None:
    before = Settings()
    assert source_settings(before, "lab") is before


def test_what_is_set_goes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HEADGATE_SOURCE_LAB", given(password="other").as_json())
    before = Settings(source={"lab": {"token": SecretStr("sesame")}})
    assert source_settings(before, "lab") is before
