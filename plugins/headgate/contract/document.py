"""Reading a contract from its ODCS v3 document.

The Open Data Contract Standard names columns, types, keys, servers, owner and SLA. What it has
no word for stands in ``customProperties`` under the names of ``CONTRACT_PROPERTIES``,
``SERVER_PROPERTIES`` and ``COLUMN_PROPERTIES``; ``headgate contract check`` refuses any other name, so a
misspelt one is not passed over in silence.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from headgate.contract.model import (
    COLUMN_TYPES,
    DEFAULT_NULL_TOKENS,
    Column,
    Contract,
    Derive,
    Index,
    Refuse,
    Source,
    UnitRule,
    WindowSize,
)
from headgate.errors import Fatal

CONTRACT_PROPERTIES = frozenset(
    {
        "nullTokens",
        "drift",
        "rejectThreshold",
        "minimumRows",
        "onRewrite",
        "removeThreshold",
        "chunkBytes",
        "refuse",
        "indexes",
        "queueMessages",
        "queueSeconds",
        "retention",
        "quarantineThreshold",
        "volumeTolerance",
        "startOnArrival",
        "source",
    }
)
SERVER_PROPERTIES = frozenset({"formats", "delimiter", "sheet"})
COLUMN_PROPERTIES = frozenset(
    {"aliases", "unit", "nullTokens", "form", "pad", "recode", "unitRules", "derive", "trim", "evolved"}
)
SOURCE_PROPERTIES = frozenset(
    {"provider", "endpoint", "parameters", "each", "window", "since", "until", "reread", "overlap", "lag"}
)
RETENTION = frozenset({"receipts", "staging", "errors", "alerts", "events"})
RESERVED = "system"

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def load_contracts(directory: Path) -> dict[str, Contract]:
    """All contracts of a folder by dataset name. ``Fatal`` names the file that is wrong.

    Each is a document that the standard's own model accepts. DAG files, which are parsed again and again, go
    without that and read by ``load_contract``.
    """
    contracts = {path: load_contract(path) for path in sorted(directory.glob("*.yaml"))}
    for path, contract in contracts.items():
        _accept_odcs(contract.document, path)
    return {contract.dataset: contract for contract in contracts.values()}


def load_contract(path: Path) -> Contract:
    """Read and validate one contract file. ``Fatal`` says which file, which place and what is wrong."""
    contract = contract_from_document(read_document(path), source=str(path))
    if contract.dataset != path.stem:
        raise Fatal(
            f"{path}: the contract's id is {contract.dataset!r}; name the file {contract.dataset}.yaml"
        )
    return contract


def read_document(path: Path) -> dict[str, Any]:
    """The file as a plain document."""
    import yaml

    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast
        document = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506  both are safe loaders
    except OSError as error:
        raise Fatal(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise Fatal(f"{path}: not YAML: {error}") from None
    if not isinstance(document, dict):
        raise Fatal(f"{path}: not a data contract: the file holds no mapping")
    return document


def contract_from_document(document: Mapping[str, Any], source: str = "contract") -> Contract:
    """The contract of an ODCS document, from a file or from the registry.

    ``source`` is named in errors. Needs no file and no package beyond the standard library. Raises
    ``Fatal`` for what Headgate cannot work with.
    """
    try:
        return _contract(document)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise Fatal(f"{source}: {what}") from None


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document's content; comments and layout of the file do not count."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def custom_properties(element: Mapping[str, Any]) -> dict[str, Any]:
    """``customProperties`` of an ODCS element as a mapping."""
    return {item["property"]: item["value"] for item in element.get("customProperties") or ()}


def _accept_odcs(document: Mapping[str, Any], path: Path) -> None:
    from open_data_contract_standard.model import OpenDataContractStandard
    from pydantic import ValidationError

    try:
        OpenDataContractStandard.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Fatal(f"{path}: not a valid ODCS document at {place}: {first['msg']}") from None


def _contract(document: Mapping[str, Any]) -> Contract:
    _require_text(document, "id", "version", "name")
    objects = document["schema"]
    if len(objects) != 1:
        raise ValueError(f"schema holds {len(objects)} objects; one contract is one table")
    table = objects[0]
    schema_name, _, table_name = str(table["physicalName"]).partition(".")
    custom = custom_properties(document)
    _known(custom, CONTRACT_PROPERTIES, "the contract")
    null_tokens = tuple(custom.get("nullTokens", DEFAULT_NULL_TOKENS))
    columns = tuple(_column(item, null_tokens) for item in table["properties"])
    server = _server(document)
    server_custom = custom_properties(server)
    _known(server_custom, SERVER_PROPERTIES, "the server")
    bucket, prefix = _location(str(server["location"]))
    contract = Contract(
        dataset=document["id"],
        name=document["name"],
        version=str(document["version"]),
        description=_description(document),
        schema=_identifier(schema_name, "schema"),
        table=_identifier(table_name, "table"),
        columns=columns,
        key=_key(table["properties"]),
        owner=_owner(document),
        bucket=bucket,
        prefix=prefix,
        formats=_formats(server_custom, has_source="source" in custom),
        delimiter=str(server_custom.get("delimiter", ",")),
        encoding=str(server.get("encoding", "utf-8")).lower(),
        sheet=server_custom.get("sheet"),
        null_tokens=null_tokens,
        drift=_one_of(custom.get("drift", "rescue"), ("freeze", "evolve", "discard", "rescue"), "drift"),
        reject_threshold=_share(custom, "rejectThreshold", 0.05),
        quarantine_threshold=_share(custom, "quarantineThreshold", custom.get("rejectThreshold", 0.05)),
        volume_tolerance=_share(custom, "volumeTolerance", 0.5),
        minimum_rows=int(custom.get("minimumRows", 0 if "source" in custom else 1)),
        on_rewrite=_one_of(custom.get("onRewrite", "merge"), ("merge", "replace"), "onRewrite"),
        remove_threshold=_share(custom, "removeThreshold", 0.2),
        chunk_bytes=custom.get("chunkBytes"),
        schedule=_schedule(document),
        start_on_arrival=_flag(custom, "startOnArrival"),
        sla=_sla(document),
        retention=_retention(custom.get("retention", {})),
        queue_messages=_positive(custom, "queueMessages"),
        queue_seconds=_positive(custom, "queueSeconds"),
        source=_source(custom["source"]) if "source" in custom else None,
        refuse=tuple(_refuse(item) for item in custom.get("refuse", ())),
        indexes=tuple(Index(tuple(item)) for item in custom.get("indexes", ())),
        tags=tuple(document.get("tags") or ()),
        document=document,
        sha256=digest(document),
    )
    _cross_check(contract)
    for name in ("freshness", "latency", "runtime"):
        contract.sla_limit(name)
    return contract


def _column(item: Mapping[str, Any], null_tokens: tuple[str, ...]) -> Column:
    name = _identifier(str(item["name"]), "column")
    custom = custom_properties(item)
    _known(custom, COLUMN_PROPERTIES, f"column {name}")
    kind = str(item["physicalType"]).lower()
    if kind.split("(")[0] not in COLUMN_TYPES:
        raise ValueError(f"column {name}: physicalType {kind!r} is none of {', '.join(sorted(COLUMN_TYPES))}")
    aliases = dict.fromkeys([*map(str, custom.get("aliases", ())), name])
    return Column(
        name=name,
        type=kind,
        required=bool(item.get("required") or item.get("primaryKey")),
        title=item.get("businessName") or "",
        description=" ".join((item.get("description") or "").split()),
        unit=custom.get("unit"),
        aliases=tuple(aliases),
        null_tokens=tuple(dict.fromkeys([*null_tokens, *map(str, custom.get("nullTokens", ()))])),
        form=_one_of(custom.get("form"), (None, "code"), f"column {name}: form"),
        pad=custom.get("pad"),
        recode=tuple((str(old), str(new)) for old, new in dict(custom.get("recode", {})).items()),
        units=tuple(_unit_rule(rule, name) for rule in custom.get("unitRules", ())),
        derive=tuple(_derive(rule, name) for rule in custom.get("derive", ())),
        trim=bool(custom.get("trim", True)),
        evolved=bool(custom.get("evolved", False)),
    )


def _unit_rule(rule: Mapping[str, Any], column: str) -> UnitRule:
    place = f"column {column}: unitRules"
    _known(rule, frozenset({"factor", "column", "op", "value", "header"}), place)
    by_column = {"column", "op", "value"} <= rule.keys()
    if by_column == ("header" in rule):
        raise ValueError(f"{place}: give either column, op and value, or header")
    if not by_column:
        return UnitRule(factor=float(rule["factor"]), header=str(rule["header"]))
    op = _one_of(rule["op"], ("lt", "le", "gt", "ge", "eq"), f"{place}: op")
    return UnitRule(float(rule["factor"]), str(rule["column"]), op, float(rule["value"]))


def _derive(rule: Mapping[str, Any], column: str) -> Derive:
    place = f"column {column}: derive"
    _known(rule, frozenset({"source", "pattern", "add"}), place)
    if _pattern(rule["pattern"], place).groups != 1:
        raise ValueError(f"{place}: the pattern {rule['pattern']!r} needs exactly one group")
    source = _one_of(rule["source"], ("header", "key"), f"{place}: source")
    return Derive(source, str(rule["pattern"]), int(rule.get("add", 0)))


def _retention(days: Mapping[str, Any]) -> dict[str, int]:
    _known(days, RETENTION, "retention")
    for name, value in days.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"retention: {name} is {value!r}; give whole days, 0 keeps for ever")
    return dict(days)


def _formats(server: Mapping[str, Any], *, has_source: bool) -> tuple[str, ...]:
    """Besides the provider's answers, NDJSON: so rows come back that are replayed out of the quarantine."""
    if has_source:
        return tuple(dict.fromkeys([*server.get("formats", ("api",)), "ndjson"]))
    return tuple(server.get("formats", ("csv",)))


