"""The three shapes of rows: their contracts in ``datasets/``, and what the plain tables take from them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from headgate.contract import contract_from_document

HERE = Path(__file__).resolve().parent
LANDING = "headgate-landing"
DATASETS = HERE / "datasets"
# What a revised file says anew: measurements, as EPA revises them. No index has them.
REVISED = {
    "narrow": ("value",),
    "mid": ("net_generation_mwh", "co2_short_tons"),
    "wide": ("nameplate_capacity_mw", "heat_input_mmbtu"),
}


@dataclass(frozen=True)
class Shape:
    """Columns with their types in the order of the file, primary key, and eight secondary indexes."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...]

    @property
    def revised(self) -> tuple[str, ...]:
        return REVISED[self.name]

    @property
    def ddl(self) -> str:
        """Columns and primary key of a plain table."""
        lines = [f"{name} {kind}" for name, kind in self.columns.items()]
        return ", ".join([*lines, f"PRIMARY KEY ({', '.join(self.key)})"])


@cache
def shape_of(name: str) -> Shape:
    """One of ``harness.SHAPES``."""
    contract = contract_from_document(template(name), name)
    return Shape(
        name=name,
        columns={column.name: column.type for column in contract.columns},
        key=tuple(contract.key),
        indexes=tuple(index.columns for index in contract.indexes),
    )


def document(shape: str, dataset: str) -> dict[str, Any]:
    """The contract of a dataset of this shape; without its indexes, which the workload decides on."""
    made = copy.deepcopy(template(shape)) | {"id": dataset, "name": dataset}
    made["servers"][0]["location"] = f"s3://{LANDING}/{dataset}/"
    made["schema"][0] |= {"name": dataset, "physicalName": f"bench.{dataset}"}
    made["customProperties"] = [p for p in made["customProperties"] if p["property"] != "indexes"]
    return made


def suite_of(shape: str) -> Path:
    """Its Great Expectations suite."""
    return HERE / "expectations" / f"{shape}.json"


@cache
def template(shape: str) -> dict[str, Any]:
    return dict(yaml.safe_load((DATASETS / f"{shape}.yaml").read_text()))
