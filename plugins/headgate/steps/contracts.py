"""The registered contracts that the objects of a run were inspected under."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.contract import Contract
from headgate.contract.document import custom_properties, digest
from headgate.contract.registry import registered
from headgate.db import query, transaction
from headgate.ledger import ObjectVersion
from headgate.steps.services import Services

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


class Contracts:
    """One dataset's contract versions, each read once a task."""

    def __init__(self, services: Services, dataset: str) -> None:
        self._services, self._dataset = services, dataset
        self._known: dict[int, Contract] = {}

    def version(self, number: int) -> Contract:
        """The contract as it was applied under this number."""
        if number not in self._known:
            self._known[number], _ = self._services.ledger(registered, self._dataset, number)
        return self._known[number]

    def of(self, found: ObjectVersion) -> Contract:
        """The contract that the object is read by."""
        return self.version(found.contract_version)


def read_by(conn: Connection, object_id: int, version: int) -> None:
    """Note that the object is read by this version, from inspection to its messages."""
    with transaction(conn) as cursor:
        cursor.execute(query("object_read_by"), {"object_id": object_id, "version": version})


def file_digest(contract: Contract) -> str:
    """The ``sha256`` of the contract's file: the registered one may have columns that drift added since."""
    if not any(column.evolved for column in contract.columns):
        return contract.sha256
    schema = dict(contract.document["schema"][0])
    schema["properties"] = [
        item for item in schema["properties"] if not custom_properties(item).get("evolved")
    ]
    return digest({**contract.document, "schema": [schema]})
