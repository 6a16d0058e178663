"""What a contract and its provider make of a body, without a server: typed rows and rejects."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from headgate.contract import Contract, load_contract
from headgate.paths import datasets_dir
from headgate.records import Inspection, Limits, inspect_object, parse_chunk
from headgate.sources.keys import Place
from headgate.sources.model import Window

DAY = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))


@dataclass(frozen=True)
class Read:
    """The records of a body in their order: ``rows`` typed, ``rejects`` with all that is wrong with each."""

    inspection: Inspection
    rows: list[dict[str, Any]]  # `_row_number` and the contract's columns that the body has
    rejects: list[dict[str, Any]]  # `row_number`, `raw`, `rule`, `column`, `reason`, …

    @property
    def rescued(self) -> list[dict[str, Any]]:
        """What the contract does not know, of each row."""
        return [json.loads(row.get("_rescued") or "{}") for row in self.rows]


def contract_of(dataset: str) -> Contract:
    """A contract of the project."""
    return load_contract(datasets_dir() / f"{dataset}.yaml")


def landed_key(
    contract: Contract,
    slice: Mapping[str, str] | None = None,
    page: str = "page-00001",
    window: Window = DAY,
    suffix: str = "json",
) -> str:
    """The key that a fetch gives a page."""
    return contract.prefix + Place(window, slice or {}, page, suffix).path


def read(
    contract: Contract,
    body: bytes | str | list[Any] | dict[str, Any],
    slice: Mapping[str, str] | None = None,
    page: str = "page-00001",
    window: Window = DAY,
    *,
    chunk_bytes: int = 1 << 20,
) -> Read:
    """Inspect and parse a body as the road does with a landed one; ``Refused`` where that would be held."""
    if isinstance(body, list | dict):
        body = json.dumps(body, ensure_ascii=False)
    packed = gzip.compress(body.encode() if isinstance(body, str) else body, mtime=0)
    payloads: list[bytes] = []

    def sink(ordinal: int, payload: bytes) -> dict[str, Any]:
        payloads.append(payload)
        return {"ordinal": ordinal}

    inspection = inspect_object(
        io.BytesIO(packed),
        key=landed_key(contract, slice, page, window),
        size=len(packed),
        contract=contract,
        limits=Limits(chunk_bytes=chunk_bytes),
        sink=sink,
    )
    chunks = [
        parse_chunk(payload, plan, inspection, contract)
        for payload, plan in zip(payloads, inspection.chunks, strict=True)
    ]
    return Read(
        inspection,
        [row for chunk in chunks for row in chunk.table.to_pylist()],
        [row for chunk in chunks for row in chunk.rejects.to_pylist()],
    )
