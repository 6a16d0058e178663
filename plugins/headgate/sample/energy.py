"""A pool of plants' and generators' figures: fuel, capacity, generation, emissions, rates and shares.

Figures hang together as in the real sheets: fuels add up to net generation, rates are emissions over
generation, shares follow the fuels. Scales are those of the year: percent until 2016, lb/GWh for
CH4 and N2O rates before 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headgate.sample.spec import Spec

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]
POOL: Final = 16_384  # rows repeat farther apart than compressors look back


class _Fuel(NamedTuple):
    category: str
    column: str  # of PLGENA and PL..PR
    codes: tuple[str, ...]
    kinds: tuple[str, ...]  # of the plant's name
    weight: float  # share of the plants
    capacity: float  # median, MW
    factor: float  # median capacity factor
    co2: float  # lb/MMBtu; 0 where nothing is burned
    prime_mover: str


_FUELS: Final = (
    _Fuel("COAL", "CL", ("BIT", "SUB", "LIG", "RC"), ("Power Plant", "Station"), 0.04, 400, 0.5, 206, "ST"),
    _Fuel(
        "OIL",
        "OL",
        ("DFO", "RFO", "KER"),
        ("Diesel", "Internal Combustion, City of"),
        0.09,
        6,
        0.03,
        161,
        "IC",
    ),
    _Fuel("GAS", "GS", ("NG",), ("Energy Center", "Generating Station, LLC"), 0.19, 60, 0.25, 117, "CT"),
    _Fuel("NUCLEAR", "NC", ("NUC",), ("Nuclear",), 0.006, 1900, 0.92, 0, "ST"),
    _Fuel("HYDRO", "HY", ("WAT",), ("Hydro", "Dam", "Falls"), 0.145, 8, 0.4, 0, "HY"),
    _Fuel(
        "BIOMASS", "BM", ("LFG", "WDS", "MSW", "BLQ"), ("Landfill Gas", "Mill, LLC"), 0.075, 7, 0.5, 115, "IC"
    ),
    _Fuel("WIND", "WI", ("WND",), ("Wind Farm", "Wind, LLC", "Wind Energy Project"), 0.12, 45, 0.33, 0, "WT"),
    _Fuel("SOLAR", "SO", ("SUN",), ("Solar", "Solar, LLC", "Solar Farm #2"), 0.31, 3, 0.21, 0, "PV"),
    _Fuel("GEOTHERMAL", "GT", ("GEO",), ("Geothermal",), 0.007, 25, 0.6, 0, "ST"),
    _Fuel("OTHF", "OP", ("MWH", "WH", "PUR"), ("Battery Storage", "Recovery"), 0.014, 5, 0.1, 0, "BA"),
    _Fuel("OFSL", "OF", ("OG", "TDF"), ("Refinery",), 0.003, 40, 0.4, 140, "ST"),
)
_RENEWABLE: Final = ("HY", "BM", "WI", "SO", "GT")
_COMBUSTION: Final = ("CL", "OL", "GS", "BM", "OF")
_ALL: Final = tuple(fuel.column for fuel in _FUELS)
_STATUSES: Final = ("OP", "RE", "SB", "IP", "P", "OS", "CN")


def energy(spec: Spec) -> pa.Table:
    """The pool of the dataset; ``_kind`` is the last part of the plant's name."""
    rng = np.random.default_rng([spec.seed, 2])
    pick = rng.choice(len(_FUELS), POOL, p=_normal([fuel.weight for fuel in _FUELS]))
    return _plants(spec, rng, pick) if spec.dataset == "egrid_plants" else _generators(spec, rng, pick)