def _source(terms: Mapping[str, Any]) -> Source:
    _known(terms, SOURCE_PROPERTIES, "source")
    for name in ("reread", "overlap", "lag"):
        value = terms.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"source: {name} is {value!r}; give a whole number, 0 or more")
    for name, values in (terms.get("each") or {}).items():
        if not isinstance(values, list) or not values or len({*map(str, values)}) < len(values):
            raise ValueError(f"source: each: {name} is {values!r}; list at least one value, each once")
    return Source(
        provider=str(terms["provider"]),
        endpoint=str(terms["endpoint"]),
        parameters=dict(terms.get("parameters") or {}),
        each={name: tuple(map(str, values)) for name, values in (terms.get("each") or {}).items()},
        window=_one_of(terms.get("window", "interval"), get_args(WindowSize), "source: window"),
        since=_day(terms.get("since"), "since"),
        until=_day(terms.get("until"), "until"),
        reread=terms.get("reread", 0),
        overlap=terms.get("overlap", 0),
        lag=terms.get("lag", 0),
    )


def _day(value: Any, name: str) -> date | None:
    try:
        return None if value is None else date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"source: {name} is {value!r}; give a day: 2024-01-31") from None


def _refuse(rule: Mapping[str, Any]) -> Refuse:
    _known(rule, frozenset({"where", "pattern", "reason"}), "refuse")
    _pattern(rule["pattern"], "refuse")
    where = _one_of(rule["where"], ("key", "header", "sheet"), "refuse: where")
    return Refuse(where, str(rule["pattern"]), " ".join(str(rule["reason"]).split()))


