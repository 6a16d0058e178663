"""What the tests of the records room share: a small contract, and reading an object from end to end."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from headgate.contract import Column, Contract, Derive, UnitRule
from headgate.records import Inspection, Limits, ParsedChunk, inspect_object, parse_chunk


def column(name: str, kind: str = "text", **more: Any) -> Column:
    """A column that is found under its own name in capitals."""
    return Column(name=name, type=kind, aliases=(name, name.upper()), **more)


PLANTS = Contract(
    dataset="plants",
    name="Plants",
    version="1.0.0",
    description="",
    schema="demo",
    table="plants",
    columns=(
        column("code", required=True, form="code"),
        replace(
            column("year", "integer", required=True),
            derive=(Derive("header", r"^SEQ(\d\d)$", 2000), Derive("key", r"((?:19|20)\d\d)")),
        ),
        column("name"),
        column("fips", pad=2),
        column("capacity", "double precision", null_tokens=("", "N/A", "--")),
        column("generation", "double precision"),
        replace(
            column("share", "double precision"),
            units=(UnitRule(factor=0.01, column="year", op="le", value=2016),),
        ),
        column("units", "smallint"),
        column("active", "boolean"),
        column("opened", "date"),
    ),
    key=("code", "year"),
    owner="tests",
    bucket="landing",
    prefix="plants/",
    formats=("csv", "tsv", "xlsx", "parquet", "ndjson"),
    drift="rescue",
)


@dataclass
class Read:
    """An object read from end to end."""

    inspection: Inspection
    chunks: list[ParsedChunk]
    payloads: list[bytes]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Accepted rows."""
        return [row for chunk in self.chunks for row in chunk.table.to_pylist()]

    @property
    def rejects(self) -> list[dict[str, Any]]:
        """Rejected rows."""
        return [row for chunk in self.chunks for row in chunk.rejects.to_pylist()]

    @property
    def rules(self) -> list[tuple[int, str]]:
        """Row number and first rule of the rejected rows."""
        return [(row["row_number"], row["rule"]) for row in self.rejects]

    @property
    def blank(self) -> int:
        """Blank records."""
        return sum(chunk.blank for chunk in self.chunks)

    @property
    def balanced(self) -> bool:
        """Whether every record that was cut is accepted, rejected or blank, each once."""
        accepted = [n for chunk in self.chunks for n in chunk.table["_row_number"].to_pylist()]
        numbers = accepted + [row["row_number"] for row in self.rejects]
        planned = sum(plan.records for plan in self.inspection.chunks)
        return len(set(numbers)) == len(numbers) and len(numbers) + self.blank == planned


def read(
    data: bytes,
    contract: Contract = PLANTS,
    key: str = "plants/plants_2018.csv",
    limits: Limits | None = None,
) -> Read:
    """Inspect and parse an object as the steps do."""
    staged: dict[int, bytes] = {}

    def sink(ordinal: int, payload: bytes) -> Mapping[str, Any]:
        staged[ordinal] = payload
        return {"ordinal": ordinal}

    inspection = inspect_object(
        io.BytesIO(data), key=key, size=len(data), contract=contract, limits=limits or Limits(), sink=sink
    )
    restored = Inspection.from_dict(inspection.to_dict())
    payloads = [
        staged[plan.source["ordinal"]] if plan.source else data[plan.offset : plan.offset + plan.length]
        for plan in inspection.chunks
    ]
    parsed = [
        parse_chunk(payload, plan, restored, contract)
        for payload, plan in zip(payloads, inspection.chunks, strict=True)
    ]
    return Read(inspection, parsed, payloads)


def text(*values: str | None) -> pa.Array:
    """A column of cell texts."""
    return pa.array(values, pa.string())
