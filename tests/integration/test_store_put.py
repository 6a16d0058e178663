"""``headgate put`` against a real store, as a program."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headgate.cli.data import contract_of, periods_that_touch
from headgate.errors import Fatal
from headgate.paths import datasets_dir
from headgate.store import ObjectStore
from tests.conftest import Environment

HEADGATE = Path(sys.executable).with_name("headgate")


@pytest.fixture
def landing(environment: Environment) -> str:
    """The bucket that the plants contract names, made for this test where it is not there yet."""
    client = environment.buckets.client
    bucket = contract_of("egrid_plants").bucket
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket)
    return bucket


def put(environment: Environment, *arguments: object) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [HEADGATE, "put", *map(str, arguments)],
        env={**os.environ, **environment.variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def put_json(environment: Environment, *arguments: object) -> list[dict[str, Any]]:
    done = put(environment, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_file_lands_under_its_prefix_and_the_same_bytes_are_not_uploaded_again(
    environment: Environment, landing: str, tmp_path: Path
) -> None:
    path = tmp_path / f"{tmp_path.name}.csv"
    path.write_bytes(b"ORISPL,YEAR\n1,2023\n")

    first, again = (put_json(environment, "egrid_plants", path)[0] for _ in range(2))
    path.write_bytes(b"ORISPL,YEAR\n2,2023\n")  # the same size
    (changed,) = put_json(environment, "egrid_plants", path)

    assert first["key"] == f"egrid_plants/{path.name}"
    assert (first["uploaded"], again["uploaded"], changed["uploaded"]) == (True, False, True)
    assert first["sha256"] == hashlib.sha256(b"ORISPL,YEAR\n1,2023\n").hexdigest()
    store = ObjectStore.from_settings(environment.settings)
    assert store.read(landing, changed["key"]) == path.read_bytes()
    assert store.stat(landing, changed["key"]).etag == changed["etag"]


def test_a_key_may_be_given(environment: Environment, landing: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n")
    name = f"{tmp_path.name}/2023.csv"
    assert put_json(environment, "egrid_plants", path, "--as", name)[0]["key"] == f"egrid_plants/{name}"


def test_an_unknown_dataset_lists_the_known_ones(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n")
    done = put(environment, "nope", path)
    assert done.returncode == 1
    assert done.stdout == ""
    for path in datasets_dir().glob("*.yaml"):
        assert path.stem in done.stderr
    with pytest.raises(Fatal, match="no dataset"):
        contract_of("nope")


class Calendar:
    """A daily schedule at 06:00, answered as Airflow does: by the moment when a run is due."""

    def periods(self, dag_id: str, start: datetime, end: datetime) -> list[datetime]:
        due = datetime(2026, 1, 1, 6, tzinfo=UTC)
        dues = [due + timedelta(days=n) for n in range(1000)]
        return [moment - timedelta(days=1) for moment in dues if start <= moment <= end]


def test_a_backfill_covers_every_ended_period_that_touches_its_dates() -> None:
    start, end = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC)

    periods, due = periods_that_touch(Calendar(), "d", start, end)  # type: ignore[arg-type]

    assert [f"{moment:%m-%d %H}" for moment in periods] == ["01-31 06", "02-01 06", "02-02 06"]
    assert due == datetime(2026, 2, 3, 6, tzinfo=UTC)
    assert periods_that_touch(Calendar(), "d", datetime.now(UTC) + timedelta(days=1), end)[0] == []  # type: ignore[arg-type]
