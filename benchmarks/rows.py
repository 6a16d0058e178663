"""The files that are loaded: made by the block, the same bytes every time, and the truth about them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.shapes import DATASETS, Shape, shape_of

BLOCK: Final = 100_000
# Codes step through this prime's residues: unique, and in no order, as those of real files.
PRIME, STEP = 99_999_989, 48_271_117
CATEGORIES = {
    "coal": "COAL",
    "oil": "OIL",
    "gas": "GAS",
    "other_fossil": "OFSL",
    "nuclear": "NUCLEAR",
    "hydro": "HYDRO",
    "biomass": "BIOMASS",
    "wind": "WIND",
    "solar": "SOLAR",
    "geothermal": "GEOTHERMAL",
    "other_fuel": "OTHF",
}
FUELS = list(CATEGORIES)
PLACES = ("Cedar", "Eagle", "Grand", "Hoover", "Joliet", "Kings", "Lake", "North", "Palo", "Three")
NAMES = [
    f"{place} {kind}"
    for place in PLACES
    for kind in ("Creek Solar", "Point Wind Farm", "Power Station", "River Hydro", "Energy Center 2")
]
WORDS = {
    "state": ["AL", "AZ", "AR", "CA", "CO", "FL", "GA", "IL", "KS", "ME", "NY", "OH", "TX", "WA"],
    "plant_name": NAMES,
    "operator_name": [f"{place} Electric Power{tail}" for place in PLACES for tail in (" Co", "", ", Inc")],
    "utility_name": [f"{name} Utilities" for name in NAMES],
    "sector": ["Electric Utility", "IPP CHP", "IPP Non-CHP", "Industrial CHP"],
    "balancing_authority_name": ["Midcontinent ISO", "PJM Interconnection", "Southwest Power Pool"],
    "nerc_region": ["WECC", "SERC", "RFC", "MRO", "NPCC", "TRE", "NA"],
    "subregion": ["CAMX", "ERCT", "FRCC", "MROE", "NEWE", "NWPP", "RFCW", "SRSO"],
    "subregion_name": ["WECC California", "ERCOT All", "SERC South", "NPCC New England"],
    "county": ["Kern", "Los Angeles", "Worcester", "St. Mary's", "Yadkin", "Southeast Fairbanks"],
    "primary_fuel": ["SUB", "DFO", "NG", "BFG", "NUC", "WAT", "WDS", "WND", "SUN", "GEO", "OTH"],
    "quantity": ["temperature", "pressure", "humidity", "flow", "level", "speed"],
    "flag": ["ok", "estimated"],
}
# Values of a number: lowest, highest, digits after the point.
RANGES = {
    "latitude_deg": (25, 49, 6),
    "longitude_deg": (-124, -67, 6),
    "capacity_factor": (0, 1, 3),
    "nonbaseload_factor": (0, 1, 3),
    "nameplate_capacity_mw": (1, 2400, 1),
    "value": (-50, 1050, 2),
}
SELDOM = 0.35  # share of rows of the wide shape that have emissions, as most of eGRID's have none


@dataclass(frozen=True)
class Facts:
    """Rows, and for each column in order its values that are not null and their sum (text: of lengths)."""

    rows: int
    counts: list[int]
    sums: list[float]


def file_of(folder: Path, shape: str, rows: int, change: str) -> Path:
    """The CSV, made where it is missing, with its facts beside it."""
    path = folder / version() / f"{shape}-{rows}-{change}.csv"
    if not facts_path(path).exists():
        for outdated in folder.glob("*"):
            if outdated.name != version():
                shutil.rmtree(outdated)
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = write(path, shape_of(shape), rows, change)
        facts_path(path).write_text(json.dumps(asdict(facts)))
    return path


def facts_of(path: Path) -> Facts:
    return Facts(**json.loads(facts_path(path).read_text()))


def facts_path(path: Path) -> Path:
    return path.with_suffix(".json")


@cache
def version() -> str:
    """Changes with everything that makes the files."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(DATASETS.glob("*.yaml")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def write(path: Path, shape: Shape, rows: int, change: str) -> Facts:
    """Write the CSV block by block; its facts."""
    counts, sums = np.zeros(len(shape.columns), np.int64), np.zeros(len(shape.columns))
    with path.open("wb") as file:
        file.write((",".join(shape.columns) + "\n").encode())
        for start in range(0, rows, BLOCK):
            table = block(shape, start, min(BLOCK, rows - start), change)
            file.write(csv_text(table))
            counts += [len(column) - column.null_count for column in table.columns]
            sums += [total(column) for column in table.columns]
    return Facts(rows, counts.tolist(), sums.tolist())


def csv_text(table: pa.Table) -> memoryview:
    """CSV as most programs write it: a text is in quotes only where it must be."""
    cells = [quoted(column.combine_chunks().cast(pa.string())) for column in table.columns]
    lines = pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")
    text = pc.binary_join_element_wise(lines, "", "\n")
    return memoryview(text.buffers()[2])[: pc.sum(pc.binary_length(text)).as_py()]


