"""What is asked for, and which bad rows go with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headgate.errors import DataError

DATASETS: Final = ("egrid_plants", "egrid_generators")
FORMATS: Final = ("csv", "xlsx", "ndjson", "parquet")
COLUMN_SETS: Final = ("all", "core")
FIRST_YEAR, LAST_YEAR = 1996, 2035
XLSX_ROWS: Final = 1_048_000  # what a sheet holds, less the header rows

BAD_KINDS: Final = (
    "type",
    "nameplate_capacity_not_negative",
    "state_known",
    "required",
    "unique_key",
    "structure",
    "year_range",
)
"""Rules that the bad rows break, in the order in which they come; a row breaks exactly one."""


@dataclass(frozen=True)
class Spec:
    """One file to generate. The same specification gives the same bytes."""

    dataset: str
    rows: int
    out: Path
    year: int = 2018
    bad: int = 0
    seed: int = 0
    format: str = "csv"
    columns: str = "all"

    def __post_init__(self) -> None:
        problems = [
            (self.dataset in DATASETS, f"no generator for {self.dataset}; there are {', '.join(DATASETS)}"),
            (self.rows >= 0, "the number of rows cannot be negative"),
            (0 <= self.bad <= self.rows // 2, "at most half of the rows can be bad"),
            (FIRST_YEAR <= self.year <= LAST_YEAR, f"the year must be {FIRST_YEAR} to {LAST_YEAR}"),
            (self.format in FORMATS, f"no format {self.format}; there are {', '.join(FORMATS)}"),
            (self.columns in COLUMN_SETS, f"columns are {' or '.join(COLUMN_SETS)}"),
            (
                self.format != "xlsx" or self.rows <= XLSX_ROWS,
                f"a sheet holds {XLSX_ROWS:,} rows at most; use csv",
            ),
        ]
        for holds, problem in problems:
            if not holds:
                raise DataError(problem)

    @property
    def bad_kinds(self) -> tuple[str, ...]:
        """The rules that this file can break: not every format can hold every mistake."""
        impossible = set()
        if self.format != "csv":
            impossible.add("structure")
        if self.format == "parquet":
            impossible.add("type")  # a typed column holds no text
        if self.year < 2018:
            impossible.add("year_range")  # no YEAR column
        return tuple(kind for kind in BAD_KINDS if kind not in impossible)


def file_format(out: Path) -> str:
    """The format that a file's name says; a compression suffix is passed over."""
    suffixes = [suffix.lower().lstrip(".") for suffix in out.suffixes if suffix not in (".gz", ".zst")]
    last = suffixes[-1] if suffixes else "csv"
    return {"jsonl": "ndjson", "tsv": "csv"}.get(last, last if last in FORMATS else "csv")
