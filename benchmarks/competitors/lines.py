"""Competitors as lines of the harness: each is given the file on disk, and none validates or keeps books."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.harness import Line, Workload, Wrong, wait_until
from benchmarks.shapes import shape_of
from headgate.cli.airflow_api import FINISHED
from headgate.stack import Part

if TYPE_CHECKING:
    from benchmarks.bench import Bench

HERE = Path(__file__).resolve().parent
DLT_PYTHON = HERE.parents[1] / ".venv-bench" / "bin" / "python"
HEAD_ROWS = 1_000
SLOW_ROWS = 1_000_000  # from here on a line that takes minutes runs once
POLL = 0.5  # seconds, as `headgate run --wait`


class Competitor(Line):
    """A line whose timed part is one program, started and waited for."""

    group = "whole run"

    def call(self, command: list[str], **environment: str) -> None:
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
        if done.returncode:
            raise Wrong(f"{self.name} failed: {(done.stderr or done.stdout)[-2000:]}")


class Dlt(Competitor):
    """dlt, one of the ways that ``dlt_pipeline.py`` describes."""

    def __init__(self, how: str, name: str, config: str) -> None:
        self.how, self.name, self.config = how, name, config
        self.schema = f"dlt_{how}"

    def refuses(self, workload: Workload) -> str | None:
        if not DLT_PYTHON.exists():
            return "dlt is not installed; `make bench` installs it in .venv-bench"
        return too_slow(workload) if self.how == "plain" else None

    def repeats(self, workload: Workload, repeat: int) -> int:
        return 1 if self.how == "plain" and workload.rows >= SLOW_ROWS else repeat

    def prepare(self, bench: Bench, workload: Workload) -> None:
        """dlt makes its table, by the file's first rows; it is then emptied, filled, indexed as all are."""
        self.forget(bench)
        self.load(bench, workload, head(bench.source(workload), bench.home / "head.csv"))
        table = f"{self.schema}.{workload.shape}"
        bench.sql(f"TRUNCATE {table}")
        bench.sql(f"ALTER TABLE {table} ADD PRIMARY KEY ({', '.join(shape_of(workload.shape).key)})")
        bench.fill(table, workload, self.own_columns(bench, workload))

    def forget(self, bench: Bench) -> None:
        for schema in (self.schema, f"{self.schema}_staging"):
            bench.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        shutil.rmtree(bench.home / self.schema, ignore_errors=True)

    def own_columns(self, bench: Bench, workload: Workload) -> dict[str, str]:
        """Columns that dlt adds, with a value for rows that were there before."""
        found = bench.sql(
            "SELECT column_name FROM information_schema.columns WHERE (table_schema, table_name) = (%s, %s)",
            (self.schema, workload.shape),
        )
        key = ", ".join(shape_of(workload.shape).key)
        values = {"_dlt_load_id": "'before'", "_dlt_id": f"md5(concat_ws('|', {key}))"}
        return {name: values[name] for (name,) in found if name in values}

    def run(self, bench: Bench, workload: Workload) -> None:
        self.load(bench, workload, bench.source(workload))

    def load(self, bench: Bench, workload: Workload, file: Path) -> None:
        shape = shape_of(workload.shape)
        options = {
            "--dataset": self.schema,
            "--table": shape.name,
            "--key": ",".join(shape.key),
            "--types": ",".join(f"{name}={kind}" for name, kind in shape.columns.items()),
            "--state": str(bench.home / self.schema),
        }
        arguments = [part for option in options.items() for part in option]
        script = str(HERE / "dlt_pipeline.py")
        self.call([str(DLT_PYTHON), script, self.how, str(file), *arguments], DESTINATION=bench.url)

    def check(self, bench: Bench, workload: Workload) -> None:
        bench.expect(f"{self.schema}.{workload.shape}", workload)

    def finish(self, bench: Bench) -> None:
        self.forget(bench)


