"""Fixtures of the ledger's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from headgate.db import connect
from tests.integration.staged import Road

if TYPE_CHECKING:
    from tests.conftest import Database


@pytest.fixture
def road(database: Database) -> Iterator[Road]:
    """A ledger, written by the pipeline's and the loader's roles."""
    with closing(connect(database.pipeline_url)) as pipeline, closing(connect(database.loader_url)) as loader:
        yield Road(pipeline, loader)
