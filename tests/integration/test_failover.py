"""What a failover of Postgres looks like to those who write."""

from __future__ import annotations

import uuid
from contextlib import closing

import pytest

from headgate import db, receipts
from headgate.errors import Retriable
from tests.conftest import Database, Servers, admin


def test_a_server_that_may_only_be_read_for_now_is_waited_for(servers: Servers, database: Database) -> None:
    admin(servers, f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    with (
        closing(db.connect(database.loader_url)) as conn,
        pytest.raises(Retriable, match="read-only transaction"),
        db.transaction(conn) as cursor,
    ):
        receipts.claim(cursor, message_id=uuid.uuid4(), object_id=1, chunk_id=1, consumer="c")
