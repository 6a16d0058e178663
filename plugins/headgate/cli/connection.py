"""Connections of commands to the ledger: to read it, or to change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def connect_reader(name: str) -> Connection:
    """A read-only connection as the reader role; as the pipeline role where there is no reader."""
    from headgate.db import connect
    from headgate.settings import settings

    configured = settings()
    url = configured.reader_url.get_secret_value() or configured.require("database_url")
    return connect(url, application_name=name, read_only=True)


def connect_pipeline(name: str) -> Connection:
    """A connection as the pipeline role, which may change the ledger."""
    from headgate.db import connect
    from headgate.settings import settings

    return connect(settings().require("database_url"), application_name=name)
