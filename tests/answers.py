"""Answers of providers for tests without the framework: made up, or asked for over HTTP without limits."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx

from headgate.contract import Source
from headgate.sources.model import Answer, Call, Provider, Want, Window

FOLDER = Path(mkdtemp(prefix="headgate-answers-"))


def answer_of(
    body: bytes | str | Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    call: Call | None = None,
) -> Answer:
    """An answer with this body; mappings become JSON."""
    content = (
        body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    )
    digest = hashlib.sha256(content).hexdigest()
    path = FOLDER / f"{digest}.gz"
    path.write_bytes(gzip.compress(content, mtime=0))
    return Answer(call or Call("/"), status, headers or {}, path, len(content), digest, datetime.now(UTC))


class PlainAsker:
    """``provider.pages(PlainAsker(provider, address), want)``: one request a call, and its problem raised."""

    def __init__(self, provider: Provider, address: str) -> None:
        self.provider, self.address = provider, address
        self.calls: list[Call] = []

    def __call__(self, call: Call) -> Answer:
        self.calls.append(call)
        with httpx.Client(trust_env=False, timeout=30) as http:
            headers = {"Accept": "application/json", **call.headers}
            got = http.request(
                call.method,
                self.address + call.path,
                params=dict(call.params),
                json=call.json,
                headers=headers,
            )
        answer = answer_of(got.content, got.status_code, dict(got.headers), call)
        if (problem := self.provider.problem(answer)) is not None:
            raise problem
        got.raise_for_status()
        return answer


def want(provider: str, endpoint: str, first: date, last: date, **terms: Any) -> Want:
    """A window from ``first`` up to ``last``, which is not in it. ``slice`` and terms of the source."""
    slice = terms.pop("slice", {})
    start, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))
    return Want(Source(provider, endpoint, **terms), Window(start, end), slice)
