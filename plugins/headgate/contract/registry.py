"""Contracts in Postgres: the target table, and every version that was ever applied.

Tasks and consumers read contracts from here, never from Airflow's disk. A version is never changed;
a changed contract, or a column that the evolve mode adds, is the next one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.contract.document import contract_from_document, custom_properties
from headgate.contract.model import SYSTEM_COLUMNS, Contract, fold
from headgate.contract.table import comment_ddl, evolve_ddl, grant_ddl, index_ddl, table_ddl
from headgate.errors import Fatal

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class _Applied:
    """A row of the registry."""

    version: int
    document: Mapping[str, Any]
    sha256: str
    table: tuple[str, str]


@dataclass(frozen=True)
class _Table:
    """What Postgres has under the contract's table name."""

    types: Mapping[str, str]  # column to type, as format_type names it
    required: frozenset[str]  # columns that are NOT NULL
    key: frozenset[str]


def apply_contract(conn: Connection, contract: Contract) -> int:
    """Bring table and registry to this contract, as the owner role; the version that is in force.

    All in one transaction; applying what is applied already changes nothing. Raises ``Fatal`` for what is
    wrong with the contract itself, and for what cannot be done under loaded rows: another key, another
    type, another table name.
    """
    from headgate.contract.check import contract_problems
    from headgate.db import query, transaction

    if problems := contract_problems(contract):
        raise Fatal(f"{contract.dataset}: {'; '.join(problems)}")
    with transaction(conn) as cursor:
        cursor.execute(query("role_become_owner"))
        cursor.execute(query("contract_lock"))
        newest = _newest(cursor, contract.dataset)
        table = _existing_table(cursor, contract)
        merged = _with_evolved(contract, newest)
        _refuse_other_table(cursor, merged, newest)
        _refuse(merged, table)
        _refuse_other_windows(cursor, merged)
        statements = table_ddl(merged) if table is None else evolve_ddl(table.types, merged, table.required)
        if newest and newest.sha256 == contract.sha256 and not statements:
            return newest.version
        for statement in [*statements, *index_ddl(merged), *comment_ddl(merged), *grant_ddl(merged)]:
            cursor.execute(statement)
        if newest and newest.sha256 == contract.sha256:
            return newest.version
        return _register(cursor, merged, contract.sha256, newest)


def registered(conn: Connection, dataset: str, version: int | None = None) -> tuple[Contract, int]:
    """The contract of a version, the newest where none is given. ``Fatal`` when it was never applied."""
    from headgate.db import transaction

    with transaction(conn) as cursor:
        found = _at_version(cursor, dataset, version) if version is not None else _newest(cursor, dataset)
    if found is None:
        which = f"version {version} of its contract was" if version is not None else "its contract was"
        raise Fatal(f"dataset {dataset}: {which} never applied; run `headgate contract apply {dataset}`")
    where = f"registry: {dataset} version {found.version}"
    return contract_from_document(found.document, where), found.version


def evolve(conn: Connection, dataset: str, headers: Sequence[str]) -> int:
    """Add a text column for each of these headers, as the pipeline role; the version that has them.

    For contracts with drift ``evolve`` only. Headers that have a column already add nothing.
    """
    from headgate.db import one, query, transaction

    contract, _ = registered(conn, dataset)
    known = {fold(alias) for column in contract.columns for alias in column.aliases}
    new = [header for header in dict.fromkeys(headers) if fold(header) not in known]
    names = column_names(new, taken=contract.by_name)
    with transaction(conn) as cursor:
        cursor.execute(query("contract_evolve"), {"dataset": dataset, "names": names, "headers": new})
        return int(one(cursor)[0])


