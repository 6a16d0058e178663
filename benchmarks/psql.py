"""What Postgres itself needs: the least it takes, and the SQL that people write by hand."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.harness import Line, Workload
from benchmarks.shapes import Shape, shape_of

OPTIONS = "WITH (FORMAT csv, HEADER)"


class Copy(Line):
    """The limit."""

    name = r"psql \copy"
    group = "by hand"
    config = (
        r"\copy TABLE FROM 'file.csv' WITH (FORMAT csv, HEADER), one session of psql. The table has the "
        "columns of the file, and types, primary key and secondary indexes as every other line's. Headgate's "
        "has four more (_object_id, _row_number, _object_version, _loaded_at): this one is spared them."
    )

    def refuses(self, workload: Workload) -> str | None:
        return None if workload.change == "fresh" else r"\copy cannot meet keys that are there"

    def prepare(self, bench: Bench, workload: Workload) -> None:
        self.table = bench.plain_table(workload)
        self.path = bench.source(workload)

    def run(self, bench: Bench, workload: Workload) -> None:
        bench.psql(rf"\copy {self.table} FROM '{self.path}' {OPTIONS}")

    def check(self, bench: Bench, workload: Workload) -> None:
        bench.expect(self.table, workload)


class Upsert(Copy):
    """Staging table and upsert, as it stands in a thousand repositories."""

    name = "staging + upsert"
    guarded = False
    config = (
        r"One transaction in psql: CREATE TEMP TABLE stage (LIKE TABLE); \copy stage; INSERT INTO TABLE "
        "SELECT * FROM stage ON CONFLICT (key) DO UPDATE SET every other column. The table is psql's above."
    )

    def refuses(self, workload: Workload) -> str | None:
        return None

    def run(self, bench: Bench, workload: Workload) -> None:
        bench.psql(
            "BEGIN",
            f"CREATE TEMP TABLE stage (LIKE {self.table}) ON COMMIT DROP",
            rf"\copy stage FROM '{self.path}' {OPTIONS}",
            upsert(self.table, shape_of(workload.shape), guarded=self.guarded),
            "COMMIT",
        )


class GuardedUpsert(Upsert):
    """The same by somebody who knows that an update writes even where nothing differs."""

    name = "staging + guarded upsert"
    guarded = True
    config = Upsert.config + " With WHERE (old values) IS DISTINCT FROM (new values)."


def upsert(table: str, shape: Shape, *, guarded: bool) -> str:
    values = [name for name in shape.columns if name not in shape.key]
    assignments = ", ".join(f"{name} = excluded.{name}" for name in values)
    old, new = (", ".join(f"{row}.{name}" for name in values) for row in ("t", "excluded"))
    where = f" WHERE ({old}) IS DISTINCT FROM ({new})" if guarded else ""
    return (
        f"INSERT INTO {table} AS t SELECT * FROM stage"
        f" ON CONFLICT ({', '.join(shape.key)}) DO UPDATE SET {assignments}{where}"
    )


def lines() -> list[Line]:
    return [Copy(), Upsert(), GuardedUpsert()]
