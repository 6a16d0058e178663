"""Postgres at the edge: connections, named statements, error classes and migrations.

SQL lives in ``sql/`` (packaged as ``headgate/sql``): ``queries/<name>.sql`` holds one statement
with ``%(name)s`` parameters, or ``{name}`` identifiers where a statement is composed per table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import psycopg2
import psycopg2.extensions
import psycopg2.extras
from psycopg2 import sql

from headgate.errors import AccessRefused, DataError, Fatal, HeadgateError, Retriable
from headgate.paths import sql_dir

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row", bound="DataclassInstance")
OWNER_ROLE = "headgate_owner"
# Besides 08 (connection), 40 (rollback), 53 (resources), 57 (operator intervention) and 58 (system error): a
# lock that was not free in time, timeouts of an idle or long transaction, and a server that became a standby.
_RETRIABLE_CLASSES = ("08", "40", "53", "57", "58")
_RETRIABLE_CODES = ("55P03", "25P03", "25P04", "25006")
_DATA_CLASSES = ("22", "23")
# libpq gives no SQLSTATE for a refused connection; these texts mean that the server is there.
_REFUSED = (
    "authentication failed",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied",
    "no password",
)

# A peer that vanished answers neither data nor probes: within a minute it counts as gone. Without probes of
# its own a server would keep the transaction of a vanished client, and its locks, for two hours.
_CLIENT = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_SERVER = {
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


class Ledger(Protocol):
    """Runs one idempotent transaction, again after an outage (``headgate.steps.services.Ledger``)."""

    def __call__(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """``action(connection, …)``."""


def connect(
    url: str,
    *,
    application_name: str = "headgate",
    autocommit: bool = False,
    read_only: bool = False,
    statement_timeout: float = 600.0,
    connect_timeout: int = 10,
) -> Connection:
    """A connection to `url`; times in seconds, `statement_timeout` 0 means no limit.

    The session is in UTC. A peer that vanished is noticed within about a minute on both sides: by us,
    and by the server, which then rolls back and lets go of our locks. What the URL says itself
    (``?tcp_user_timeout=…&options=…``) goes before. Raises ``Retriable`` when the server is away and
    ``AccessRefused`` when it does not let us in.
    """
    session = {"timezone": "UTC", "statement_timeout": int(statement_timeout * 1000), **_SERVER}
    parameters: dict[str, Any] = {
        **_CLIENT,
        "application_name": application_name,
        "connect_timeout": connect_timeout,
    }
    try:
        given = psycopg2.extensions.parse_dsn(url)
        options = [*(f"-c {name}={value}" for name, value in session.items()), given.pop("options", "")]
        conn: Connection = psycopg2.connect(**parameters | given, options=" ".join(options))
    except psycopg2.ProgrammingError:  # its text repeats the URL, password included
        raise Fatal(
            "the Postgres URL cannot be read; it looks like postgresql://user:password@host:port/name"
        ) from None
    except psycopg2.Error as error:
        raise classify(error) from error
    # Never "read write": a server that may only be read for now says so at the first write, by a code that
    # means waiting; asked for it at BEGIN, a standby says it by one that does not.
    conn.set_session(autocommit=autocommit, readonly=read_only or None)
    return conn


def classify(error: psycopg2.Error) -> HeadgateError:
    """Our error for one of psycopg2's, by SQLSTATE; a lost or refused socket has none.

    Of what the server says it has the first line only: its details quote rows and statements.
    """
    code = error.pgcode
    if code is None:
        return _classify_without_code(error, str(error).strip() or type(error).__name__)
    message = f"Postgres: {error.diag.message_primary or type(error).__name__} (SQLSTATE {code})"
    if code.startswith(_RETRIABLE_CLASSES) or code in _RETRIABLE_CODES:
        return Retriable(message)
    if code.startswith(_DATA_CLASSES):
        return DataError(message)
    return Fatal(message)


def _classify_without_code(error: psycopg2.Error, text: str) -> HeadgateError:
    if isinstance(error, psycopg2.OperationalError) and any(phrase in text for phrase in _REFUSED):
        return AccessRefused(f"Postgres refuses the connection: {text}")
    if not isinstance(error, psycopg2.ProgrammingError | psycopg2.NotSupportedError | psycopg2.DataError):
        return Retriable(f"Postgres is away: {text}")
    return Fatal(f"Postgres: {text}")


@contextmanager
def transaction(conn: Connection) -> Iterator[Cursor]:
    """One transaction: commits at the end, rolls back on any error, raises ours for psycopg2's."""
    try:
        with conn, conn.cursor() as cursor:
            yield cursor
    except psycopg2.Error as error:
        raise classify(error) from error


