"""Settings: named errors, no secret shown, a documentation page that is current."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.cli.settings import markdown_table, shown
from headgate.errors import Fatal
from headgate.settings import Settings, settings

PROJECT = Path(__file__).resolve().parents[2]


def test_the_page_of_settings_is_current() -> None:
    page = (PROJECT / "docs" / "settings.md").read_text()
    assert markdown_table() in page, "run: headgate settings --markdown, and put it into docs/settings.md"


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_LANES", "many")
    settings.cache_clear()
    with pytest.raises(Fatal, match="HEADGATE_LANES"):
        settings()
    settings.cache_clear()


def test_a_missing_connection_is_named_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"HEADGATE_AMQP_URL is not set.*headgate up"):
        Settings(_env_file=None, home=tmp_path, amqp_url="").require("amqp_url")


def test_a_secret_is_not_shown() -> None:
    given = Settings(_env_file=None, amqp_url="amqp://user:hunter2@host")
    assert "hunter2" not in str(shown(given.amqp_url)) + repr(given)


def test_the_home_follows_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADGATE_HOME", str(tmp_path / "elsewhere"))
    assert Settings(_env_file=None).home == tmp_path / "elsewhere"
