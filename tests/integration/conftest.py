"""Fixtures that several modules use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import pytest

from headgate.db import connect
from tests.integration.staged import Road

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Broker, Database, Environment
    from tests.integration.lab import Lab
    from tests.integration.misbehaving import Misbehaving
    from tests.integration.plain import Opened
    from tests.stubs.host import Stubs


@pytest.fixture
def road(database: Database) -> Iterator[Road]:
    """A ledger, written by the pipeline's and the loader's roles."""
    with closing(connect(database.pipeline_url)) as pipeline, closing(connect(database.loader_url)) as loader:
        yield Road(pipeline, loader)


@pytest.fixture
def lab(database: Database, broker: Broker) -> Lab:
    """A dataset of three columns, its contract applied."""
    from tests.integration.lab import Lab

    made = Lab(database, broker)
    made.apply_contract()
    return made


@pytest.fixture
def consuming(environment: Environment) -> Iterator[None]:
    """A database consumer."""
    from tests.integration.road import consumer

    with consumer(environment):
        yield


@pytest.fixture
def world(stubs: Stubs, consuming: None, monkeypatch: pytest.MonkeyPatch) -> Stubs:
    """The stub providers, who are asked in the place of the real ones, on 10 March 2024; and a consumer."""
    stubs.reset(date(2024, 3, 10))
    for name, value in stubs.settings.items():
        monkeypatch.setenv(name, value)
    return stubs


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    """A provider's server that answers as it is told."""
    from tests.integration.misbehaving import misbehaving

    with misbehaving() as made:
        yield made


@pytest.fixture
def opened(
    database: Database, server: Misbehaving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Opened]:
    """Makes clients of that server."""
    from headgate.sources.credentials import variable
    from tests.integration.plain import Opened

    for name in ("url", "url_id"):
        monkeypatch.setenv(variable("plain", name), server.url)
    made = Opened(database.pipeline_url, tmp_path)
    yield made
    made.close()