def _generators(spec: Spec, rng: np.random.Generator, pick: NDArray[np.int64]) -> pa.Table:
    import pyarrow as pa

    capacity = _capacity(rng, pick, 0.4)
    generation = _generation(rng, pick, capacity)
    online = rng.integers(1925, spec.year + 3, POOL)
    retired = rng.random(POOL) < 0.12
    status = np.where(
        retired, "RE", np.array(_STATUSES)[rng.choice(7, POOL, p=(0.8, 0, 0.07, 0.03, 0.04, 0.04, 0.02))]
    )
    ids = ("{}", "GT{}", "ST{}", "0{}", "A{}", "U-{}", "WT{}00")
    return pa.table(
        {
            "_kind": _texts(pick, "kinds", rng),
            "_id": [ids[number] for number in rng.integers(0, len(ids), POOL)],
            "NUMUNT": rng.integers(1, 4, POOL),
            "GENSTAT": status.tolist(),
            "PRMVR": [_FUELS[number].prime_mover for number in pick],
            "FUELG1": _texts(pick, "codes", rng),
            "NAMEPCAP": _numbers(capacity),
            "CFACT": _numbers(_factor(generation, capacity)),
            "GENNTAN": _numbers(generation),
            "GENNTOZ": _numbers(generation * 0.43),
            "GENERSRC": [
                "EIA-923" if number else "Distributed from 923" for number in rng.integers(0, 3, POOL)
            ],
            "GENYRONL": online,
            "GENYRRET": pa.array(online + 45, mask=~retired),
        }
    )


def _plants(spec: Spec, rng: np.random.Generator, pick: NDArray[np.int64]) -> pa.Table:
    import pyarrow as pa

    capacity = _capacity(rng, pick, 1.0)
    generation = _generation(rng, pick, capacity)
    burned = _of(pick, "co2") > 0
    rate = np.where(burned, rng.normal(10_300, 1_500, POOL).clip(6_000, 20_000), np.nan)  # Btu/kWh
    heat = np.where(burned, (np.abs(generation) * rate / 1000).round(3), np.nan)  # MMBtu
    fuels = _by_fuel(rng, pick, generation)
    emissions = _emissions(spec, rng, pick, heat)
    units = rng.geometric(0.55, POOL).clip(1, 40)
    columns: dict[str, Any] = {
        "_kind": _texts(pick, "kinds", rng),
        "NUMUNT": units,
        "NUMGEN": units + (rng.random(POOL) < 0.1),
        "PLPRMFL": _texts(pick, "codes", rng),
        "PLFUELCT": [_FUELS[number].category for number in pick],
        "CAPFAC": _numbers(_factor(generation, capacity)),
        "NAMEPCAP": _numbers(capacity),
        "NBFACTOR": _numbers(np.where(burned, rng.random(POOL), np.nan)),
        "PLHTRT": _numbers(rate),
        "UNHGSRC": ["--"] * POOL,
    }
    columns |= _flags(spec, rng, pick) | _heat(heat, generation)
    columns |= _totals(spec, generation, fuels) | _rates(spec, generation, heat, emissions)
    columns |= {name: _numbers(value) for name, value in emissions.items()}
    return pa.table(columns | _unadjusted(rng, emissions, columns))


def _capacity(rng: np.random.Generator, pick: NDArray[np.int64], scale: float) -> Floats:
    return (_of(pick, "capacity") * scale * rng.lognormal(0, 0.9, POOL)).clip(0.1, 4500 * scale).round(1)


def _generation(rng: np.random.Generator, pick: NDArray[np.int64], capacity: Floats) -> Floats:
    """MWh; blank for a sixth of the plants, below 0 for a fiftieth, as with pumped storage."""
    factor = (_of(pick, "factor") * rng.lognormal(0, 0.35, POOL)).clip(0.0, 0.99)
    made = (capacity * 8760 * factor).round(3)
    kind = rng.random(POOL)
    made = np.where(kind < 0.02, -(made * 0.05).round(3), made)
    return np.where(kind > 0.833, np.nan, np.where(kind > 0.803, 0.0, made))


def _by_fuel(rng: np.random.Generator, pick: NDArray[np.int64], generation: Floats) -> dict[str, Floats]:
    """Net generation by fuel in MWh. A tenth of the burning plants use some oil as well."""
    made = {column: np.where(np.isnan(generation), np.nan, 0.0) for column in _ALL}
    second = np.where((rng.random(POOL) < 0.1) & (_of(pick, "co2") > 0), (generation * 0.02).round(3), 0.0)
    for number, fuel in enumerate(_FUELS):
        mine = pick == number
        made[fuel.column] = np.where(mine, generation - second, made[fuel.column])
    made["OL"] = made["OL"] + second
    return {column: value.round(3) for column, value in made.items()}


