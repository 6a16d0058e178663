"""Which columns a file of a year has, under which header: the drift of the real yearly workbooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.sample.spec import Spec

_FUELS = ("CL", "OL", "GS", "NC", "HY", "BM", "WI", "SO", "GT", "OF", "OP")
_TOTALS = ("TN", "TR", "TO", "TH", "CY", "CN", "CO")

# In the order of the 2023 sheet; generation by fuel and the shares follow.
_PLANT_CODES: Final = """
    SEQPLT YEAR PSTATABB PNAME ORISPL OPRNAME OPRCODE UTLSRVNM UTLSRVID SECTOR BANAME BACODE NERC SUBRGN
    SRNAME ISORTO FIPSST FIPSCNTY CNTYNAME LAT LON CAMDFLAG NUMUNT NUMGEN PLPRMFL PLFUELCT COALFLAG
    CAPFAC NAMEPCAP NBFACTOR RMBMFLAG CHPFLAG USETHRMO PWRTOHT ELCALLOC PSFLAG PLHTIAN PLHTIOZ PLHTIANT
    PLHTIOZT PLNGENAN PLNGENOZ PLNGENNB PLNOXAN PLNOXOZ PLSO2AN PLCO2AN PLCH4AN PLN2OAN PLCO2EQA PLHGAN
    PLNOXRTA PLNOXRTO PLSO2RTA PLCO2RTA PLCH4RTA PLN2ORTA PLC2ERTA PLHGRTA PLNOXRA PLNOXRO PLSO2RA
    PLCO2RA PLCH4RA PLN2ORA PLC2ERA PLHGRA PLNOXCRT PLNOXCRO PLSO2CRT PLCO2CRT PLCH4CRT PLN2OCRT
    PLC2ECRT PLHGCRT UNNOX UNNOXOZ UNSO2 UNCO2 UNCH4 UNN2O UNCO2E UNHG UNHTI UNHTIOZ UNHTIT UNHTIOZT
    UNNOXSRC UNNOZSRC UNSO2SRC UNCO2SRC UNCH4SRC UNN2OSRC UNC2ESRC UNHGSRC UNHTISRC UNHOZSRC BIONOX
    BIONOXOZ BIOSO2 BIOCO2 BIOCH4 BION2O BIOCO2E CHPCHTI CHPCHTIOZ CHPNOX CHPNOXOZ CHPSO2 CHPCO2 CHPCH4
    CHPN2O CHPCO2E PLHTRT
"""
_GENERATOR_CODES: Final = """
    SEQGEN YEAR PSTATABB PNAME ORISPL GENID NUMUNT GENSTAT PRMVR FUELG1 NAMEPCAP CFACT GENNTAN GENNTOZ
    GENERSRC GENYRONL GENYRRET
"""
_CORE_CODES: Final = """
    SEQPLT YEAR PSTATABB PNAME ORISPL OPRNAME OPRCODE BANAME BACODE NERC SUBRGN FIPSST FIPSCNTY LAT LON
    PLPRMFL PLFUELCT CAPFAC NAMEPCAP PLHTIAN PLNGENAN PLNOXAN PLSO2AN PLCO2AN PLCH4RTA PLN2ORTA PLCLPR
    PLGSPR PLHYPR PLWIPR PLSOPR SEQGEN GENID PRMVR GENSTAT FUELG1 CFACT GENNTAN GENYRONL
"""
_PLANT_COLUMNS: Final = (
    *_PLANT_CODES.split(),
    *(f"PLGENA{code}" for code in (*_FUELS, *_TOTALS)),
    *(f"PL{code}PR" for code in (*_FUELS, *_TOTALS)),
)
_GENERATOR_COLUMNS: Final = tuple(_GENERATOR_CODES.split())
_CORE: Final = frozenset(_CORE_CODES.split())

_SINCE: Final = (
    (2007, {"PLCO2EQA", "PLC2ERTA"}),
    (2009, {"ISORTO"}),
    (
        2014,
        {"NBFACTOR", "PLHTIANT", "PLHTIOZT", "UNHTIT", "UNHTIOZT"}
        | {f"UN{name}SRC" for name in ("NOX", "NOZ", "SO2", "CO2", "CH4", "N2O", "HG", "HTI", "HOZ")},
    ),
    (2018, {"YEAR", "SECTOR", "PLCH4RA", "PLN2ORA", "PLC2ERA", "PLCYPR", "PLCNPR", "PLGENACY", "PLGENACN"}),
    (2018, {name for name in _PLANT_COLUMNS if name.startswith(("BIO", "CHPC", "CHPN", "CHPS"))}),
    (2020, {"PLC2ECRT"}),
    (2021, {"CAMDFLAG", "PLNGENNB", "UNCO2E", "UNC2ESRC", "BIOCO2E", "CHPCO2E", "PLGENATO", "PLGENACO"}),
    (2021, {"PLTOPR", "PLCOPR"}),
)
_RENAMED: Final = (  # until this year (exclusive) the column had the other header
    (2014, "BANAME", "PCANAME"),
    (2014, "BACODE", "PCAID"),
    (2018, "NUMUNT", "NUMBLR"),
)
_OLD_SEQUENCES: Final = (4, 5, 7, 9, 10)  # earlier sheets' sequence columns stood at the end until 2012


def columns(spec: Spec) -> list[str]:
    """The file's columns by their 2023 codes, ``SEQPLT`` and ``SEQGEN`` without the year."""
    names = _PLANT_COLUMNS if spec.dataset == "egrid_plants" else _GENERATOR_COLUMNS
    absent = {name for since, added in _SINCE if spec.year < since for name in added}
    return [name for name in names if name not in absent and (spec.columns == "all" or name in _CORE)]


def headers(spec: Spec, names: Sequence[str]) -> list[str]:
    """The header of that year for each of the columns."""
    renamed = {name: old for until, name, old in _RENAMED if spec.year < until}
    yy = f"{spec.year % 100:02d}"
    return [f"{name}{yy}" if name in ("SEQPLT", "SEQGEN") else renamed.get(name, name) for name in names]


def old_sequences(spec: Spec) -> list[str]:
    """Headers of earlier sheets' sequence columns that this year's sheet carries along."""
    if spec.dataset != "egrid_plants" or spec.columns != "all" or not 2000 < spec.year <= 2012:
        return []
    return [f"SEQPLT{yy:02d}" for yy in _OLD_SEQUENCES if 2000 + yy < spec.year]


def long_names(spec: Spec, names: Sequence[str]) -> list[str]:
    """The first header row of the workbook: EPA's long names stand above the codes."""
    fixed = {
        "SEQPLT": "Plant file sequence number",
        "SEQGEN": "Generator file sequence number",
        "YEAR": "Data Year",
        "PSTATABB": "Plant state abbreviation",
        "PNAME": "Plant name",
        "ORISPL": "DOE/EIA ORIS plant or facility code",
        "GENID": "Generator ID",
        "NAMEPCAP": "Plant nameplate capacity (MW)",
        "PLNGENAN": "Plant annual net generation (MWh)",
        "PLCO2AN": "Plant annual CO2 emissions (tons)",
        "PLHTIAN": "Plant annual heat input from combustion (MMBtu)",
        "PLHYPR": "Plant  hydro generation percent (resource mix)",
    }
    kind = "Plant" if spec.dataset == "egrid_plants" else "Generator"
    return [fixed.get(name, f"{kind} column {name} in US units") for name in names]