def _key(properties: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    keys = [item for item in properties if item.get("primaryKey")]
    if not keys:
        raise ValueError("no column is a primaryKey: Headgate merges by key and needs at least one")
    return tuple(
        str(item["name"]) for item in sorted(keys, key=lambda item: item.get("primaryKeyPosition", 0))
    )


def _server(document: Mapping[str, Any]) -> Mapping[str, Any]:
    for server in document["servers"]:
        if server.get("type") == "s3":
            return dict(server)
    raise ValueError("no server of type s3: it says in which bucket the objects arrive")


def _location(location: str) -> tuple[str, str]:
    parts = urlsplit(location)
    prefix = parts.path.strip("/")
    if parts.scheme != "s3" or not parts.netloc or not prefix:
        raise ValueError(f"server location {location!r} is not s3://bucket/prefix/")
    return parts.netloc, f"{prefix}/"


def _owner(document: Mapping[str, Any]) -> str:
    team = document.get("team") or {}
    if isinstance(team, Mapping):
        return str(team.get("name") or "unowned")
    return str(team[0].get("name") or team[0].get("username") or "unowned")


def _description(document: Mapping[str, Any]) -> str:
    description = document.get("description") or {}
    parts = [description.get(part) for part in ("purpose", "usage", "limitations")]
    return "\n\n".join(part.strip() for part in parts if part)


def _schedule(document: Mapping[str, Any]) -> str | None:
    for item in document.get("slaProperties") or ():
        if item.get("scheduler") == "cron":
            return str(item["schedule"])
    return None


def _sla(document: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(item["property"]): f"{item['value']} {item.get('unit') or ''}".strip()
        for item in document.get("slaProperties") or ()
        if item.get("value") is not None
    }


def _cross_check(contract: Contract) -> None:
    """What one element alone cannot show."""
    names = [column.name for column in contract.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"columns named twice: {', '.join(twice)}")
    for column in contract.columns:
        for rule in column.units:
            if rule.column is not None and rule.column not in names:
                raise ValueError(
                    f"column {column.name}: unitRules compare {rule.column!r}, which is no column"
                )
        if column.units and not column.is_number:
            raise ValueError(f"column {column.name}: unitRules on a column of type {column.type}")
    for index in contract.indexes:
        for name in index.columns:
            if name not in names:
                raise ValueError(f"indexes name {name!r}, which is no column")
    if contract.sheet is not None:
        _pattern(contract.sheet, "sheet")


def _require_text(document: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if not document[name]:
            raise ValueError(f"{name} is empty")
    _identifier(str(document["id"]), "id")
    if document["id"] == RESERVED:
        raise ValueError(f"id {RESERVED!r} is taken: events that belong to no dataset bear it")


def _identifier(name: str, what: str) -> str:
    """Names become SQL identifiers, queue names and DAG ids: keep to what all of them take."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} {name!r}: use lower-case letters, digits and _ (at most 63, no digit first)"
        )
    return name


def _known(names: Mapping[str, Any], allowed: frozenset[str], place: str) -> None:
    unknown = sorted(set(names) - allowed)
    if unknown:
        raise ValueError(
            f"{place}: unknown property {', '.join(unknown)}; known are {', '.join(sorted(allowed))}"
        )


def _one_of(value: Any, allowed: tuple[Any, ...], place: str) -> Any:
    if value not in allowed:
        raise ValueError(f"{place}: {value!r} is none of {', '.join(map(str, allowed))}")
    return value


def _positive(custom: Mapping[str, Any], name: str) -> Any:
    value = custom.get(name)
    if value is not None and not (isinstance(value, int) and value > 0):
        raise ValueError(f"{name} {value!r}: give a whole number above 0")
    return value


def _flag(custom: Mapping[str, Any], name: str) -> bool:
    value = custom.get(name, False)
    if value not in (True, False):
        raise ValueError(f"{name} is {value!r}; give true or false")
    return bool(value)


def _share(custom: Mapping[str, Any], name: str, default: float) -> float:
    share = float(custom.get(name, default))
    if not 0 <= share <= 1:
        raise ValueError(f"{name} {share} is a share of rows: give 0 to 1")
    return share


def _pattern(text: Any, place: str) -> re.Pattern[str]:
    try:
        return re.compile(str(text))
    except re.error as error:
        raise ValueError(f"{place}: {text!r} is not a regular expression: {error}") from None
