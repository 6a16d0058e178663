"""Fixtures that several modules use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from headgate.db import connect
from tests.integration.staged import Road

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Broker, Database
    from tests.integration.lab import Lab
    from tests.integration.misbehaving import Misbehaving
    from tests.integration.plain import Opened


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
