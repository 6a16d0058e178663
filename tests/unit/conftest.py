"""What unit tests share."""

from __future__ import annotations


def pytest_configure() -> None:
    """Property tests are not timed: a shared machine makes a limit of milliseconds fail by chance."""
    from hypothesis import HealthCheck, settings

    settings.register_profile("headgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("headgate")
