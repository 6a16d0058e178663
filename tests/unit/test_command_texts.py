"""What commands about sources say, and what they refuse before they ask any server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import typer
from typer.testing import CliRunner

from headgate.cli.app import app
from headgate.cli.fetch import NOTHING, show_outcome
from headgate.contract import Source
from headgate.errors import DataError, Fatal
from headgate.sources.landing import Landed
from headgate.sources.model import Want, Window
from headgate.steps.fetch import Failed

DATES = ("--from", "2026-02-01", "--to", "2026-02-28")
WANT = Want(
    Source(provider="noaa_cdo", endpoint="data", window="month"),
    Window(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
    {},
)


@pytest.mark.parametrize("dates", [("--from", "yesterday"), ("--from", "2026-03-31", "--to", "2026-03-01")])
def test_a_run_of_wrong_dates_is_refused_before_airflow_is_asked(dates: tuple[str, ...]) -> None:
    outcome = CliRunner().invoke(app, ["run", "ghcn_daily", *dates])
    assert isinstance(outcome.exception, DataError)


def test_dates_of_a_dataset_that_is_not_fetched_are_refused() -> None:
    outcome = CliRunner().invoke(app, ["run", "egrid_plants", *DATES])
    assert isinstance(outcome.exception, Fatal)
    assert "takes no dates" in str(outcome.exception)


def test_the_next_command_asks_for_the_same_dates(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome("ghcn_daily", DATES, [(WANT, Landed(pages=2, pages_new=1))], json=False)
    told = capsys.readouterr()
    assert "1 of 1 windows landed: 2 pages, 1 with new content" in told.out
    assert "headgate run ghcn_daily --from 2026-02-01 --to 2026-02-28 --wait" in told.err


def test_nothing_to_ask_for_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome("ghcn_daily", DATES, [], json=False)
    assert capsys.readouterr().out.split() == NOTHING.split()


def test_who_reads_of_a_failure_reads_what_becomes_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        show_outcome("ghcn_daily", DATES, [(WANT, Failed("away", "down"))], json=False)
    told = capsys.readouterr().err
    assert "not fetched: down" in told
    assert "asked for again" in told
