"""Airflow plugin of Headgate. It is imported in every process of Airflow, so it stays light."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from headgate.airflow_ext import pools


class HeadgatePlugin(AirflowPlugin):
    """The scheduler makes the pools that tasks of API sources need."""

    name = "headgate"
    listeners: list[Any] = [pools]  # noqa: RUF012  as the class above declares it