def records(cursor: Cursor, of: type[Row]) -> list[Row]:
    """The cursor's rows as dataclasses, matched by column name.

    Columns that the dataclass does not name are left out: a newer schema does not stop an older release.
    """
    names = [column.name for column in cursor.description or ()]
    wanted = {field.name for field in fields(of)}
    return [
        of(**{name: value for name, value in zip(names, row, strict=True) if name in wanted})
        for row in cursor
    ]


@cache
def query(name: str) -> str:
    """The text of ``sql/queries/<name>.sql``."""
    return (sql_dir() / "queries" / f"{name}.sql").read_text(encoding="utf-8")


@cache
def template(name: str) -> sql.SQL:
    """Like `query`, to be composed: ``template(name).format(table=sql.Identifier(...))``."""
    return sql.SQL(query(name))


def migrate(owner_url: str, role_passwords: Mapping[str, str] | None = None) -> list[str]:
    """Bring the control schema to this release; the names of the files that were applied.

    `owner_url` connects as headgate_owner or as a role that may create roles. Such a role also
    creates the four roles and sets the passwords given by role name; they reach the server only as
    SCRAM verifiers. All in one transaction. Raises ``Fatal`` when an applied migration was changed.
    """
    conn = connect(owner_url, application_name="headgate-migrate", statement_timeout=0)
    with closing(conn), transaction(conn) as cursor:
        cursor.execute(query("migration_lock"))
        _ensure_roles(cursor, role_passwords or {})
        _become_owner(cursor)
        cursor.execute((sql_dir() / "bootstrap.sql").read_text(encoding="utf-8"))
        return _apply_files(cursor)


def _ensure_roles(cursor: Cursor, passwords: Mapping[str, str]) -> None:
    cursor.execute(query("role_may_create"))
    (may_create,) = cursor.fetchone() or (False,)
    if not may_create:
        return
    cursor.execute((sql_dir() / "roles.sql").read_text(encoding="utf-8"))
    for role, password in passwords.items():
        verifier = psycopg2.extensions.encrypt_password(password, role, cursor.connection, "scram-sha-256")
        cursor.execute(
            template("role_password").format(role=sql.Identifier(role)),
            {"verifier": verifier},
        )


def _become_owner(cursor: Cursor) -> None:
    try:
        cursor.execute(query("role_become_owner"))
    except psycopg2.Error as error:
        raise Fatal(
            f"cannot act as {OWNER_ROLE}: {str(error).strip()}. Migrate once with a role that may create "
            f"roles, or create the roles of sql/roles.sql and grant {OWNER_ROLE} to this one."
        ) from error


def _apply_files(cursor: Cursor) -> list[str]:
    """Apply new migrations; when anything is new or changed, all functions and views again."""
    cursor.execute(query("migration_list"))
    applied: dict[str, str] = dict(cursor.fetchall())
    texts = {name: (sql_dir() / name).read_text(encoding="utf-8") for name in _ordered_files()}
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    changed = [name for name in texts if applied.get(name) != digests[name]]
    _refuse_changed_history(changed, applied)
    if not changed:
        return []
    for name, text in texts.items():
        if name in changed or not name.startswith("migrations/"):
            _apply(cursor, name, text)
    for name in changed:
        cursor.execute(query("migration_record"), {"name": name, "sha256": digests[name]})
    return changed


def _ordered_files() -> list[str]:
    return [
        f"{folder}/{path.name}"
        for folder in ("migrations", "functions", "views")
        for path in sorted((sql_dir() / folder).glob("*.sql"))
    ]


def _refuse_changed_history(changed: list[str], applied: Mapping[str, str]) -> None:
    rewritten = [name for name in changed if name.startswith("migrations/") and name in applied]
    if rewritten:
        raise Fatal(
            f"{', '.join(rewritten)} was changed after it had been applied to this database. "
            "Restore the file and put the change into a new migration."
        )


def _apply(cursor: Cursor, name: str, text: str) -> None:
    try:
        cursor.execute(text)
    except psycopg2.Error as error:
        problem = classify(error)
        raise type(problem)(f"{name}: {problem}") from error


def one(cursor: Cursor) -> tuple[Any, ...]:
    """The single row of a statement that always has one."""
    row = cursor.fetchone()
    if row is None:
        raise Fatal("a statement that always yields a row yielded none")
    return row