def _totals(spec: Spec, generation: Floats, fuels: dict[str, Floats]) -> dict[str, Any]:
    def total(columns: tuple[str, ...]) -> Floats:
        return np.asarray(np.sum([fuels[column] for column in columns], axis=0), dtype=np.float64)

    other = tuple(column for column in _ALL if column not in (*_RENEWABLE, "OP"))
    still = tuple(column for column in _ALL if column not in (*_COMBUSTION, "OP"))
    groups = {
        "TN": (*other, "OP"),
        "TR": _RENEWABLE,
        "TO": ("OP",),
        "TH": _RENEWABLE[1:],
        "CY": _COMBUSTION,
        "CN": (*still, "OP"),
        "CO": ("OP",),
    }
    parts = fuels | {name: total(columns) for name, columns in groups.items()}
    scale = 100.0 if spec.year <= 2016 else 1.0
    whole = np.where(generation > 0, generation, np.nan)
    columns: dict[str, Any] = {
        "PLNGENAN": _numbers(generation),
        "PLNGENOZ": _numbers(generation * 0.43),
        "PLNGENNB": _numbers(generation * 0.2),
    }
    for name, value in parts.items():
        columns[f"PLGENA{name}"] = _numbers(value)
        columns[f"PL{name}PR"] = _numbers(scale * value / whole, 10)
    return columns


def _heat(heat: Floats, generation: Floats) -> dict[str, Any]:
    whole = np.where(np.isnan(heat), np.abs(generation) * 9.7, heat)
    return {
        "PLHTIAN": _numbers(heat),
        "PLHTIOZ": _numbers(heat * 0.45),
        "PLHTIANT": _numbers(whole),
        "PLHTIOZT": _numbers(whole * 0.45),
    }


def _emissions(
    spec: Spec, rng: np.random.Generator, pick: NDArray[np.int64], heat: Floats
) -> dict[str, Floats]:
    """Short tons; CH4, N2O and Hg in pounds. Plants that burn nothing had 0 until 2016, then blanks."""
    nothing = np.where(_of(pick, "co2") > 0, 0.0, np.nan) if spec.year >= 2018 else np.zeros(POOL)
    burned = np.where(np.isnan(heat), nothing, heat)
    co2 = burned * _of(pick, "co2") / 2000
    ch4, n2o = burned * 0.0081, burned * 0.0011
    methane, nitrous = (21, 310) if spec.year <= 2016 else (25, 298) if spec.year < 2022 else (28, 265)
    nox = np.where(np.isnan(heat), np.nan, burned * rng.lognormal(-2.2, 0.7, POOL) / 2000)
    so2 = np.where(np.isnan(heat), np.nan, burned * rng.lognormal(-3.5, 1.2, POOL) / 2000)
    made = {
        "PLNOXAN": nox,
        "PLNOXOZ": nox * 0.44,
        "PLSO2AN": so2,
        "PLCO2AN": co2,
        "PLCH4AN": ch4,
        "PLN2OAN": n2o,
        "PLCO2EQA": co2 + (ch4 * methane + n2o * nitrous) / 2000,
        "PLHGAN": np.full(POOL, np.nan),
    }
    return {name: value.round(3) for name, value in made.items()}


def _rates(spec: Spec, generation: Floats, heat: Floats, emissions: dict[str, Floats]) -> dict[str, Any]:
    """Pounds by MWh of generation and by MMBtu of heat; 0 where generation is not above 0."""
    per_gwh = 1000.0 if spec.year < 2016 else 1.0
    amounts = {
        "NOX": (emissions["PLNOXAN"], 2000.0),
        "SO2": (emissions["PLSO2AN"], 2000.0),
        "CO2": (emissions["PLCO2AN"], 2000.0),
        "CH4": (emissions["PLCH4AN"], per_gwh),
        "N2O": (emissions["PLN2OAN"], per_gwh),
        "C2E": (emissions["PLCO2EQA"], 2000.0),
        "HG": (emissions["PLHGAN"], 1.0),
    }
    columns: dict[str, Any] = {}
    made, burned = np.where(generation > 0, generation, np.inf), np.where(heat > 0, heat, np.nan)
    for gas, (amount, factor) in amounts.items():
        columns[f"PL{gas}RTA"] = _numbers(factor * amount / made)
        columns[f"PL{gas}CRT"] = columns[f"PL{gas}RTA"]
        columns[f"PL{gas}RA"] = _numbers(factor * amount / burned)
    for name, like in (("PLNOXRTO", "PLNOXRTA"), ("PLNOXCRO", "PLNOXCRT"), ("PLNOXRO", "PLNOXRA")):
        columns[name] = columns[like]
    return columns


