"""API sources through the real Airflow, from stub providers that misbehave as the real ones do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.conftest import Headgate
from tests.polling import eventually
from tests.stubs.host import Stubs

pytestmark = pytest.mark.timeout(3600)
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
LAST_MONTH = (YESTERDAY.replace(day=1) - timedelta(days=1)).replace(day=1)
INSERTED = "SELECT sum(inserted) AS n FROM headgate.books_run WHERE dataset = '{}'"
# A provider is given up and tried again after seconds, not minutes.
QUICK = {
    "HEADGATE_SOURCES_BACKOFF_SECONDS": "0.1",
    "HEADGATE_SOURCES_BREAKER_FAILURES": "3",
    "HEADGATE_SOURCES_BREAKER_SECONDS": "5",
}


@pytest.fixture(scope="module")
def providers(headgate: Headgate) -> Iterator[Stubs]:
    """What the stack asks in the place of the APIs."""
    with (headgate.home / "headgate.env").open("a") as settings:
        settings.writelines(f"{name}={value}\n" for name, value in QUICK.items())
    ports = json.loads((headgate.home / "ports.json").read_text())
    stubs = Stubs(f"http://127.0.0.1:{ports['stubs']}")
    yield stubs
    stubs.close()


@pytest.fixture
def stubs(providers: Stubs) -> Stubs:
    """In a world without faults."""
    providers.reset()
    return providers


def rows(headgate: Headgate, table: str, key: str, value: str) -> dict[str, Any]:
    """Every row's value by its key."""
    found = headgate.sql(f"SELECT concat_ws('|', {key}) AS key, {value}::text AS value FROM {table}")
    return {row["key"]: row["value"] for row in found}


def counted(books: Any) -> dict[str, int]:
    """Sums of the books of one run or of several; all of them balance."""
    several = books if isinstance(books, list) else [books]
    assert all(run["balanced"] and run["state"] == "success" for run in several)
    names = ("read", "inserted", "updated", "unchanged", "quarantined")
    return {name: sum(run["rows"][name] for run in several) for name in names}


def span(first: date, last: date) -> tuple[str, ...]:
    return "--from", str(first), "--to", str(last)


def test_a_provider_that_is_down_is_left_alone_and_told_about_once(headgate: Headgate, stubs: Stubs) -> None:
    days = span(LAST_MONTH, LAST_MONTH + timedelta(days=1))
    stubs.do("down", provider="nasa_power", seconds=3600)

    books = [headgate.run("power_daily", *days) for _ in range(2)]

    assert [run["state"] for run in books] == ["success", "success"]
    assert all("were not fetched" in run["reason"] for run in books)
    eventually(lambda: alerts(headgate, "nasa_power"), 300)

    stubs.do("down", provider="nasa_power", seconds=0)
    eventually(lambda: counted(headgate.run("power_daily", *days))["inserted"], 600)

    loaded = headgate.sql("SELECT count(*) AS n FROM climate.power_daily")[0]["n"]
    assert loaded == headgate.sql(INSERTED.format("power_daily"))[0]["n"]
    assert counted(headgate.run("power_daily", *days, "--refetch"))["read"] == 0
    eventually(lambda: [alert["state"] for alert in alerts(headgate, "nasa_power")] == ["resolved"], 300)


def alerts(headgate: Headgate, provider: str) -> list[Any]:
    """What people heard of a provider's breaker."""
    told = headgate.json("alerts", "list", "--state", "all", "--type", "source.opened")
    return [alert for alert in told if alert["detail"]["provider"] == provider]


@pytest.mark.parametrize(
    ("dataset", "provider", "fault"),
    [
        ("fish_health", "barentswatch", {"kind": "401", "after": 1}),  # its token expires
        ("geomet_daily", "geomet", {"kind": "cut", "after": 1}),
        ("globe_land_covers", "globe", {"kind": "html"}),
        ("daily_summaries", "ncei", {"kind": "429:1", "times": 2}),
    ],
)
def test_an_answer_that_is_none_loses_and_doubles_nothing(
    headgate: Headgate, stubs: Stubs, dataset: str, provider: str, fault: dict[str, Any]
) -> None:
    days = span(LAST_MONTH, LAST_MONTH + timedelta(days=20))
    stubs.do("fault", provider=provider, match=f"/{provider}/api", **fault)

    books = headgate.run(dataset, *days)

    assert not stubs.waiting(provider)
    assert books["fetched"]["failed"] == 0
    assert counted(books)["inserted"] > 0
    assert counted(headgate.run(dataset, *days, "--refetch"))["read"] == 0


def test_thirty_days_twice_over_and_corrections_a_day_later(headgate: Headgate, stubs: Stubs) -> None:
    key, table = "dataset, station_id, datatype, date", "climate.ghcn_daily"
    month = span(YESTERDAY - timedelta(days=29), YESTERDAY)

    first = headgate.json("backfill", "ghcn_daily", *month, "--wait")

    assert len(first) >= 30
    loaded = rows(headgate, table, key, "value")
    assert counted(first)["inserted"] == len(loaded) > 0
    state = rows(headgate, table, key, "_loaded_at")

    second = headgate.json("backfill", "ghcn_daily", *month, "--wait")

    assert counted(second) == counted(first)  # they are the same runs again
    assert rows(headgate, table, key, "_loaded_at") == state

    stubs.do("advance", days=1)
    stubs.do("correct", provider="noaa_cdo")
    books = headgate.run("ghcn_daily", *month)

    corrected = rows(headgate, table, key, "(value, attributes)")
    touched = {k for k, at in rows(headgate, table, key, "_loaded_at").items() if state.get(k, at) != at}
    assert counted(books)["updated"] == len(touched) > 0
    assert counted(books)["inserted"] == len(corrected) - len(loaded)
    assert counted(books)["quarantined"] == 0
