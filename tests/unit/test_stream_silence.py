"""People hear that the stream is silent, however long its provider wants to be left alone."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from typing import Any
from unittest.mock import Mock

import pytest

from consumers.stream import service
from consumers.stream.framing import Ndjson
from consumers.stream.gathering import Limits
from headgate.sources.model import Unavailable


def test_a_long_wait_that_the_provider_names_is_no_reason_to_be_silent_about_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unused(_: datetime) -> Any:
        return nullcontext()

    options = service.Options("ships", Ndjson, Limits(1, 1.0), silence=0.2)
    stream = service.Stream(options, Mock(), Mock(), unused, "test")
    told: list[str] = []

    def tell(_conn: object, _dataset: str, _seconds: float, reason: str) -> None:
        told.append(reason)
        stream.stop()

    monkeypatch.setattr(service.live, "tell_silence", tell)
    monkeypatch.setattr(service, "LONGEST_PAUSE_OF_PROVIDER", 0.1)
    stream._wait(Unavailable("come back later", retry_after=10.0))
    assert told == ["come back later"]
