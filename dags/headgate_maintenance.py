"""Airflow DAG that prunes what is older than its rules say. All logic is in headgate.airflow_ext."""

from headgate.airflow_ext.maintenance import build

globals().update(build())
