"""The ground that all lines are measured on: private servers, files, and tables in a known state."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from math import isclose
from pathlib import Path
from typing import Any

import psycopg2
import yaml

from benchmarks import rows
from benchmarks.harness import SHAPES, Workload, Wrong
from benchmarks.rows import Facts
from benchmarks.shapes import LANDING, document, shape_of, suite_of
from benchmarks.stack import OwnDags
from headgate import paths
from headgate.cli.airflow_api import Airflow
from headgate.contract import Contract, contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.settings import Settings, read_settings
from headgate.stack import Part, connections, postgres
from headgate.stack.catalogue import SERVERS
from headgate.steps.services import Services

HERE = Path(__file__).resolve().parent


class BenchStack(OwnDags):
    """With the connection that people's hand-written DAGs use."""

    def airflow_settings(self) -> dict[str, str]:
        warehouse = postgres.admin_url(self.ports, self.secrets, postgres.DATABASE)
        return super().airflow_settings() | {"AIRFLOW_CONN_WAREHOUSE": warehouse}


class Bench:
    """Servers under ``home``, and what every line needs of them."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.stack = BenchStack(self.home)
        self.part = Part.INFRA

    # -- servers ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the servers; this process and its children know no others from here on."""
        os.environ["HEADGATE_HOME"] = str(self.home)
        self.write_dags()
        self.stack.up(Part.INFRA)
        os.environ.update(connections.settings(self.stack.ports, self.stack.secrets))
        self.stop(lambda program: program not in SERVERS)
        for schema in ("plain", "base"):
            self.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")

    def bring(self, part: Part) -> None:
        """Have just this part of the stack running."""
        if part is not self.part:
            if part is Part.ALL:
                self.stack.up(Part.ALL)
            else:
                self.stop(lambda program: program not in SERVERS)
            self.part = part

    def stop(self, chosen: Callable[[str], bool]) -> None:
        """Stop the programs whose name is chosen, and wait until they have ended."""
        running = [p for p in self.stack.client.processes() if p.pid and chosen(p.program)]
        for process in running:
            self.stack.client.stop(process)
        self.stack.wait_for_stop({process.name for process in running})

    def airflow(self, dag_id: str) -> Airflow:
        """Airflow, once it knows the DAG."""
        api = Airflow.from_settings(self.settings)
        api.wait_for_dag(dag_id)
        api.unpause(dag_id)
        return api

    def write_dags(self) -> None:
        """A folder of DAGs: ``whole_<shape>`` of Headgate for each shape, and what people write by hand."""
        suites = self.home / "expectations"
        for folder in (self.stack.dags / "datasets", suites):
            folder.mkdir(parents=True, exist_ok=True)
        for dag in (paths.dags_dir() / "headgate_datasets.py", HERE / "competitors" / "handwritten_dag.py"):
            shutil.copy(dag, self.stack.dags)
        for shape in SHAPES:
            dataset = f"whole_{shape}"
            text = yaml.safe_dump(document(shape, dataset))
            (self.stack.dags / "datasets" / f"{dataset}.yaml").write_text(text)
            shutil.copy(suite_of(shape), suites / f"{dataset}.json")

    def contract(self, shape: str, dataset: str) -> Contract:
        """The contract of a dataset of this shape."""
        return contract_from_document(document(shape, dataset), dataset)

    def apply(self, contract: Contract) -> None:
        """Bring registry and table to the contract."""
        with closing(connect(self.settings.require("owner_url"))) as conn:
            apply_contract(conn, contract)

    def empty_ledger(self, dataset: str) -> None:
        """Forget every run of this dataset, and what landed and was staged of it."""
        of_objects = "WHERE object_id IN (SELECT object_id FROM headgate.object WHERE dataset = %s)"
        for table in ("receipt", "quarantine", "adoption", "chunk"):
            self.sql(f"DELETE FROM headgate.{table} {of_objects}", (dataset,))
        for table in ("object", "run", "event"):
            self.sql(f"DELETE FROM headgate.{table} WHERE dataset = %s", (dataset,))
        self.sweep(f"{dataset}/")

    def sweep(self, prefix: str) -> None:
        """Remove what is landed and staged below the prefix."""
        for bucket in (LANDING, self.services.staging):
            for stored in list(self.services.store.listing(bucket, prefix)):
                self.services.store.delete(bucket, stored.key)

    def root_pids(self) -> list[int]:
        """All processes of the stack descend from these."""
        pid = self.stack.client.pid()
        return [pid] if pid else []

    @cached_property
    def settings(self) -> Settings:
        """Of Headgate's steps, command line and consumers: the bench's servers, else as in service."""
        return read_settings()

    @cached_property
    def services(self) -> Services:
        return Services.of(self.settings)

    @property
    def url(self) -> str:
        """The database as its superuser: what every competitor logs in with."""
        return postgres.admin_url(self.stack.ports, self.stack.secrets, postgres.DATABASE)

    # -- SQL ----------------------------------------------------------------------------------

    def sql(
        self, statement: str, values: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """One statement as the superuser, committed; its rows."""
        with closing(psycopg2.connect(self.url)) as conn:
            conn.autocommit = True
            with conn.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []

    def psql(self, *commands: str) -> None:
        """Commands, each given to psql by ``-c``, in one session."""
        arguments = [part for command in commands for part in ("-c", command)]
        program = str(postgres.binary("psql"))
        command = [program, "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", self.url, *arguments]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Wrong(f"psql: {done.stderr.strip()}")

    def settle(self) -> None:
        """A server at rest: autovacuum would charge a line for the table of the one before."""
        self.sql("VACUUM (ANALYZE)")
        self.sql("CHECKPOINT")

    def wal_position(self) -> int:
        """Bytes of WAL since the cluster was made."""
        [(position,)] = self.sql("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return int(position)

    # -- files --------------------------------------------------------------------------------

    def source(self, workload: Workload) -> Path:
        """The file to load."""
        return rows.file_of(self.home / "data", workload.shape, workload.rows, workload.change)

    def base(self, workload: Workload) -> Path:
        """The file that the table holds before, where it is not fresh."""
        return rows.file_of(self.home / "data", workload.shape, workload.rows, "fresh")

    # -- tables -------------------------------------------------------------------------------

    def plain_table(self, workload: Workload) -> str:
        """A table of the file's columns in the state before the load; its qualified name."""
        shape = shape_of(workload.shape)
        table = f"plain.{shape.name}"
        self.sql(f"DROP TABLE IF EXISTS {table}")
        self.sql(f"CREATE TABLE {table} ({shape.ddl})")
        self.fill(table, workload)
        return table

    def headgate_table(self, workload: Workload, dataset: str, object_id: int = 0) -> str:
        """Headgate's own table of this dataset in the state before the load; its qualified name.

        It has four columns more, which say where a row came from; ``object_id`` is of the object before.
        """
        contract = self.contract(workload.shape, dataset)
        table = contract.qualified_table
        self.sql(f"DROP TABLE IF EXISTS {table}")
        self.apply(contract)
        lineage = {
            "_object_id": str(object_id),
            "_row_number": "row_number() OVER ()",
            "_object_version": "1",
            "_loaded_at": "now()",
        }
        self.fill(table, workload, lineage)
        return table

    def fill(self, table: str, workload: Workload, more: Mapping[str, str] | None = None) -> None:
        """Rows as the workload finds them, then indexes, then vacuum and statistics as of a table at rest."""
        shape = shape_of(workload.shape)
        if workload.change != "fresh":
            names = [*shape.columns, *(more or {})]
            values = [*shape.columns, *(more or {}).values()]
            source = self.base_table(workload)
            self.sql(f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {source}")
        for columns in shape.indexes[: workload.indexes]:
            self.sql(f"CREATE INDEX ON {table} ({', '.join(columns)})")
        self.sql(f"VACUUM (ANALYZE) {table}")

    def base_table(self, workload: Workload) -> str:
        """The rows of the file before, without an index, kept between runs; the table's name."""
        shape = shape_of(workload.shape)
        path = self.base(workload)
        table = f"base.{shape.name}_{workload.rows}"
        [(there,)] = self.sql("SELECT to_regclass(%s) IS NOT NULL", (table,))
        if not there:
            types = ", ".join(f"{name} {kind}" for name, kind in shape.columns.items())
            self.sql(f"CREATE UNLOGGED TABLE {table} ({types})")
            self.psql(rf"\copy {table} FROM '{path}' WITH (FORMAT csv, HEADER)")
        return table

    def expect(self, table: str, workload: Workload) -> None:
        """``Wrong`` unless the table holds exactly the file: rows, values and sum of every column."""
        expected = rows.facts_of(self.source(workload))
        shape = shape_of(workload.shape)
        asked = [part for name, kind in shape.columns.items() for part in facts_sql(name, kind)]
        [(count, *values)] = self.sql(f"SELECT count(*), {', '.join(asked)} FROM {table}")
        found = Facts(count, values[::2], [float(value or 0) for value in values[1::2]])
        problem = difference(expected, found, list(shape.columns))
        if problem:
            raise Wrong(f"{table} does not hold {workload}: {problem}")


def facts_sql(name: str, kind: str) -> tuple[str, str]:
    """Values that are not null, and their sum; of text the sum of its lengths."""
    value = f"length({name}::text)" if kind == "text" else f"{name}::double precision"
    return f"count({name})", f"sum({value})"


def difference(expected: Facts, found: Facts, columns: Sequence[str]) -> str | None:
    """What is not as expected, for a person; sums of numbers may differ by the order of summing."""
    if found.rows != expected.rows:
        return f"{found.rows:,} rows, not {expected.rows:,}"
    for place, name in enumerate(columns):
        if found.counts[place] != expected.counts[place]:
            return f"{found.counts[place]:,} values of {name}, not {expected.counts[place]:,}"
        if not isclose(found.sums[place], expected.sums[place], rel_tol=1e-9, abs_tol=1e-6):
            return f"{name} sums to {found.sums[place]!r}, not {expected.sums[place]!r}"
    return None
