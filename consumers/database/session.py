"""A consumer's session in Postgres: the contracts it has met and a staging table for each form of message."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from headgate import db
from headgate.contract import Contract, contract_from_document
from headgate.errors import DataError
from headgate.message import ROW_NUMBER, RowBatch


@dataclass(frozen=True)
class Target:
    """Where the rows of one form of message go: the dataset's table, and this session's tables before it."""

    contract: Contract
    columns: tuple[str, ...]  # of the message, without the row number
    table: sql.Identifier
    stage: sql.Identifier
    part: sql.Identifier
    copy: sql.Composed


class Session:
    """One connection, and what hangs on it. Not thread-safe."""

    def __init__(self, url: str, name: str) -> None:
        self.conn: Connection = db.connect(url, application_name=f"headgate-consumer {name}"[:63])
        self._contracts: dict[tuple[str, int], Contract] = {}
        self._targets: dict[tuple[str, int, tuple[str, ...]], Target] = {}
        with db.transaction(self.conn) as cursor:
            cursor.execute(db.query("consumer_session"))

    def datasets(self) -> list[str]:
        """All datasets of the registry."""
        with db.transaction(self.conn) as cursor:
            cursor.execute(db.query("consumer_datasets"))
            return [name for (name,) in cursor.fetchall()]

    def target(self, batch: RowBatch) -> Target:
        """Where this batch goes. ``DataError`` when the registry does not know what the message speaks of."""
        form = (batch.dataset, batch.contract_version, batch.columns)
        if form not in self._targets:
            contract = self._contract(batch.dataset, batch.contract_version)
            _check_columns(contract, batch)
            self._targets[form] = self._make_target(contract, batch.columns)
        return self._targets[form]

    def close(self) -> None:
        """Hang up; what was not committed is rolled back."""
        self.conn.close()

    def _contract(self, dataset: str, version: int) -> Contract:
        if (dataset, version) not in self._contracts:
            with db.transaction(self.conn) as cursor:
                cursor.execute(db.query("consumer_contract"), {"dataset": dataset, "version": version})
                found = cursor.fetchone()
            if found is None:
                raise DataError(
                    f"the registry has no version {version} of dataset {dataset!r}: "
                    "apply the contract (`headgate contract apply`), then replay the message"
                )
            self._contracts[dataset, version] = contract_from_document(
                found[0], f"{dataset} version {version}"
            )
        return self._contracts[dataset, version]

    def _make_target(self, contract: Contract, columns: tuple[str, ...]) -> Target:
        """Staging tables are made outside of the batches' transaction, so that its rollback leaves them."""
        number = len(self._targets)
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        target = Target(
            contract=contract,
            columns=tuple(column for column in columns if column != ROW_NUMBER),
            table=sql.Identifier(contract.schema, contract.table),
            stage=sql.Identifier(f"stage_{number}"),
            part=sql.Identifier(f"part_{number}"),
            copy=db.template("consumer_copy").format(stage=sql.Identifier(f"stage_{number}"), columns=names),
        )
        with db.transaction(self.conn) as cursor:
            for table in (target.stage, target.part):
                cursor.execute(
                    db.template("consumer_stage").format(stage=table, columns=names, target=target.table)
                )
        return target


def _check_columns(contract: Contract, batch: RowBatch) -> None:
    known = {column.name for column in contract.columns} | {ROW_NUMBER, "_rescued"}
    unknown = [column for column in batch.columns if column not in known]
    missing = [column for column in contract.key if column not in batch.columns]
    if unknown or missing:
        raise DataError(
            f"the message's columns do not fit version {batch.contract_version} of {batch.dataset}: "
            f"unknown {', '.join(unknown) or 'none'}, missing of the key {', '.join(missing) or 'none'}"
        )
