"""The target table of a contract: DDL, comments, grants and additive evolution.

Only identifiers and comments are composed here; they are quoted, and ``document`` has checked
that names are plain. Statements come one by one, ready to be executed by the owner role.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from headgate.contract.model import RESCUED_COLUMN, SYSTEM_COLUMNS, Column, Contract
from headgate.errors import Fatal

LOADER: Final = "headgate_loader"
PIPELINE: Final = "headgate_pipeline"
READER: Final = "headgate_reader"

_SYSTEM_COMMENTS: Final = {
    "_object_id": "Object (headgate.object) that this row's values came from",
    "_row_number": "1-based data record of that object",
    "_object_version": "Version of that object: microseconds since 1970 of its first arrival",
    "_loaded_at": "When these values were written",
    RESCUED_COLUMN: "Cells of columns that the contract does not name, by their header",
}
# What the body of a message does not say, its transaction does: see sql/queries/consumer_direct.sql.
_SYSTEM_DEFAULTS: Final = {
    "_object_id": "current_setting('headgate.object_id')::bigint",
    "_object_version": "current_setting('headgate.object_version')::bigint",
    "_loaded_at": "now()",
}
# As pg_catalog.format_type names them: what the existing table is compared with.
_CATALOG_NAMES: Final = {"timestamptz": "timestamp with time zone"}


def quote(identifier: str) -> str:
    """An SQL identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal, whatever ``standard_conforming_strings`` says."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def target(contract: Contract) -> str:
    """The quoted, schema-qualified name of the contract's table."""
    return f"{quote(contract.schema)}.{quote(contract.table)}"


def table_ddl(contract: Contract) -> list[str]:
    """Statements that make the schema, the table, its indexes, comments and grants; all may be run again."""
    return [
        f"CREATE SCHEMA IF NOT EXISTS {quote(contract.schema)}",
        _create_table(contract),
        *index_ddl(contract),
        *comment_ddl(contract),
        *grant_ddl(contract),
    ]


def evolve_ddl(existing: Mapping[str, str], contract: Contract, required: Collection[str] = ()) -> list[str]:
    """Statements that add what the contract has and the table lacks.

    ``existing`` maps the table's columns to their types as ``format_type`` names them; those in ``required``
    are NOT NULL, and take nulls from now on where the contract no longer requires them. A changed type is
    ``Fatal``: values already loaded would have to be rewritten, which is a person's decision. Added columns
    are nullable, as the rows that are there have no value for them. Columns that the contract no longer
    names stay, with their data.
    """
    _refuse_type_changes(existing, contract)
    statements = [
        f"ALTER TABLE {target(contract)} ADD COLUMN IF NOT EXISTS {quote(column.name)} {column.type}"
        for column in contract.columns
        if column.name not in existing
    ]
    if contract.rescues and RESCUED_COLUMN not in existing:
        statements.append(f"ALTER TABLE {target(contract)} ADD COLUMN IF NOT EXISTS {RESCUED_COLUMN} jsonb")
    optional = [name for name in existing if name in required and _is_optional(name, contract)]
    statements += [f"ALTER TABLE {target(contract)} ALTER COLUMN {quote(n)} DROP NOT NULL" for n in optional]
    return statements


def index_ddl(contract: Contract) -> list[str]:
    """Secondary indexes of the contract; where versions replace another also one that finds their rows."""
    columns = [index.columns for index in contract.indexes]
    if contract.on_rewrite == "replace":
        columns.append(("_object_id",))
    return [
        f"CREATE INDEX IF NOT EXISTS {quote('_'.join((contract.table, *names))[:58] + '_idx')} "
        f"ON {target(contract)} ({', '.join(map(quote, names))})"
        for names in columns
    ]


def comment_ddl(contract: Contract) -> list[str]:
    """Title, description and units as Postgres comments."""
    about = f"{contract.name}\n\n{contract.description}".strip()
    statements = [f"COMMENT ON TABLE {target(contract)} IS {literal(about)}"]
    comments = {column.name: column.comment for column in contract.columns}
    comments |= {name: text for name, text in _SYSTEM_COMMENTS.items() if name in stored_columns(contract)}
    return statements + [
        f"COMMENT ON COLUMN {target(contract)}.{quote(name)} IS {literal(text)}"
        for name, text in comments.items()
        if text
    ]


def grant_ddl(contract: Contract) -> list[str]:
    """The least each role needs: consumers write, tasks and readers read."""
    schema = quote(contract.schema)
    return [
        f"GRANT USAGE ON SCHEMA {schema} TO {LOADER}, {PIPELINE}, {READER}",
        f"GRANT SELECT, INSERT, UPDATE ON {target(contract)} TO {LOADER}",
        f"GRANT SELECT ON {target(contract)} TO {PIPELINE}, {READER}",
    ]


def stored_columns(contract: Contract) -> dict[str, str]:
    """All columns of the table in their order: contract's, rescued, system; name to type."""
    columns = {column.name: column.type for column in contract.columns}
    if contract.rescues:
        columns[RESCUED_COLUMN] = "jsonb"
    return columns | dict(SYSTEM_COLUMNS)


def _create_table(contract: Contract) -> str:
    lines = [_column_line(column) for column in contract.columns]
    if contract.rescues:
        lines.append(f"{RESCUED_COLUMN} jsonb")
    lines += [_system_line(name, kind) for name, kind in SYSTEM_COLUMNS.items()]
    lines.append(f"PRIMARY KEY ({', '.join(map(quote, contract.key))})")
    return f"CREATE TABLE IF NOT EXISTS {target(contract)} (\n    " + ",\n    ".join(lines) + "\n)"


def _column_line(column: Column) -> str:
    return f"{quote(column.name)} {column.type}" + (" NOT NULL" if column.required else "")


def _system_line(name: str, kind: str) -> str:
    default = _SYSTEM_DEFAULTS.get(name)
    return f"{name} {kind} NOT NULL" + (f" DEFAULT {default}" if default else "")


def _refuse_type_changes(existing: Mapping[str, str], contract: Contract) -> None:
    for column in contract.columns:
        stored = existing.get(column.name)
        if stored is not None and stored != _CATALOG_NAMES.get(column.type, column.type):
            raise Fatal(
                f"{contract.dataset}: column {column.name} is {stored} in {contract.qualified_table} and "
                f"{column.type} in the contract. A type is not changed under loaded rows: add a column with "
                "a new name, or convert the table yourself (ALTER TABLE … ALTER COLUMN … TYPE …) and apply "
                "the contract again."
            )


def _is_optional(name: str, contract: Contract) -> bool:
    """Whether a column of the table must take nulls: dropped from the contract, or no longer required."""
    if name in SYSTEM_COLUMNS or name == RESCUED_COLUMN:
        return False
    column = contract.by_name.get(name)
    return column is None or not column.required
