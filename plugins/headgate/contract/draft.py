"""``contract draft``: a contract and a suite proposed from a sample file, for a person to review.

Types, key and ranges are what the sample shows; descriptions and units are left to whoever knows
the data. What is written passes ``contract check``.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.contract.registry import column_names
from headgate.contract.sampling import Sample, read_sample
from headgate.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_LOGICAL = {
    "text": "string",
    "bigint": "integer",
    "double precision": "number",
    "boolean": "boolean",
    "date": "date",
    "timestamptz": "timestamp",
}
_KEY_WORDS = re.compile(r"(^|_)(id|code|key|no|number|nr|uuid)(_|$)|id$|year|date")
_KEY_CANDIDATES = 12
_FEW_VALUES = 20


@dataclass(frozen=True)
class Draft:
    """A proposed contract (ODCS document) and suite (Great Expectations JSON), and what they rest on."""

    dataset: str
    contract: Mapping[str, Any]
    suite: Mapping[str, Any]
    key: tuple[str, ...]
    rows: int


def draft(path: Path, dataset: str | None = None, key: Sequence[str] = (), sheet: str | None = None) -> Draft:
    """Propose from a sample. ``DataError`` when it cannot be read or no columns make a unique key."""
    sample = read_sample(path, sheet)
    name = dataset or column_names([path.name.split(".")[0]])[0]
    names = dict(zip(sample.table.column_names, column_names(sample.table.column_names), strict=True))
    table = sample.table.rename_columns(list(names.values()))
    types = {names[header]: kind for header, kind in sample.types.items() if header in names}
    keys = _given_key(key, names, table) if key else _guess_key(table, types)
    return Draft(
        dataset=name,
        contract=_contract(name, sample, names, types, keys),
        suite=_suite(name, table, types, keys),
        key=keys,
        rows=table.num_rows,
    )


def to_yaml(document: Mapping[str, Any]) -> str:
    """The contract as a file for people: order kept, one property a line."""
    import yaml

    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=110)


def to_json(suite: Mapping[str, Any]) -> str:
    """The suite as a file for people."""
    return json.dumps(suite, indent=2, ensure_ascii=False) + "\n"


def _contract(
    dataset: str, sample: Sample, names: Mapping[str, str], types: Mapping[str, str], keys: Sequence[str]
) -> dict[str, Any]:
    schema, _, table = dataset.partition("_")
    schema, table = (schema, table) if table else ("data", dataset)
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": dataset,
        "name": dataset.replace("_", " ").capitalize(),
        "version": "0.1.0",
        "status": "draft",
        "description": {"purpose": "Say here what one row is, who publishes it and what it is for."},
        "team": {"name": "unowned"},
        "servers": [_server(dataset, sample)],
        "customProperties": [
            {"property": "nullTokens", "value": list(sample.null_tokens)},
            {"property": "drift", "value": "rescue"},
            {"property": "rejectThreshold", "value": 0.05},
        ],
        "schema": [
            {
                "name": table,
                "physicalName": f"{schema}.{table}",
                "logicalType": "object",
                "physicalType": "table",
                "properties": [_property(header, names[header], types, keys) for header in names],
            }
        ],
    }


def _server(dataset: str, sample: Sample) -> dict[str, Any]:
    custom: list[dict[str, Any]] = [{"property": "formats", "value": [sample.format]}]
    if sample.format in ("csv", "tsv"):
        custom.append({"property": "delimiter", "value": sample.delimiter})
    if sample.sheet:
        custom.append({"property": "sheet", "value": f"^{re.escape(sample.sheet)}$"})
    return {
        "server": "landing",
        "type": "s3",
        "location": f"s3://headgate-landing/{dataset}/",
        "format": sample.format,
        "encoding": sample.encoding,
        "customProperties": custom,
    }


def _property(header: str, name: str, types: Mapping[str, str], keys: Sequence[str]) -> dict[str, Any]:
    kind = types[name]
    item: dict[str, Any] = {
        "name": name,
        "businessName": header,
        "logicalType": _LOGICAL.get(kind, "number"),
        "physicalType": kind,
    }
    if name in keys:
        item |= {"primaryKey": True, "primaryKeyPosition": keys.index(name) + 1, "required": True}
    if header != name:
        item["customProperties"] = [{"property": "aliases", "value": [header]}]
    return item


def _suite(dataset: str, table: pa.Table, types: Mapping[str, str], keys: Sequence[str]) -> dict[str, Any]:
    rules = [_present(name) for name in keys]
    for name in table.column_names:
        if name not in keys:
            rules += _rules(name, types[name], table.column(name))
    notes = "Proposed from a sample: ranges and sets are what it shows. Make critical what is truly wrong."
    return {"name": dataset, "meta": {"notes": notes}, "expectations": rules}


def _present(name: str) -> dict[str, Any]:
    reason = f"There is no {name}, so the row has no key"
    return _rule(f"{name}_present", "expect_column_values_to_not_be_null", "critical", reason, column=name)


def _rules(name: str, kind: str, column: pa.ChunkedArray) -> Iterator[dict[str, Any]]:
    """Ranges of numbers, widened to the next round figures, and sets of few texts; all are warnings."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return
    if kind in ("bigint", "double precision") or kind.startswith("numeric"):
        numbers = pc.replace_substring(column, ",", "").cast(pa.float64())
        limits = pc.min_max(numbers).as_py()
        low, high = _round_down(limits["min"]), -_round_down(-limits["max"])
        reason = f"{name} {{value}} is outside {low:g} to {high:g}, the range of the sample"
        between = "expect_column_values_to_be_between"
        yield _rule(f"{name}_range", between, "warning", reason, column=name, min_value=low, max_value=high)
    elif kind == "text":
        values = pc.unique(column.drop_null()).to_pylist()
        if len(values) <= _FEW_VALUES and len(column) >= 5 * len(values):
            reason = f"{name} {{value}} is none of the {len(values)} values of the sample"
            in_set = "expect_column_values_to_be_in_set"
            yield _rule(f"{name}_known", in_set, "warning", reason, column=name, value_set=sorted(values))