class Pgloader(Competitor):
    """pgloader as Debian has it."""

    name = "pgloader"
    config = "pgloader by benchmarks/competitors/pgloader.load: COPY into the indexed table, two workers"

    def refuses(self, workload: Workload) -> str | None:
        if not shutil.which("pgloader"):
            return "pgloader is not installed; it is a package of Debian and Ubuntu"
        return None if workload.change == "fresh" else "it cannot merge"

    def prepare(self, bench: Bench, workload: Workload) -> None:
        table = bench.plain_table(workload)
        columns = ", ".join(shape_of(workload.shape).columns)
        address = urlsplit(bench.url)
        template = (HERE / "pgloader.load").read_text()
        target = f"postgresql://{address.username}@{address.hostname}:{address.port}{address.path}"
        text = template.format(file=bench.source(workload), columns=columns, target=target, table=table)
        self.command_file(bench).write_text(text)

    def command_file(self, bench: Bench) -> Path:
        return bench.home / "pgloader.load"

    def run(self, bench: Bench, workload: Workload) -> None:
        folder = bench.home / "pgloader"
        command = ["pgloader", "--root-dir", str(folder), str(self.command_file(bench))]
        self.call(command, PGPASSWORD=urlsplit(bench.url).password or "")

    def check(self, bench: Bench, workload: Workload) -> None:
        bench.expect(f"plain.{workload.shape}", workload)


class PandasDag(Line):
    """The DAG that people write by hand, run by the scheduler that runs Headgate's."""

    name = "pandas DAG by hand"
    group = "whole run"
    part = Part.ALL
    config = (
        "benchmarks/competitors/handwritten_dag.py: one task with pandas read_csv of the file on disk and "
        "to_sql(if_exists='append') with its defaults, in the Airflow that runs Headgate's DAG"
    )
    dag_id = "handwritten"

    def refuses(self, workload: Workload) -> str | None:
        if workload.change != "fresh":
            return "it only appends"
        return too_slow(workload)

    def repeats(self, workload: Workload, repeat: int) -> int:
        return 1 if workload.rows >= SLOW_ROWS else repeat

    def prepare(self, bench: Bench, workload: Workload) -> None:
        self.table = bench.plain_table(workload)
        self.api = bench.airflow(self.dag_id)

    def run(self, bench: Bench, workload: Workload) -> None:
        schema, table = self.table.split(".")
        texts = [name for name, kind in shape_of(workload.shape).columns.items() if kind == "text"]
        asked = {"file": str(bench.source(workload)), "schema": schema, "table": table, "texts": texts}
        run_id = self.api.trigger(self.dag_id, asked)
        wait_until(lambda: self.state(run_id) in FINISHED, "the hand-written DAG runs on", every=POLL)
        if self.state(run_id) != "success":
            raise Wrong(f"the hand-written DAG failed: {self.api.failure(self.dag_id, run_id)}")

    def state(self, run_id: str) -> str:
        return self.api.dag_run(self.dag_id, run_id).state

    def check(self, bench: Bench, workload: Workload) -> None:
        bench.expect(self.table, workload)


def versions() -> dict[str, str]:
    """Of the competitors that are installed."""
    asked = {
        "dlt": [str(DLT_PYTHON), "-c", "from importlib.metadata import version; print(version('dlt'))"],
        "pgloader": ["pgloader", "--version"],
    }
    return {
        name: subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]
        for name, command in asked.items()
        if shutil.which(command[0])
    }


def too_slow(workload: Workload) -> str | None:
    return "it would take hours" if workload.rows > SLOW_ROWS else None


def head(file: Path, to: Path) -> Path:
    """The header and the first rows as a file of their own."""
    with file.open() as lines:
        to.write_text("".join(islice(lines, HEAD_ROWS + 1)))
    return to


def lines() -> list[Line]:
    script = "benchmarks/competitors/dlt_pipeline.py"
    return [
        Dlt(
            "plain",
            "dlt as it comes",
            f"{script} plain: filesystem() | read_csv(), upsert merge, all settings dlt's own",
        ),
        Dlt(
            "tuned",
            "dlt tuned",
            f"{script} tuned: Arrow batches, uncompressed CSV files, COPY by two workers, "
            "upsert merge that skips unchanged rows",
        ),
        Dlt(
            "imported",
            "dlt, file unread",
            f"{script} imported: the CSV itself by COPY into dlt's staging table, "
            "upsert merge that skips unchanged rows; dlt does not look at any row",
        ),
        Pgloader(),
        PandasDag(),
    ]
