"""``headgate fetch`` against a real HTTP server: what it lists, what it lands, and how it ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from headgate.cli import data
from headgate.cli.app import app
from tests.conftest import Environment
from tests.integration.test_fetch import TinyRoad, make
from tests.tiny import DATASET, TinyServer, tiny, tiny_server

__all__ = ["tiny", "tiny_server"]
DAYS = ("--from", "2024-01-01", "--to", "2024-01-02")


@pytest.fixture
def road(
    environment: Environment, tiny_server: TinyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TinyRoad:
    """The contract is a file of the project, too, and nobody waits for a provider that is away."""
    made = make(environment, tmp_path)
    monkeypatch.setattr("headgate.paths.datasets_dir", lambda: tmp_path)
    (tmp_path / f"{DATASET}.yaml").write_text(yaml.safe_dump(dict(made.contract.document)))
    monkeypatch.setenv("HEADGATE_SOURCES_ATTEMPTS", "1")
    from headgate.settings import settings

    settings.cache_clear()
    return made


def run(*arguments: str) -> tuple[int, Any]:
    outcome = CliRunner().invoke(app, ["fetch", DATASET, *arguments, "--json"], catch_exceptions=False)
    lines = outcome.stdout.splitlines()
    begin = next(place for place, line in enumerate(lines) if line in ("{", "[", "[]"))  # behind the log
    return outcome.exit_code, json.loads("\n".join(lines[begin:]))


def test_it_lists_what_it_would_ask_for_then_lands_it_and_a_run_loads_it(
    road: TinyRoad, tiny_server: TinyServer
) -> None:
    tiny_server.put("a", "2024-01-01", 1, 2, 3)

    _, listed = run(*DAYS, "--dry-run")
    assert [(one["start"][:10], one["slice"]["place"], one["why"]) for one in listed] == [
        ("2024-01-01", "a", "missing"),
        ("2024-01-01", "b", "missing"),
        ("2024-01-02", "a", "missing"),
        ("2024-01-02", "b", "missing"),
    ]
    assert tiny_server.asked == []

    code, told = run(*DAYS)
    assert (code, told) == (
        0,
        {"dataset": DATASET, "windows": 4, "landed": 4, "pages": 5, "pages_new": 5, "failed": []},
    )
    assert run(*DAYS)[1]["windows"] == 0
    assert len(road.landed()) == 5
    _, again = run(*DAYS, "--dry-run", "--refetch")
    assert {one["why"] for one in again} == {"landed for good"}
    assert run(*DAYS, "--refetch")[1]["pages_new"] == 0


def test_what_cannot_be_had_is_told_with_the_reason(road: TinyRoad, tiny_server: TinyServer) -> None:
    tiny_server.faults = {2: (400, "place b is not known")}
    code, told = run(*DAYS)
    assert (code, told["landed"], len(told["failed"])) == (1, 3, 1)
    assert told["failed"][0]["fault"] == "rejected"
    assert "place b is not known" in told["failed"][0]["reason"]
    assert [one["why"] for one in run(*DAYS, "--dry-run")[1]] == ["failed before"]


def test_dates_that_are_none_are_said_to_be_so(road: TinyRoad) -> None:
    outcome = CliRunner().invoke(app, ["fetch", DATASET, "--from", "yesterday"])
    assert "'yesterday' is no day and no moment" in str(outcome.exception)
    outcome = CliRunner().invoke(app, ["fetch", DATASET, "--to", "2024-01-02"])
    assert "has no `since`" in str(outcome.exception)
    assert data.contract_of(DATASET).source is not None


def test_only_what_goes_on_from_the_run_before_counts_as_how_far_a_dataset_is(
    road: TinyRoad, tiny_server: TinyServer
) -> None:
    day = datetime(2024, 1, 5, tzinfo=UTC)
    run(*DAYS)
    road.fetch(road.request("2024-01-03", "2024-01-03"))
    road.kind, road.interval = "backfill", (day - timedelta(days=1), day)
    road.fetch(road.request())
    assert road.rows("SELECT DISTINCT routine FROM headgate.fetch") == [(False,)]
    road.kind, road.interval = "scheduled", (day, day + timedelta(days=1))
    road.fetch(road.request())
    assert road.rows("SELECT DISTINCT window_start FROM headgate.fetch WHERE routine") == [(day,)]
