"""The DAG that people write by hand: read the CSV with pandas, write it with ``to_sql``.

It is deployed beside Headgate's DAGs and run by the same scheduler. Some arguments of ``read_csv`` are what
a careful author has learned: codes keep their zeros, "NA" is a region. A second load of the same keys fails.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task


@dag(
    dag_id="handwritten",
    schedule=None,
    params={
        "file": Param("", type="string"),
        "schema": Param("", type="string"),
        "table": Param("", type="string"),
        "texts": Param([], type="array"),
    },
)
def handwritten() -> None:
    @task
    def load() -> int:
        import pandas as pd
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        asked: dict[str, Any] = dict(get_current_context()["params"])
        texts = dict.fromkeys(asked["texts"], "str")
        frame = pd.read_csv(asked["file"], dtype=texts, keep_default_na=False, na_values=[""])
        engine = PostgresHook("warehouse").get_sqlalchemy_engine()
        frame.to_sql(asked["table"], engine, schema=asked["schema"], if_exists="append", index=False)
        return len(frame)

    load()


handwritten()
