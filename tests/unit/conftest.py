"""What unit tests share."""

from __future__ import annotations


def pytest_configure() -> None:
    """Property tests are not timed: a shared machine makes a deadline of milliseconds fail by chance."""
    from hypothesis import settings

    settings.register_profile("headgate", deadline=None)
    settings.load_profile("headgate")
