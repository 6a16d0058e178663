"""A consumer's session in Postgres: the contracts it has met and a staging table for each form of message."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from headgate import db
from headgate.contract import Contract, contract_from_document
from headgate.errors import Fatal, HeadgateError, Retriable
from headgate.failures import Cause, MessageError, cause_of
from headgate.message import ROW_NUMBER, RowBatch


@dataclass(frozen=True)
class Target:
    """Where the rows of one form of message go: the dataset's table, and this session's table before it."""

    contract: Contract
    columns: tuple[str, ...]  # of the message, without the row number
    table: sql.Identifier
    stage: sql.Identifier
    copy: sql.Composed  # into the staging table
    copy_direct: sql.Composed  # into the dataset's


class Session:
    """What hangs on one connection. Not thread-safe."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
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
        """Where this batch goes. ``MessageError`` when registry or database do not have it (yet)."""
        form = (batch.dataset, batch.contract_version, batch.columns)
        if form not in self._targets:
            contract = self._contract(batch.dataset, batch.contract_version)
            _check_columns(contract, batch)
            self._targets[form] = self._make_target(contract, batch.columns)
        return self._targets[form]

    def _contract(self, dataset: str, version: int) -> Contract:
        if (dataset, version) not in self._contracts:
            with db.transaction(self.conn) as cursor:
                cursor.execute(db.query("consumer_contract"), {"dataset": dataset, "version": version})
                found = cursor.fetchone()
            if found is None:
                raise self._unknown(dataset, version)
            try:
                contract = contract_from_document(found[0], f"{dataset} version {version}")
            except Fatal as error:  # of a newer release: one dataset must not stop the others
                raise MessageError(Cause.UNKNOWN_CONTRACT, str(error)) from error
            self._contracts[dataset, version] = contract
        return self._contracts[dataset, version]

    def _unknown(self, dataset: str, version: int) -> MessageError:
        way_out = "apply its contract (`headgate contract apply`)"
        if dataset not in self.datasets():
            return MessageError(Cause.UNKNOWN_DATASET, f"the registry has no dataset {dataset!r}: {way_out}")
        return MessageError(
            Cause.UNKNOWN_CONTRACT, f"the registry has no version {version} of dataset {dataset!r}: {way_out}"
        )

    def _make_target(self, contract: Contract, columns: tuple[str, ...]) -> Target:
        """Staging tables are made outside of the batches' transaction, so that its rollback leaves them."""
        number = len(self._targets)
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        table, stage = sql.Identifier(contract.schema, contract.table), sql.Identifier(f"stage_{number}")
        target = Target(
            contract=contract,
            columns=tuple(column for column in columns if column != ROW_NUMBER),
            table=table,
            stage=stage,
            copy=db.template("consumer_copy").format(into=stage, columns=names),
            copy_direct=db.template("consumer_copy").format(into=table, columns=names),
        )
        self._make_stage(target, names)
        return target

    def _make_stage(self, target: Target, names: sql.Composable) -> None:
        statement = db.template("consumer_stage").format(
            stage=target.stage, columns=names, target=target.table
        )
        try:
            with self.conn, self.conn.cursor() as cursor:
                cursor.execute(statement)
        except psycopg2.Error as error:
            raise refused(error) from error


def refused(error: psycopg2.Error) -> HeadgateError:
    """What to make of an error that is about no row: wait where a server is away, else the message fails."""
    problem = db.classify(error)
    return problem if isinstance(problem, Retriable) else MessageError(cause_of(error.pgcode), str(problem))


def _check_columns(contract: Contract, batch: RowBatch) -> None:
    known = {column.name for column in contract.columns} | {ROW_NUMBER, "_rescued"}
    unknown = [column for column in batch.columns if column not in known]
    missing = [column for column in contract.key if column not in batch.columns]
    if unknown or missing:
        raise MessageError(
            Cause.WRONG_COLUMNS,
            f"the message's columns do not fit version {batch.contract_version} of {batch.dataset}: "
            f"unknown {', '.join(unknown) or 'none'}, missing of the key {', '.join(missing) or 'none'}",
        )
