"""The demonstration of the API sources tells when a part of it did not work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headgate.cli import demo_apis
from headgate.errors import Fatal


def test_a_stream_that_ends_without_rows_ends_the_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    monkeypatch.setattr(demo_apis.subprocess, "Popen", lambda _: ended)
    monkeypatch.setattr(demo_apis, "rows_of", lambda _: 0)
    with pytest.raises(Fatal, match="brought no 2,000 rows"):
        demo_apis.follow_the_stream()
    assert ended.returncode is not None
