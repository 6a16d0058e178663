"""What a data contract says, as frozen dataclasses.

These are what every other room works with; the ODCS document they are read from is
``headgate.contract.document``'s business. Nothing here imports more than the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Literal

Drift = Literal["freeze", "evolve", "discard", "rescue"]
RewritePolicy = Literal["merge", "replace"]
Comparison = Literal["lt", "le", "gt", "ge", "eq"]
RefuseWhere = Literal["key", "header", "sheet"]
WindowSize = Literal["hour", "day", "week", "month", "year", "interval"]

RESCUED_COLUMN = "_rescued"
SYSTEM_COLUMNS: Mapping[str, str] = {
    "_object_id": "bigint",
    "_row_number": "bigint",
    "_object_version": "bigint",
    "_loaded_at": "timestamp with time zone",
}
"""Columns of every data table besides the contract's own: name to Postgres type."""

TRUE_TOKENS = ("true", "t", "yes", "y", "1", "1.0")
FALSE_TOKENS = ("false", "f", "no", "n", "0", "0.0")
"""Cell texts that a boolean column accepts, compared case-insensitively after trimming."""

DEFAULT_NULL_TOKENS = ("",)


@dataclass(frozen=True)
class UnitRule:
    """Multiply the parsed number by ``factor`` when the condition holds; the first rule that holds wins.

    Exactly one condition is set. ``column op value``: compares another contract column of the
    same row, for example ``year le 2016``; a null there means that the rule does not hold.
    ``header``: holds for every row of a file whose header has this name (compared by ``fold``);
    it is how an export of another publisher with another scale is told apart.
    """

    factor: float
    column: str | None = None
    op: Comparison | None = None
    value: float | None = None
    header: str | None = None


@dataclass(frozen=True)
class Derive:
    """Where a value comes from when none of the column's aliases is in the header.

    ``header``: the first header from the left that the pattern fits wholly. ``key``: found anywhere in
    the object's file name, else in its whole key. The group's text is the value; with ``add`` other
    than 0 it is an integer and ``add`` is added ("18" and 2000 give 2018).
    """

    source: Literal["header", "key"]
    pattern: str
    add: int = 0

    def value(self, text: str) -> str | None:
        """The value found in one header name or in an object key, else ``None``."""
        found = re.search(self.pattern, text, re.IGNORECASE)
        if found is None:
            return None
        return str(int(found.group(1)) + self.add) if self.add else found.group(1)


