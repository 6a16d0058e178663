"""What is wrong with contracts, found without any server: the standard's schema, names that collide.

``load_contract`` already refuses what Headgate cannot work with. Here is what only shows against the
standard's JSON schema or between columns, and what a reviewer should be told.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from headgate.contract.document import contract_from_document, read_document
from headgate.contract.model import RESCUED_COLUMN, SYSTEM_COLUMNS, Contract, fold
from headgate.errors import Fatal

_LONGEST_FOLDER = 800  # bytes; a key may have 1,024, a page and the place of its manifest included

LOGICAL_TYPES: Mapping[str, frozenset[str]] = {
    "string": frozenset({"text"}),
    "integer": frozenset({"smallint", "integer", "bigint"}),
    "number": frozenset({"double precision", "real", "numeric"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "timestamp": frozenset({"timestamptz"}),
}
"""ODCS ``logicalType`` to the Postgres types that may stand for it."""


def check_file(path: Path) -> tuple[Contract | None, list[str]]:
    """The contract of a file, when it can be read at all, and what is wrong with it as sentences."""
    problems: list[str] = []
    try:
        document = read_document(path)
        problems = schema_problems(document)
        contract = contract_from_document(document)
    except Fatal as error:
        return None, problems or [str(error).removeprefix(f"{path}: ")]
    if contract.dataset != path.stem:
        problems.append(f"the contract's id is {contract.dataset!r}; name the file {contract.dataset}.yaml")
    return contract, problems + contract_problems(contract)


def schema_problems(document: Mapping[str, Any]) -> list[str]:
    """Where the document departs from the JSON schema that the ODCS package ships."""
    from jsonschema.validators import validator_for  # type: ignore[import-untyped]

    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    validator = validator_for(schema)(schema)
    return [
        f"ODCS: {'.'.join(map(str, error.absolute_path)) or 'document'}: {error.message[:300]}"
        for error in sorted(validator.iter_errors(document), key=lambda error: list(error.absolute_path))
    ]


def contract_problems(contract: Contract) -> list[str]:
    """Names that collide, types that contradict each other, keys that could be null."""
    return [
        *_alias_problems(contract),
        *_type_problems(contract),
        *_source_problems(contract),
        *_replace_problems(contract),
        *(
            f"column {name}: the name is Headgate's own"
            for name in contract.by_name
            if name in SYSTEM_COLUMNS or name == RESCUED_COLUMN
        ),
        *(f"refuse {rule.pattern!r}: there is no reason" for rule in contract.refuse if not rule.reason),
    ]


def table_problems(contracts: Iterable[Contract]) -> dict[str, list[str]]:
    """By dataset: the table or the place in the bucket that it shares with others, as sentences."""
    places, found = defaultdict(list), defaultdict(list)
    for contract in contracts:
        places[f"table {contract.qualified_table}"].append(contract.dataset)
        places[f"s3://{contract.bucket}/{contract.prefix}"].append(contract.dataset)
    for place, names in places.items():
        for name in names if len(names) > 1 else ():
            found[name].append(f"{place} is used by {', '.join(names)}")
    return found


def _alias_problems(contract: Contract) -> list[str]:
    owners: dict[str, list[str]] = defaultdict(list)
    for column in contract.columns:
        for alias in dict.fromkeys(map(fold, column.aliases)):
            owners[alias].append(column.name)
    return [
        f"alias {alias!r} is used by {', '.join(names)}: a file's column can only be one of them"
        for alias, names in owners.items()
        if len(names) > 1
    ]


def _source_problems(contract: Contract) -> list[str]:
    """Terms of a source that no fetch could work with."""
    source = contract.source
    if source is None:
        return []
    from headgate.sources.catalogue import PROVIDERS, provider
    from headgate.sources.keys import folder
    from headgate.sources.model import Window
    from headgate.sources.windows import slices

    problems = []
    if source.provider not in PROVIDERS:
        problems.append(f"source: no provider {source.provider!r}; there are {', '.join(sorted(PROVIDERS))}")
    else:
        problems += [f"source: {mistake}" for mistake in provider(source.provider).mistakes(source)]
    if source.since and source.until and source.since >= source.until:
        problems.append(f"source: until {source.until} does not lie behind since {source.since}")
    if "api" not in contract.formats:
        problems.append("source: what is fetched has `formats: [api]` in the server's customProperties")
    now = datetime.now(UTC)
    longest = max(
        len((contract.prefix + folder(Window(now, now), one)).encode()) for one in slices(source.each)
    )
    if longest > _LONGEST_FOLDER:
        problems.append(
            f"source: each: keys of {longest} bytes are too long for a bucket; shorten the values"
        )
    return problems


def _replace_problems(contract: Contract) -> list[str]:
    """Versions replace another only where a version is all there is of something."""
    if contract.on_rewrite != "replace" or contract.source is None:
        return []
    from headgate.sources.catalogue import PROVIDERS, provider

    source = contract.source
    problems = []
    if source.provider in PROVIDERS and source.endpoint in provider(source.provider).paged:
        problems.append(
            f"onRewrite: {source.provider} answers {source.endpoint} in pages and records move between them: "
            "replace would remove some that there are. Use merge."
        )
    if source.window == "interval":
        problems.append(
            "onRewrite: with window `interval` each run fetches another object; replace would remove nothing"
        )
    return problems


def _type_problems(contract: Contract) -> list[str]:
    problems = []
    logical = {item["name"]: item.get("logicalType") for item in contract.document["schema"][0]["properties"]}
    for column in contract.columns:
        allowed = LOGICAL_TYPES.get(logical[column.name] or "")
        if allowed is not None and column.type.split("(")[0] not in allowed:
            problems.append(f"column {column.name}: {column.type} does not go with {logical[column.name]}")
        if (column.form or column.pad) and column.type != "text":
            problems.append(f"column {column.name}: form and pad are for text, not {column.type}")
        if column.recode and column.type not in ("text", "boolean"):
            problems.append(f"column {column.name}: recode is for text and boolean, not {column.type}")
    return problems
