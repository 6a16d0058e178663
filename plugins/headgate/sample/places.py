"""A pool of places: what depends on where a plant stands and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headgate.sample.spec import Spec

if TYPE_CHECKING:
    import pyarrow as pa

PER_STATE: Final = 48


class _State(NamedTuple):
    code: str
    fips: str
    nerc: str
    subregion: str
    authority: str
    latitude: float
    longitude: float
    weight: int  # share of all plants, in thousandths


_STATES: Final = tuple(
    _State(code, fips, nerc, subregion, authority, float(latitude), float(longitude), int(weight))
    for code, fips, nerc, subregion, authority, latitude, longitude, weight in map(
        str.split,
        """
        AK 02 NA AKMS NA 63.0 -150.0 14
        AL 01 SERC SRSO SOCO 32.8 -86.8 8
        AR 05 SERC SRMV MISO 34.8 -92.4 6
        AZ 04 WECC AZNM AZPS 34.3 -111.7 14
        CA 06 WECC CAMX CISO 37.2 -119.5 147
        CO 08 WECC RMPA PSCO 39.0 -105.5 20
        CT 09 NPCC NEWE ISNE 41.6 -72.7 12
        DC 11 RFC RFCE PJM 38.9 -77.0 1
        FL 12 FRCC FRCC FPL 28.6 -82.4 23
        GA 13 SERC SRSO SOCO 32.6 -83.4 19
        HI 15 NA HIMS NA 20.8 -156.6 7
        IA 19 MRO MROW MISO 42.1 -93.5 26
        ID 16 WECC NWPP IPCO 43.9 -114.6 13
        IL 17 RFC RFCW PJM 40.0 -89.2 24
        IN 18 RFC RFCW MISO 39.9 -86.3 17
        KS 20 MRO SPNO SWPP 38.5 -98.4 16
        MA 25 NPCC NEWE ISNE 42.3 -71.8 41
        MD 24 RFC RFCE PJM 39.0 -76.8 12
        ME 23 NPCC NEWE ISNE 45.3 -69.2 10
        MI 26 RFC RFCM MISO 44.3 -85.4 24
        MN 27 MRO MROW MISO 46.3 -94.3 49
        MO 29 SERC SRMW MISO 38.4 -92.5 13
        NC 37 SERC SRVC DUK 35.5 -79.4 76
        NE 31 MRO MROW NPPD 41.5 -99.8 11
        NJ 34 RFC RFCE PJM 40.2 -74.7 29
        NV 32 WECC NWPP NEVP 39.3 -116.6 10
        NY 36 NPCC NYUP NYIS 42.9 -75.5 54
        OH 39 RFC RFCW PJM 40.3 -82.8 19
        OK 40 SPP SPSO SWPP 35.6 -97.5 11
        OR 41 WECC NWPP PACW 43.9 -120.6 20
        PA 42 RFC RFCE PJM 40.9 -77.8 25
        SC 45 SERC SRVC SCEG 33.9 -80.9 22
        TN 47 SERC SRTV TVA 35.9 -86.4 7
        TX 48 TRE ERCT ERCO 31.5 -99.3 56
        UT 49 WECC NWPP PACE 39.3 -111.7 11
        VA 51 SERC SRVC PJM 37.5 -78.9 16
        VT 50 NPCC NEWE ISNE 44.1 -72.7 10
        WA 53 WECC NWPP BPAT 47.4 -120.4 15
        WI 55 MRO MROE MISO 44.6 -89.9 20
        WY 56 WECC RMPA PACE 43.0 -107.5 7
        """.strip().splitlines(),
    )
)
_AUTHORITIES: Final = {
    "NA": "Alaska and Hawaii Miscellaneous",
    "SOCO": "Southern Company Services, Inc. - Trans",
    "MISO": "Midcontinent Independent Transmission System Operator, Inc..",
    "CISO": "California Independent System Operator",
    "PJM": "PJM Interconnection, LLC",
    "ISNE": "ISO New England Inc.",
    "NYIS": "New York Independent System Operator",
    "ERCO": "Electric Reliability Council of Texas, Inc.",
    "FPL": "Florida Power & Light Co.",
    "TVA": "Tennessee Valley Authority",
}
_MARKETS: Final = {
    "MISO": "MISO",
    "PJM": "PJM",
    "CISO": "CAISO",
    "ISNE": "ISONE",
    "NYIS": "NYISO",
    "ERCO": "ERCOT",
}
_COUNTIES: Final = (
    "Washington",
    "Jefferson",
    "Franklin",
    "JACKSON",
    "Lincoln",
    "St. Mary's",
    "Prince George's",
    "Southeast Fairbanks",
)
_COMPANIES: Final = (
    "Alaska Village Elec Coop, Inc",
    "Homer Electric Assn Inc",
    "Duke Energy Carolinas, LLC",
    "Pacific Gas & Electric Co.",
    "City of Seattle - (WA)",
    "Consolidated Edison Co-NY Inc",
    "Northern States Power Co - Minnesota",
    "O'Brien Renewables, L.P.",
    "PacifiCorp",
    "Tennessee Valley Authority",
)
_SECTORS: Final = (
    "IPP Non-CHP",
    "Electric Utility",
    "Industrial CHP",
    "Commercial Non-CHP",
    "IPP CHP",
    "Commercial CHP",
    "Industrial Non-CHP",
)


@dataclass(frozen=True)
class Places:
    """``table`` holds ``PER_STATE`` rows for each state, in the order of ``states``; weights add up to 1."""

    states: tuple[str, ...]
    weights: NDArray[np.float64]
    table: pa.Table


def places(spec: Spec) -> Places:
    """The pool of a year: operators, authorities, codes and coordinates as that year's sheet has them."""
    import pyarrow as pa

    rng = np.random.default_rng([spec.seed, 1])
    each = [state for state in _STATES for _ in range(PER_STATE)]
    weights = np.array([state.weight for state in _STATES], dtype=np.float64)
    columns = _companies(spec, rng, len(each)) | _regions(spec, each) | _coordinates(spec, rng, each)
    return Places(tuple(state.code for state in _STATES), weights / weights.sum(), pa.table(columns))


