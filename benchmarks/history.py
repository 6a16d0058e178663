"""A ledger with history: what an installation has in its control schema after so many messages."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from headgate.contract import contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import transaction

HERE = Path(__file__).resolve().parent
MESSAGES_A_RUN = 50
DATASETS = tuple(f"d{number:03}" for number in range(1, 21))
BUSY = DATASETS[0]  # half of all runs


def document(dataset: str) -> dict[str, Any]:
    """The contract of one of the datasets."""
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": dataset,
        "name": f"Dataset {dataset}",
        "version": "1.0.0",
        "status": "active",
        "servers": [
            {"server": "landing", "type": "s3", "location": f"s3://landing/{dataset}/", "format": "csv"}
        ],
        "schema": [
            {
                "name": dataset,
                "physicalName": f"lab.{dataset}",
                "properties": [
                    {"name": "id", "logicalType": "string", "physicalType": "text", "primaryKey": True},
                    {"name": "amount", "logicalType": "number", "physicalType": "double precision"},
                    {"name": "note", "logicalType": "string", "physicalType": "text"},
                ],
            }
        ],
    }


def write(admin_url: str, messages: int) -> None:
    """Fill a migrated database that has no history; `messages` of 50 a run. As a superuser."""
    with closing(psycopg2.connect(admin_url)) as conn:
        for dataset in DATASETS:
            apply_contract(conn, contract_from_document(document(dataset)))
        with transaction(conn) as cursor:
            cursor.execute((HERE / "history.sql").read_text(), {"runs": messages // MESSAGES_A_RUN})
        conn.autocommit = True
        conn.cursor().execute("VACUUM ANALYZE")
