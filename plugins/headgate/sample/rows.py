"""Rows in blocks: what differs from row to row, and the truth about them.

A block depends on the specification and its number only, so blocks are made one by one in bounded
memory. Keys are unique at any number of rows: plant codes step through all codes of a range.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from headgate.sample.energy import POOL, energy
from headgate.sample.places import PER_STATE, Places, places
from headgate.sample.spec import Spec

if TYPE_CHECKING:
    import pyarrow as pa

Ints = NDArray[np.int64]
BLOCK: Final = 16_384
GENERATORS_A_PLANT: Final = 3
_LARGEST_CODE: Final = 70_454
_WORDS: Final = tuple(
    map(
        str.strip,
        """
        Agrium Kenai\nAlakanuk\nBankhead\nCedar Creek\nDesert Sunlight\nEagle Point\nFort Peck\nGrand Coulee
        Hoover\nIron Gate\nJoliet\nKings Mountain\nLake Lure\nMcIntosh\nNorth Anna\nOak Hill\nPalo Duro
        Quail Brush\nRed Bluff\nSan Luis\nThree Rivers\nUpper Falls\nVogtle\nWillow Island\nYadkin\nZion
        St. Mary's\nO'Brien\nMartha's Vineyard\nRock River\nSweet  Water\nTwin Buttes\nWhite Oak\nBlue Earth
        Clear Lake\nDry Fork
        """.strip().splitlines(),
    )
)
_STRANGE_NAMES: Final = (
    "NA 1",
    "Tampa Electric Co NA 4",
    "H 4",
    "85 A",
    "1515 S Caron Road",
    "2 AC Station",
    "Escalante ",
    "AMP-Ohio Gas Turbines Galion ",
    "Kennedy  International Airport Cogen, Inc",
)


@dataclass
class Truth:
    """What a loader must end up with. Sums are over the good rows, exact to the thousandth."""

    rows: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    net_generation_thousandths: int = 0
    co2_thousandths: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Rows, rows that are good, bad ones by rule; MWh and short tons."""
        return {
            "rows": self.rows,
            "good": self.rows - self.bad.total(),
            "bad": self.bad.total(),
            "bad_by_rule": dict(sorted(self.bad.items())),
            "net_generation_mwh": self.net_generation_thousandths / 1000,
            "co2_short_tons": self.co2_thousandths / 1000,
        }


@dataclass(frozen=True)
class Pools:
    """The tables that rows draw from."""

    place: Places
    energy: pa.Table


@dataclass(frozen=True)
class Block:
    """Some thousand rows. ``place`` and ``energy`` are positions in the pools; arrays are of one length."""

    first: int  # 0-based number of the first row
    cells: Mapping[str, pa.Array]  # columns that differ from row to row, as text
    place: Ints
    energy: Ints
    bad: Mapping[str, NDArray[np.bool_]]  # rule to the rows that break it

    def __len__(self) -> int:
        return len(self.energy)


def pools(spec: Spec) -> Pools:
    """The pools of a specification."""
    return Pools(places(spec), energy(spec))


def blocks(spec: Spec, pool: Pools, truth: Truth) -> Iterator[Block]:
    """All blocks in order; ``truth`` is filled as they are made."""
    sums = _Sums(pool.energy)
    for first in range(0, spec.rows, BLOCK):
        block = _block(spec, pool, first, min(first + BLOCK, spec.rows))
        truth.rows += len(block)
        truth.bad.update({rule: int(rows.sum()) for rule, rows in block.bad.items() if rows.any()})
        sums.add(block, truth)
        yield block


class _Sums:
    """Net generation and CO2 of the pool in whole thousandths, so that sums of any length are exact."""

    def __init__(self, table: pa.Table) -> None:
        self._generation = _thousandths(table, "PLNGENAN" if "PLNGENAN" in table.column_names else "GENNTAN")
        self._co2 = _thousandths(table, "PLCO2AN") if "PLCO2AN" in table.column_names else None

    def add(self, block: Block, truth: Truth) -> None:
        good = block.energy[~np.any(list(block.bad.values()), axis=0)] if block.bad else block.energy
        truth.net_generation_thousandths += int(self._generation[good].sum())
        if self._co2 is not None:
            truth.co2_thousandths += int(self._co2[good].sum())


def _thousandths(table: pa.Table, name: str) -> Ints:
    values = table.column(name).to_numpy()
    return np.asarray(np.rint(np.nan_to_num(values) * 1000), dtype=np.int64)