def _companies(spec: Spec, rng: np.random.Generator, count: int) -> dict[str, Any]:
    company = rng.integers(0, len(_COMPANIES), count)
    code = rng.integers(1, 62_790, count)
    nobody = rng.random(count) < 0.014
    sector = rng.choice(len(_SECTORS), count, p=(0.56, 0.31, 0.04, 0.03, 0.02, 0.02, 0.02))
    parts = {5: ".1", 6: ".2"} if spec.year <= 2010 else {}  # 14354.1 and 14354.2 until 2010
    return {
        "OPRNAME": [
            None if none else _COMPANIES[number] for number, none in zip(company, nobody, strict=True)
        ],
        "OPRCODE": [
            "-9999"
            if none and spec.year >= 2018
            else None
            if none
            else f"{number}{parts.get(number % 50, '')}"
            for number, none in zip(code.tolist(), nobody, strict=True)
        ],
        "UTLSRVNM": [_COMPANIES[number] for number in company[::-1]],
        "UTLSRVID": [str(number) for number in code[::-1]],
        "SECTOR": [_SECTORS[number] for number in sector],
    }


def _regions(spec: Spec, each: list[_State]) -> dict[str, Any]:
    """Text NA is a value: no NERC region and no authority in Alaska and Hawaii, from 2018 on."""
    alone = {"AK": "ASCC", "HI": "HICC"} if spec.year < 2018 else {}
    return {
        "BANAME": [_AUTHORITIES.get(state.authority, f"{state.authority} Balancing Area") for state in each],
        "BACODE": [state.authority for state in each],
        "NERC": [alone.get(state.code, state.nerc) for state in each],
        "SUBRGN": [state.subregion for state in each],
        "SRNAME": [f"{state.nerc} {state.subregion.capitalize()}" for state in each],
        "ISORTO": [_MARKETS.get(state.authority) for state in each],
        "FIPSST": [state.fips for state in each],
    }


def _coordinates(spec: Spec, rng: np.random.Generator, each: list[_State]) -> dict[str, Any]:
    count = len(each)
    sign = -1.0 if spec.year < 2005 else 1.0  # the 2000 sheet has western longitudes without a sign
    unknown = rng.random(count) < 0.003
    latitude = np.array([state.latitude for state in each]) + rng.normal(0, 0.8, count)
    longitude = sign * (np.array([state.longitude for state in each]) + rng.normal(0, 0.8, count))
    return {
        "FIPSCNTY": [f"{number:03d}" for number in rng.integers(0, 120, count) * 2 + 1],
        "CNTYNAME": [_COUNTIES[number] for number in rng.integers(0, len(_COUNTIES), count)],
        "LAT": [None if no else value for value, no in zip(latitude.round(6).tolist(), unknown, strict=True)],
        "LON": [
            None if no else value for value, no in zip(longitude.round(6).tolist(), unknown, strict=True)
        ],
        "CAMDFLAG": ["Yes" if number == 0 else None for number in rng.integers(0, 6, count)],
    }
