"""Airflow DAGs: one for each data contract in dags/datasets. All logic is in headgate.airflow_ext."""

from pathlib import Path

from headgate.airflow_ext.factory import build_all

HERE = Path(__file__).resolve().parent

globals().update(build_all(HERE / "datasets", HERE.parent / "expectations"))