def quoted(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.match_substring(texts, ","), pc.binary_join_element_wise('"', texts, '"', ""), texts)


def total(column: pa.ChunkedArray) -> float:
    """Sum of numbers, or of the lengths of texts."""
    numbers = pc.utf8_length(column) if pa.types.is_string(column.type) else column
    return float(pc.sum(numbers).as_py() or 0)


def block(shape: Shape, start: int, rows: int, change: str) -> pa.Table:
    """Rows from ``start`` on. Every change has the same rows but for what it revises."""
    made = Block(start, rows)
    columns = {name: made.column(name, kind, shape) for name, kind in shape.columns.items()}
    table = pa.table(columns)
    if change in ("all", "one_percent"):
        for name in shape.revised:
            table = revised(table, name, made.numbers % 100 == 37 if change == "one_percent" else None)
    if change == "none" and start == 0 and rows > 1:  # the same rows, and yet not the same bytes
        table = pa.concat_tables([table.slice(1, 1), table.slice(0, 1), table.slice(2)])
    return table


def revised(table: pa.Table, name: str, where: NDArray[np.bool_] | None) -> pa.Table:
    """One more in the column, in these rows or in all."""
    place = table.column_names.index(name)
    more = pc.round(pc.add(table[name], 1), 3)
    changed = more if where is None else pc.if_else(pa.array(where), more, table[name])
    return table.set_column(place, name, changed)


class Block:
    """Values of one block: of its random numbers, which its place decides on, and its row numbers."""

    def __init__(self, start: int, rows: int) -> None:
        self.numbers = np.arange(start, start + rows, dtype=np.int64)
        self.rows = rows
        self.random = np.random.default_rng(start)
        self.fuel = self.random.integers(0, len(FUELS), BLOCK)[:rows]
        self.generation = np.round(self.random.uniform(0, 40_000, BLOCK)[:rows], 3)
        self.seldom = self.random.random(BLOCK)[:rows] < SELDOM

    def column(self, name: str, kind: str, shape: Shape) -> pa.Array:
        """Values of a column, by its name and type."""
        if name in MAKERS:
            return MAKERS[name](self)
        if name in WORDS:
            return self.words(WORDS[name])
        fuel, _, what = name.partition("_generation_mwh" if name.endswith("_mwh") else "_share")
        if fuel in FUELS and not what:
            value = self.generation if name.endswith("_mwh") else 1.0
            return pa.array(np.where(self.fuel == FUELS.index(fuel), value, 0.0))
        match kind:
            case "text":
                return pa.array(["Yes", None]).take(pa.array(self.random.integers(0, 2, BLOCK)[: self.rows]))
            case "integer":
                return pa.array(self.random.integers(1, 12, BLOCK)[: self.rows].astype(np.int32))
            case _:
                always = name in RANGES or name in shape.revised or shape.name != "wide"
                return self.floats(*RANGES.get(name, (0, 50_000, 3)), always=always)

    def words(self, words: list[str]) -> pa.Array:
        return pa.array(words).take(pa.array(self.random.integers(0, len(words), BLOCK)[: self.rows]))

    def floats(self, low: float, high: float, digits: int, *, always: bool) -> pa.Array:
        values = np.round(self.random.uniform(low, high, BLOCK)[: self.rows], digits)
        return pa.array(values, mask=None if always else ~self.seldom)

    def numbered(self, words: list[str]) -> pa.Array:
        """Words with a number behind them: names of which most are not alike."""
        numbers = pa.array(self.numbers % 9_973).cast(pa.string())
        return pc.binary_join_element_wise(self.words(words), numbers, " ")


def codes(numbers: NDArray[np.int64]) -> pa.Array:
    return pa.array((numbers + 1) * STEP % PRIME).cast(pa.string())


MAKERS: Mapping[str, Callable[[Block], pa.Array]] = {
    "plant_code": lambda made: codes(made.numbers),
    "year": lambda made: pa.array((1996 + made.numbers // 36_000 % 30).astype(np.int32)),
    "sequence_number": lambda made: pa.array((made.numbers + 1).astype(np.int32)),
    "station": lambda made: codes(made.numbers // 24),
    "hour": lambda made: pa.array((made.numbers % 24).astype(np.int32)),
    "plant_name": lambda made: made.numbered(WORDS["plant_name"]),
    "net_generation_mwh": lambda made: pa.array(made.generation),
    "fuel_category": lambda made: pa.array(list(CATEGORIES.values())).take(pa.array(made.fuel)),
    "county_fips": lambda made: pc.utf8_lpad(pa.array(made.numbers % 840).cast(pa.string()), 3, "0"),
    "balancing_authority_code": lambda made: made.words(["MISO", "PJM", "SWPP", "CISO", "ERCO", "NA"]),
}
