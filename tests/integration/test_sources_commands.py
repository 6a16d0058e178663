"""``headgate sources`` and what ``headgate doctor`` says of credentials."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headgate.db import connect
from headgate.stack.doctor import Check, sources
from tests.integration.shell import HEADGATE

if TYPE_CHECKING:
    from tests.conftest import Database

TOKEN = "HEADGATE_SOURCE_NOAA_CDO_TOKEN"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_HOME", str(tmp_path))
    monkeypatch.delenv(TOKEN, raising=False)


def headgate(database: Database, *arguments: str, **variables: str) -> str:
    environment = os.environ | {"HEADGATE_DATABASE_URL": database.pipeline_url} | variables
    done = subprocess.run(
        [HEADGATE, "sources", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def listed(database: Database, **variables: str) -> dict[str, Any]:
    """What the list says of NOAA."""
    found = json.loads(headgate(database, "list", "--json", **variables))
    return {source["provider"]: source for source in found}["noaa_cdo"]


def test_a_breaker_by_hand(database: Database) -> None:
    assert listed(database)["state"] == "closed"
    assert "is not asked any more" in headgate(database, "open", "noaa_cdo")
    shown = listed(database)
    assert shown["state"] == "open by hand"
    assert "opened by" in shown["reason"]
    assert "open by hand since" in headgate(database, "list")
    headgate(database, "close", "noaa_cdo")
    assert listed(database)["state"] == "closed by hand"
    headgate(database, "reset", "noaa_cdo")
    assert listed(database)["state"] == "closed"
    with closing(connect(database.pipeline_url)) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT kind FROM headgate.event ORDER BY number")
        assert cursor.fetchall() == [("source.opened",), ("source.closed",)]


def test_the_list_says_what_is_missing_and_never_what_is_set(database: Database) -> None:
    assert listed(database)["credentials"] == "missing"
    assert f"noaa_cdo: set {TOKEN}\n" in headgate(database, "list")
    shown = listed(database, **{TOKEN: "sesame"})
    assert shown["credentials"] == "set"
    assert "sesame" not in str(shown)
    assert shown["limits"] == ["5 a second", "10,000 a day"]


def doctors_word() -> Check:
    return {check.name: check for check in sources()}["source noaa_cdo"]


def test_the_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = doctors_word()
    assert lacking.ok
    assert TOKEN in lacking.problem
    monkeypatch.setenv(TOKEN, "sesame")
    assert not doctors_word().problem
    monkeypatch.setenv("HEADGATE_SOURCE_NOAA_CDO_URL", "nowhere")
    assert not doctors_word().ok