def _block(spec: Spec, pool: Pools, first: int, stop: int) -> Block:
    rng = np.random.default_rng([spec.seed, 3, first // BLOCK])
    number = np.arange(first, stop, dtype=np.int64)
    bad = _bad(spec, first, stop)
    again = bad.get("unique_key", np.zeros(len(number), dtype=np.bool_))
    same = number - again  # a repeated key is that of the row before
    drawn = rng.integers(0, POOL, len(number))
    drawn = np.where(again, np.roll(drawn, 1), drawn)
    state = np.searchsorted(np.cumsum(pool.place.weights), (number + 0.5) / spec.rows).clip(
        max=len(pool.place.states) - 1
    )
    place = state * PER_STATE + rng.integers(0, PER_STATE, len(number))
    cells = _cells(spec, pool, number, same, state, drawn, bad)
    return Block(first, cells, place, drawn, bad)


def _bad(spec: Spec, first: int, stop: int) -> dict[str, NDArray[np.bool_]]:
    """Bad rows lie evenly over the file, never side by side, and take the rules in turn."""
    if not spec.bad:
        return {}
    low, high = first * spec.bad // spec.rows - 1, stop * spec.bad // spec.rows + 1
    order = np.arange(max(low, 0), min(high, spec.bad - 1) + 1)
    place = (2 * order + 1) * spec.rows // (2 * spec.bad)
    here = (place >= first) & (place < stop)
    order, place = order[here], place[here] - first
    kinds = spec.bad_kinds
    rule = order % len(kinds)
    # The first row of a block has no row before it that it could repeat.
    rule = np.where((place == 0) & (rule == kinds.index("unique_key")), kinds.index("state_known"), rule)
    masks = {kind: np.zeros(stop - first, dtype=np.bool_) for kind in kinds}
    for index, kind in enumerate(kinds):
        masks[kind][place[rule == index]] = True
    return masks


def _cells(
    spec: Spec,
    pool: Pools,
    number: Ints,
    same: Ints,
    state: Ints,
    drawn: Ints,
    bad: Mapping[str, NDArray[np.bool_]],
) -> dict[str, pa.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    sequence = pc.cast(pa.array(number + 1), pa.string())
    states = pa.array(np.array(pool.place.states, dtype=object)[state], pa.string())
    plant = same // GENERATORS_A_PLANT if spec.dataset == "egrid_generators" else same
    code = _plant_codes(spec, plant)
    cells = {
        "SEQPLT": sequence,
        "SEQGEN": sequence,
        "YEAR": _where(bad.get("year_range"), "1066", pa.repeat(str(spec.year), len(number))),
        "PSTATABB": _where(bad.get("state_known"), "ZZ", states),
        "PNAME": _names(spec, pool, plant, drawn),
        "ORISPL": _where(bad.get("required"), None, code),
    }
    if spec.dataset == "egrid_generators":
        cells["GENID"] = _generator_ids(pool, same, drawn)
    return cells


def _plant_codes(spec: Spec, plant: Ints) -> pa.Array:
    """Distinct codes in no visible order; two of 2010 and before have a decimal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = -(-spec.rows // GENERATORS_A_PLANT) if spec.dataset == "egrid_generators" else spec.rows
    size = max(_LARGEST_CODE, count + count // 4)
    step = int(size * 0.618) | 1
    while math.gcd(step, size) != 1:
        step += 2
    codes = pc.cast(pa.array(2 + (plant * step + spec.seed * 7919) % size), pa.string())
    if spec.year > 2010:
        return codes
    # Two codes of no other plant: the range of the others ends below them.
    parts = pa.array(["6204.1", "6204.2"]).take(pa.array(plant % 2))
    return pc.if_else(pa.array(np.isin(plant, (1, 2))), parts, codes)


def _names(spec: Spec, pool: Pools, plant: Ints, drawn: Ints) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    mixed = (plant * 2_654_435_761 + spec.seed) % 1_000_003
    word = pa.array(_WORDS).take(pa.array(mixed % len(_WORDS)))
    kind = pool.energy.column("_kind").combine_chunks()
    of = mixed % POOL if spec.dataset == "egrid_generators" else drawn
    number = pc.cast(pa.array(1 + plant // (7 * len(_WORDS))), pa.string())
    names = pc.binary_join_element_wise(word, kind.take(pa.array(of)), " ")
    numbered = pc.if_else(pa.array(mixed % 3 == 0), pc.binary_join_element_wise(names, number, " "), names)
    strange = pa.array(_STRANGE_NAMES).take(pa.array(mixed % len(_STRANGE_NAMES)))
    return pc.if_else(pa.array(mixed % 197 == 0), strange, numbered)


def _generator_ids(pool: Pools, same: Ints, drawn: Ints) -> pa.Array:
    """Ids of many styles, unlike each other within a plant."""
    import pyarrow as pa
    import pyarrow.compute as pc

    style = pool.energy.column("_id").combine_chunks().take(pa.array(drawn))
    number = pc.cast(pa.array(1 + same % GENERATORS_A_PLANT), pa.string())
    parts = pc.split_pattern(style, "{}")
    return pc.binary_join_element_wise(pc.list_element(parts, 0), number, pc.list_element(parts, 1), "")


def _where(rows: NDArray[np.bool_] | None, value: str | None, otherwise: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if rows is None or not rows.any():
        return otherwise
    return pc.if_else(pa.array(rows), pa.scalar(value, pa.string()), otherwise)
