"""What unit tests share: real eGRID files where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def egrid() -> Path:
    """Folder of real EPA files, which are no part of the project."""
    folder = Path(os.environ.get("HEADGATE_SHARED", CHECKOUT.parent / "shared")) / "data" / "egrid"
    if not folder.is_dir():
        pytest.skip(f"no real eGRID files in {folder}; HEADGATE_SHARED names another place")
    return folder


def pytest_configure() -> None:
    """Property tests are not timed: a shared machine makes a deadline of milliseconds fail by chance."""
    from hypothesis import settings

    settings.register_profile("headgate", deadline=None)
    settings.load_profile("headgate")
