"""The stubs as a process of their own, and a client of their controls."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from tests.polling import eventually
from tests.stubs.settings import settings_of

CHECKOUT = Path(__file__).resolve().parents[2]


class Stubs:
    """A running host. ``url`` is its root: ``<url>/<provider>/<host>`` is a provider's base address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=60)

    def address(self, provider: str, host: str = "api") -> str:
        """What stands for a provider's base address."""
        return f"{self.url}/{provider}/{host}"

    @property
    def settings(self) -> dict[str, str]:
        """``HEADGATE_SOURCE_…``: what Headgate finds them by."""
        return settings_of(self.url)

    def do(self, act: str, **arguments: Any) -> None:
        """``World``'s method of that name: ``advance``, ``correct``, ``vanish``, ``fault``, ``down``."""
        self._http.post(f"/control/{act}", json=arguments).raise_for_status()

    def reset(self, today: date | None = None) -> None:
        """A new world with that date, without calls and faults."""
        self.do("reset", start=today.isoformat() if today else None)

    def calls(self, provider: str, match: str = "") -> list[dict[str, Any]]:
        """What the provider was asked: ``at``, ``method``, ``path``, ``query``, ``status`` of each."""
        answer = self._http.get(f"/control/calls/{provider}", params={"match": match}).raise_for_status()
        return list(answer.json())

    def is_down(self, provider: str) -> bool:
        """Whether it still is, of those that were asked."""
        return provider in self._http.get("/control").json()["down"]

    def waiting(self, provider: str) -> bool:
        """Whether a fault waits for a call that has not come."""
        return provider in self._http.get("/control").json()["faults"]

    def answers(self) -> bool:
        try:
            return self._http.get("/control").is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self._http.close()


@contextmanager
def running_stubs(today: date | None = None) -> Iterator[Stubs]:
    """Serve the stubs until the end of the block, on a port that nobody else can take before they do."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, fd = listening.getsockname()[1], listening.fileno()
        command = [sys.executable, "-m", "tests.stubs", "--fd", str(fd)]
        process = subprocess.Popen(
            [*command, *(["--today", today.isoformat()] if today else [])],
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "plugins")))},
            pass_fds=[fd],
        )
    stubs = Stubs(f"http://127.0.0.1:{port}")
    try:
        eventually(lambda: stubs.answers() or process.poll() is not None, seconds=60)
        assert process.poll() is None, "the stubs did not start"
        yield stubs
    finally:
        stubs.close()
        process.kill()  # in good order it would wait for streams that go on for ever
        process.wait()