def column_names(headers: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """A plain column name for each header: lower case, digits and ``_``; unlike each other and ``taken``."""
    used = set(taken)
    names = []
    for header in headers:
        base = re.sub(r"[^a-z0-9]+", "_", header.strip().lower()).strip("_")
        base = base if re.match(r"[a-z]", base) else f"column_{base}".rstrip("_")
        name, number = base[:58], 2
        while name in used:
            name, number = f"{base[:58]}_{number}", number + 1
        used.add(name)
        names.append(name)
    return names


def _newest(cursor: Cursor, dataset: str) -> _Applied | None:
    from headgate.db import query

    cursor.execute(query("contract_newest"), {"dataset": dataset})
    return _applied(cursor)


def _at_version(cursor: Cursor, dataset: str, version: int) -> _Applied | None:
    from headgate.db import query

    cursor.execute(query("contract_at_version"), {"dataset": dataset, "version": version})
    return _applied(cursor)


def _applied(cursor: Cursor) -> _Applied | None:
    row = cursor.fetchone()
    return _Applied(row[0], row[1], row[2], (row[3], row[4])) if row else None


def _existing_table(cursor: Cursor, contract: Contract) -> _Table | None:
    from headgate.db import query

    columns = _table_columns(cursor, (contract.schema, contract.table))
    if not columns:
        return None
    cursor.execute(query("contract_table_key"), {"schema": contract.schema, "table": contract.table})
    return _Table(
        types={name: kind for name, kind, _ in columns},
        required=frozenset(name for name, _, required in columns if required),
        key=frozenset(name for (name,) in cursor.fetchall()),
    )


def _table_columns(cursor: Cursor, table: tuple[str, str]) -> list[tuple[str, str, bool]]:
    """Name, type and NOT NULL of each column; none where there is no such table."""
    from headgate.db import query

    cursor.execute(query("contract_table_columns"), {"schema": table[0], "table": table[1]})
    return cursor.fetchall()


def _with_evolved(contract: Contract, newest: _Applied | None) -> Contract:
    """The contract with the columns that the evolve mode has added since, which its file does not know."""
    if newest is None:
        return contract
    properties = newest.document["schema"][0]["properties"]
    evolved = [
        item
        for item in properties
        if custom_properties(item).get("evolved") and item["name"] not in contract.by_name
    ]
    if not evolved:
        return contract
    schema = [{**contract.document["schema"][0]}]
    schema[0]["properties"] = [*schema[0]["properties"], *evolved]
    return contract_from_document({**contract.document, "schema": schema}, contract.dataset)


def _refuse_other_table(cursor: Cursor, contract: Contract, newest: _Applied | None) -> None:
    """Rows stay where they are until a person renames their table: it is gone under its old name then."""
    if newest and newest.table != (contract.schema, contract.table) and _table_columns(cursor, newest.table):
        raise Fatal(
            f"{contract.dataset}: its rows are in {'.'.join(newest.table)}, the contract says "
            f"{contract.qualified_table}. Rename the table yourself, or give the new table a new dataset."
        )


def _refuse(contract: Contract, table: _Table | None) -> None:
    """Changes that would need loaded rows to be rewritten are a person's decision."""
    if table is None:
        return
    missing = sorted(set(SYSTEM_COLUMNS) - table.types.keys())
    if missing:
        raise Fatal(
            f"{contract.dataset}: the table {contract.qualified_table} lacks {', '.join(missing)}: Headgate "
            "did not make it. Choose another physicalName."
        )
    if table.key != frozenset(contract.key):
        raise Fatal(
            f"{contract.dataset}: the key of {contract.qualified_table} is ({', '.join(sorted(table.key))}), "
            f"the contract says ({', '.join(contract.key)}). A key is not changed under loaded rows: make a "
            "new dataset with a new table and load the objects into it."
        )


def _refuse_other_windows(cursor: Cursor, contract: Contract) -> None:
    """A version replaces what has its own key; what lies under other keys would keep its vanished rows."""
    from headgate.db import query, records
    from headgate.sources.windows import Known, under_other_key

    if contract.source is None or contract.on_rewrite != "replace":
        return
    cursor.execute(query("fetch_known"), {"dataset": contract.dataset})
    if row := under_other_key(contract.source, records(cursor, Known)):
        raise Fatal(
            f"{contract.dataset}: {row.folder} is landed. The window, since, until or names under each that "
            "the contract has now give its rows another key; with onRewrite `replace`, those that vanished "
            "would stay. Leave these terms as they were, use `merge`, or make a new dataset with a new table."
        )


def _register(cursor: Cursor, contract: Contract, sha256: str, newest: _Applied | None) -> int:
    from headgate.db import query

    version = newest.version + 1 if newest else 1
    cursor.execute(
        query("contract_register"),
        {
            "dataset": contract.dataset,
            "version": version,
            "contract": json.dumps(contract.document),
            "sha256": sha256,
            "table_schema": contract.schema,
            "table_name": contract.table,
        },
    )
    return version