def _rule(rule: str, kind: str, severity: str, reason: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": {"rule": rule, "reason": reason}}


def _round_down(value: float) -> float:
    """The next figure below of one digit: 1,234 gives 1,000, -1,234 gives -2,000; 0 to 1 gives 0."""
    if value == 0 or 0 < value <= 1:
        return 0.0
    step = 10.0 ** math.floor(math.log10(abs(value)))
    return math.floor(value / step) * step


def _given_key(key: Sequence[str], names: Mapping[str, str], table: pa.Table) -> tuple[str, ...]:
    """Columns that a person named, by header or by column name."""
    chosen = tuple(names.get(name, name) for name in key)
    unknown = [name for name in chosen if name not in table.column_names]
    if unknown:
        raise DataError(f"no column {', '.join(unknown)}; there are {', '.join(table.column_names)}")
    if not _is_key(table, chosen):
        raise DataError(f"({', '.join(chosen)}) is no key: the sample has nulls in it or rows that share it")
    return chosen


def _guess_key(table: pa.Table, types: Mapping[str, str]) -> tuple[str, ...]:
    """The smallest set of columns that tells the rows apart; names like id, code and year come first.

    A running number comes last: it is a place in the file, not a name of the row.
    """
    fit = [
        name
        for name in table.column_names
        if types[name] in ("text", "bigint", "date", "timestamptz") and _is_filled(table, name)
    ]
    fit.sort(key=lambda name: (_is_running_number(table, name, types), not _KEY_WORDS.search(name)))
    for size in (1, 2, 3):
        for names in itertools.combinations(fit[:_KEY_CANDIDATES], size):
            if _is_key(table, names):
                return names
    raise DataError(
        "no one, two or three columns tell all rows of the sample apart; name the key with --key, and look "
        "for rows that stand twice"
    )


def _is_key(table: pa.Table, names: Sequence[str]) -> bool:
    """Whether the columns are filled and no two rows share them; rows without them are left aside."""
    if not all(_is_filled(table, name) for name in names):
        return False
    keys = table.select(list(names)).drop_null()
    return bool(keys.group_by(list(names)).aggregate([]).num_rows == keys.num_rows)


def _is_filled(table: pa.Table, name: str) -> bool:
    """Filled but for a stray row or two, such as totals at the end of an export."""
    return bool(table.column(name).null_count <= table.num_rows // 1000 + (table.num_rows > 100))


def _is_running_number(table: pa.Table, name: str, types: Mapping[str, str]) -> bool:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if types[name] != "bigint" or table.column(name).null_count:
        return False
    numbers = pc.replace_substring(table.column(name), ",", "").cast(pa.int64()).to_numpy()
    return bool(np.all(np.diff(numbers) == 1))