@dataclass(frozen=True)
class Refuse:
    """A kind of object that the contract does not take.

    ``key``: the pattern is searched in the object key. ``header``: in each cell of every header-like
    record before the data (the long names above the short codes included). ``sheet``: in the
    names of all sheets of the workbook. ``reason`` says what to do instead.
    """

    where: RefuseWhere
    pattern: str
    reason: str

    def matches(self, text: str) -> bool:
        """Whether this text is of the refused kind; letter case does not matter."""
        return re.search(self.pattern, text, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Column:
    """One column of the target table and how its cells are read.

    ``type`` is a Postgres type: text, smallint, integer, bigint, double precision, real, boolean, date,
    timestamptz or numeric(p,s). Order of reading a cell: trim, null tokens, ``recode``, ``form``, ``pad``,
    parse, unit rules. A null token is compared with the trimmed text, exactly.
    """

    name: str
    type: str
    required: bool = False
    title: str = ""  # short human name, "Annual net generation"
    description: str = ""
    unit: str | None = None
    aliases: tuple[str, ...] = ()  # source headers, own name included; the first one present in a file wins
    null_tokens: tuple[str, ...] = DEFAULT_NULL_TOKENS  # those of the contract included
    form: Literal["code"] | None = None  # 'code': "60814.0" and "60,814" are "60814"; "6204.1" stays
    pad: int | None = None  # pad a text of digits with zeros on the left to this many characters
    recode: tuple[
        tuple[str, str], ...
    ] = ()  # (text in the file, text to store), exact; the rest stays as it is
    units: tuple[UnitRule, ...] = ()
    derive: tuple[Derive, ...] = ()
    trim: bool = True
    evolved: bool = False  # added by the evolve mode, not by the contract's file

    @property
    def is_number(self) -> bool:
        """Whether the Postgres type is numeric, whole numbers included."""
        return self.type.split("(")[0] in NUMBER_TYPES

    @property
    def comment(self) -> str:
        """The Postgres comment: ``Annual net generation [MWh]: longer description``."""
        head = f"{self.title or self.name} [{self.unit}]" if self.unit else self.title
        return ": ".join(part for part in (head, self.description) if part)


NUMBER_TYPES = frozenset({"smallint", "integer", "bigint", "double precision", "real", "numeric"})
COLUMN_TYPES = NUMBER_TYPES | {"text", "boolean", "date", "timestamptz"}


@dataclass(frozen=True)
class Index:
    """A secondary index of the target table, besides the primary key."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where a dataset is fetched from, and when it is asked for again.

    ``window``: what one fetch covers: a calendar span in UTC (weeks begin on Monday), or the interval of
    the run as it is, for snapshots, forecasts and lists of changes.
    """

    provider: str
    endpoint: str
    parameters: Mapping[str, Any] = field(default_factory=dict)  # sent with every request
    each: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # one slice for each combination
    window: WindowSize = "interval"
    since: date | None = None  # nothing before it is asked for
    until: date | None = None  # nor from this day on
    reread: int = 0  # days back that are asked for again, as providers correct late
    overlap: int = 0  # seconds that a list of changes is asked for before its window
    lag: int = 0  # days that the provider is behind: windows count as complete so much later


@dataclass(frozen=True)
class Contract:
    """A data contract: one dataset, its columns, its table and where its objects arrive."""

    dataset: str
    name: str  # title for people
    version: str  # of the ODCS document, not the number of the registry
    description: str
    schema: str
    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    owner: str
    bucket: str
    prefix: str  # ends with "/"
    formats: tuple[str, ...] = ("csv",)
    delimiter: str = ","
    encoding: str = "utf-8"
    sheet: str | None = None  # pattern of the workbook's sheet name
    null_tokens: tuple[str, ...] = DEFAULT_NULL_TOKENS
    drift: Drift = "rescue"
    reject_threshold: float = 0.05  # share of rejected rows above which an object is held, 0 to 1
    quarantine_threshold: float = 0.05  # share of a run's rows in quarantine above which people hear of it
    volume_tolerance: float = 0.5  # share of the usual rows by which a run may differ without people hearing
    minimum_rows: int = 1
    on_rewrite: RewritePolicy = "merge"
    remove_threshold: float = 0.2  # share of an object's rows that a new version may remove, 0 to 1
    chunk_bytes: int | None = None
    schedule: str | None = None  # cron
    start_on_arrival: bool = False  # a run starts by itself when objects have arrived, besides the schedule
    sla: Mapping[str, str] = field(default_factory=dict)  # ODCS SLA property to "value unit"
    retention: Mapping[str, int] = field(default_factory=dict)  # days by kind of record, before the settings'
    queue_messages: int | None = None  # that may wait in its queue before people hear of it
    queue_seconds: float | None = None  # that one of them may wait
    source: Source | None = None  # fetched from an API; else files are put there
    refuse: tuple[Refuse, ...] = ()
    indexes: tuple[Index, ...] = ()
    tags: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    sha256: str = ""

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Columns by their name."""
        return {column.name: column for column in self.columns}

    @property
    def qualified_table(self) -> str:
        """``schema.table``, unquoted, for people."""
        return f"{self.schema}.{self.table}"

    @property
    def rescues(self) -> bool:
        """Whether unknown columns are kept as JSON in ``_rescued``."""
        return self.drift == "rescue"

    @property
    def takes_over(self) -> bool:
        """Whether each version writes all rows that it has, unchanged ones too, and so vouches for no others.

        Records of an API move between pages and windows: where one is gone, nobody knows whether it moved.
        """
        return self.on_rewrite == "replace" or self.source is not None

    def sla_limit(self, name: str) -> timedelta | None:
        """The time that an SLA property gives, for example of ``latency`` or ``freshness``; none: no limit.

        Raises ``ValueError`` for a value that is no positive number or a unit that is no time.
        """
        if name not in self.sla:
            return None
        value, _, unit = self.sla[name].partition(" ")
        for units, length in _TIME_UNITS.items():
            if unit.lower() in units and float(value) > 0:
                return length * float(value)
        raise ValueError(
            f"slaProperties: {name} {self.sla[name]!r} is no time: give a number and a unit: 4, d"
        )


# The standard's own units are those of days and years.
_TIME_UNITS = {
    ("s", "second", "seconds"): timedelta(seconds=1),
    ("min", "minute", "minutes"): timedelta(minutes=1),
    ("h", "hr", "hour", "hours"): timedelta(hours=1),
    ("d", "day", "days"): timedelta(days=1),
    ("w", "week", "weeks"): timedelta(weeks=1),
    ("y", "yr", "year", "years"): timedelta(days=365.25),
}


def fold(name: str) -> str:
    """A header name as it is compared: BOM off, trimmed, inner white space folded, letter case ignored."""
    return " ".join(name.lstrip("\ufeff").split()).casefold()