def _unadjusted(
    rng: np.random.Generator, emissions: dict[str, Floats], columns: dict[str, Any]
) -> dict[str, Any]:
    """What stood before adjustments, its sources, and the adjustments, which most plants don't have."""
    import pyarrow as pa

    made: dict[str, Any] = {}
    gases = ("NOX", "NOXOZ", "SO2", "CO2", "CH4", "N2O", "CO2E", "HG")
    for gas, name in zip(gases, emissions, strict=True):
        made[f"UN{gas}"] = columns.get(name, _numbers(emissions[name]))
        some = np.where(rng.random(POOL) < 0.07, emissions[name] * 0.05, np.nan)
        made[f"CHP{gas}"] = _numbers(some)
        made[f"BIO{gas}"] = _numbers(some * 0.5)
    for name in ("HTI", "HTIOZ", "HTIT", "HTIOZT"):
        made[f"UN{name}"] = columns[{"HTI": "PLHTIAN", "HTIT": "PLHTIANT"}.get(name, f"PL{name}")]
    made["CHPCHTI"], made["CHPCHTIOZ"] = made["CHPSO2"], made["CHPNOX"]
    source = np.array(["EIA", "EPA/CAMD", "EPA/CAMD; EIA"])[rng.choice(3, POOL, p=(0.6, 0.35, 0.05))]
    sources = pa.array(source, mask=np.isnan(emissions["PLNOXAN"]))
    return made | {
        f"UN{name}SRC": sources for name in ("NOX", "NOZ", "SO2", "CO2", "CH4", "N2O", "C2E", "HTI", "HOZ")
    }


def _flags(spec: Spec, rng: np.random.Generator, pick: NDArray[np.int64]) -> dict[str, Any]:
    """Yes or blank; until 2013 the figures 1 and 0, and codes for biomass."""
    yes, no = ("Yes", None) if spec.year >= 2014 else ("1", "0")
    chp = rng.random(POOL) < 0.1
    biomass = _of(pick, "co2") == 115
    code = np.array(["71", "100", "7100"])[rng.integers(0, 3, POOL)]

    def flag(holds: NDArray[np.bool_]) -> list[str | None]:
        return [yes if value else no for value in holds]

    return {
        "COALFLAG": flag(pick == 0),
        "CHPFLAG": flag(chp),
        "PSFLAG": flag((pick == 4) & (rng.random(POOL) < 0.03)),
        "RMBMFLAG": flag(biomass)
        if spec.year >= 2014
        else [value if holds else "0" for holds, value in zip(biomass, code.tolist(), strict=True)],
        "USETHRMO": _numbers(np.where(chp, rng.lognormal(11, 2, POOL), np.nan)),
        "PWRTOHT": _numbers(np.where(chp, rng.lognormal(0, 1, POOL), np.nan)),
        "ELCALLOC": _numbers(np.where(chp, rng.random(POOL), np.nan)),
    }


def _factor(generation: Floats, capacity: Floats) -> Floats:
    return np.where(generation < 0, 0.0, generation / (capacity * 8760)).round(5)


def _numbers(values: Floats, digits: int = 3) -> pa.Array:
    """Rounded, blanks for NaN, and no minus before a zero."""
    import pyarrow as pa

    return pa.array(values.round(digits) + 0.0, mask=np.isnan(values))


def _texts(pick: NDArray[np.int64], attribute: str, rng: np.random.Generator) -> list[str]:
    options = [getattr(_FUELS[number], attribute) for number in pick]
    return [
        values[draw % len(values)] for values, draw in zip(options, rng.integers(0, 12, POOL), strict=True)
    ]


def _of(pick: NDArray[np.int64], attribute: str) -> Floats:
    return np.array([getattr(fuel, attribute) for fuel in _FUELS], dtype=np.float64)[pick]


def _normal(weights: list[float]) -> Floats:
    values = np.array(weights)
    return np.asarray(values / values.sum(), dtype=np.float64)
