"""Fixtures that several modules use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from headgate.db import connect
from tests.integration.staged import Road

if TYPE_CHECKING:
    from tests.conftest import Broker, Database
    from tests.integration.lab import Lab


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
