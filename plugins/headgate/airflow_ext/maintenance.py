"""The DAG that prunes once a day. As light to parse as the datasets' DAGs."""

from __future__ import annotations

from airflow.sdk import DAG, Param, get_parsing_context, task

from headgate.airflow_ext.factory import task_arguments
from headgate.airflow_ext.schedule import timetable

DAG_ID = "headgate_maintenance"
DAILY = "17 3 * * *"  # UTC
PAGE = """
Removes what is older than the rules of settings (`HEADGATE_RETENTION_…`) and contracts (`retention`) say:
receipts of loaded objects, staged bytes, settled errors, resolved alerts, published events. The books stay
the same. What it removed stands in the log, in the task's XCom and in the event `retention.finished`.
"""


def build() -> dict[str, DAG]:
    """The DAG by its name; none in a task process of another DAG."""
    if get_parsing_context().dag_id not in (None, DAG_ID):
        return {}
    with DAG(
        dag_id=DAG_ID,
        dag_display_name="Maintenance",
        description="Prunes what is older than its rules say",
        doc_md=PAGE,
        schedule=timetable(DAILY),
        catchup=False,
        max_active_runs=1,
        tags=["headgate"],
        params={"dry_run": Param(False, type="boolean", title="Dry run", description="Only count.")},
        default_args=task_arguments("headgate"),
    ) as dag:

        @task(doc_md="In bounded batches; may be stopped and tried again.")
        def prune() -> dict[str, int]:
            from headgate.airflow_ext import tasks

            return tasks.maintain()

        prune()
    return {DAG_ID: dag}
