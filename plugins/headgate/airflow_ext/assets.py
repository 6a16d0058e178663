"""The Airflow assets of Headgate, all defined here: two definitions of one asset would shadow each other.

A downstream DAG is scheduled with ``schedule=[table_asset("egrid", "plants")]``; the event's ``extra``
holds the books of the run that loaded it.
"""

from __future__ import annotations

from airflow.sdk import Asset, AssetAlias


def table_asset(schema: str, table: str) -> Asset:
    """The table as an asset. Its URI names no server: the same DAG means the same asset everywhere."""
    return Asset(name=f"{schema}.{table}", uri=f"x-headgate://{schema}/{table}", group="headgate")


def loads_alias(dataset: str) -> AssetAlias:
    """What the report task declares: it makes an event of the table's asset only when rows were published."""
    return AssetAlias(name=f"{dataset} loads", group="headgate")
