"""One Airflow DAG for each data contract.

The DAG file is parsed again in every task process, so this module and all it imports stay light:
no data libraries, no client of any server, no connection.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import (
    DAG,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    TaskGroup,
    TriggerRule,
    get_parsing_context,
    task,
)
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from headgate.airflow_ext.assets import loads_alias
from headgate.airflow_ext.callbacks import run_failed, run_is_late, task_failed, task_will_retry
from headgate.airflow_ext.documentation import dag_page
from headgate.airflow_ext.operators import Settle
from headgate.airflow_ext.schedule import schedule
from headgate.contract import Contract, load_contract

LANES_AT_ONCE = 16  # mapped tasks of one run side by side, whatever HEADGATE_LANES says
STEP_LIMIT = timedelta(hours=6)


def build_all(datasets: Path, expectations: Path) -> dict[str, DAG]:
    """The DAGs of all contracts in ``datasets``; in a task process only the DAG that the task belongs to."""
    only = get_parsing_context().dag_id
    paths = [datasets / f"{only}.yaml"] if only else sorted(datasets.glob("*.yaml"))
    contracts = [load_contract(path) for path in paths if path.exists()]
    return {c.dataset: build_dag(c, expectations / f"{c.dataset}.json") for c in contracts}


def build_dag(contract: Contract, suite: Path) -> DAG:
    """The road of one dataset: audit (scan to gate), publish (stream, settle), report."""
    from headgate.airflow_ext import tasks

    with DAG(**dag_arguments(contract)) as dag:

        @task(doc_md="Lists the landing bucket and enters new object versions into the ledger.")
        def scan() -> int:
            return tasks.scan(contract.dataset, contract.sha256)

        @task(doc_md="Format, header against the contract, cut into chunks.")
        def inspect(run: int) -> list[dict[str, int]]:
            return tasks.inspect(run)

        @task(
            doc_md="Typed parse and expectations, chunk by chunk; bad rows aside, good rows staged.",
            trigger_rule=TriggerRule.NONE_FAILED,
            max_active_tis_per_dagrun=LANES_AT_ONCE,
            map_index_template="{{ lane }}",
        )
        def validate(share: dict[str, int]) -> None:
            tasks.validate(share, suite)

        @task(
            doc_md="Holds objects with too many bad rows; publishes the others to the ledger.",
            trigger_rule=TriggerRule.NONE_FAILED,
        )
        def gate(run: int) -> list[dict[str, int]]:
            return tasks.gate(run)

        @task(
            doc_md="Sends the staged batches to RabbitMQ with confirms.",
            trigger_rule=TriggerRule.NONE_FAILED,
            max_active_tis_per_dagrun=LANES_AT_ONCE,
            map_index_template="{{ lane }}",
        )
        def stream(share: dict[str, int]) -> None:
            tasks.stream(share)

        @task(
            doc_md="The books; fails the run when rows are missing, objects are held or a step failed.",
            trigger_rule=TriggerRule.ALL_DONE,
            outlets=[loads_alias(contract.dataset)],
        )
        def report() -> dict[str, Any]:
            return tasks.report(contract.dataset)

        with TaskGroup("audit", prefix_group_id=False, tooltip="Nothing is published yet"):
            run_id: Any = scan()
            validated = validate.expand(share=inspect(run_id))
            shares = gate(run_id)
            validated >> shares
        with TaskGroup(
            "publish", prefix_group_id=False, tooltip="Staged bytes to RabbitMQ, then the receipts"
        ):
            settle = Settle(
                task_id="settle",
                run_id=run_id,
                trigger_rule=TriggerRule.NONE_FAILED,
                doc_md="Waits, deferred, until every batch has its receipt.",
            )
            stream.expand(share=shares) >> settle
        settle >> report()
    return dag


def dag_arguments(contract: Contract) -> dict[str, Any]:
    """What the contract says about the DAG."""
    return {
        "dag_id": contract.dataset,
        "dag_display_name": contract.name,
        "description": f"{contract.bucket}/{contract.prefix} into {contract.qualified_table}",
        "doc_md": dag_page(contract),
        "schedule": schedule(contract),
        "catchup": False,
        "max_active_runs": 1,
        "max_active_tasks": LANES_AT_ONCE,
        "tags": ["headgate", contract.schema, *contract.tags],
        "deadline": deadline(contract),
        "on_failure_callback": run_failed,
        "params": form(contract),
        "default_args": task_arguments(contract.owner),
    }


def deadline(contract: Contract) -> DeadlineAlert | None:
    """When a run that is queued should be done, if the contract's service level says so."""
    limit = contract.sla_limit("runtime") or contract.sla_limit("latency")
    if limit is None:
        return None
    callback = AsyncCallback(run_is_late, kwargs={"dataset": contract.dataset})
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=limit, callback=callback, name="run.late"
    )


def task_arguments(owner: str) -> dict[str, Any]:
    """Retries for servers that are away; none for wrong data or a wrong set-up."""
    return {
        "owner": owner,
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=10),
        "retry_policy": ExceptionRetryPolicy(
            rules=[
                RetryRule(
                    exception=["headgate.errors.Fatal", "headgate.errors.DataError"],
                    action=RetryAction.FAIL,
                    reason="trying again would change nothing",
                )
            ]
        ),
        "execution_timeout": STEP_LIMIT,
        "on_failure_callback": task_failed,
        "on_retry_callback": task_will_retry,
    }


def form(contract: Contract) -> dict[str, Param]:
    """The trigger form; ``headgate run`` sends the same fields."""
    return {
        "objects": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Objects",
            description=f"Keys in {contract.bucket} to take, one a line, held ones included. Empty: all new.",
        ),
        "prefix": Param(
            None,  # the form takes an empty text for a missing one
            type=["null", "string"],
            title="Prefix",
            description=f"Only keys that start so, below {contract.prefix}. Empty: all.",
        ),
        "reload": Param(
            False,
            type="boolean",
            title="Reload",
            description="Read loaded objects again as if they were new. Best with objects or a prefix.",
        ),
        "accept_rejects": Param(
            False,
            type="boolean",
            title="Accept rejects",
            description="Let objects pass that have more bad rows than the contract allows.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Stop after the gate's decision: nothing is published, the books show what would be.",
        ),
    }
