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
from headgate.airflow_ext.pools import pool_of
from headgate.airflow_ext.schedule import schedule
from headgate.contract import Contract, Source, load_contract

LANES_AT_ONCE = 16  # mapped tasks of one run side by side, whatever HEADGATE_LANES says
STEP_LIMIT = timedelta(hours=6)


def build_all(datasets: Path, expectations: Path) -> dict[str, DAG]:
    """The DAGs of all contracts in ``datasets``; in a task process only the DAG that the task belongs to."""
    only = get_parsing_context().dag_id
    paths = [datasets / f"{only}.yaml"] if only else sorted(datasets.glob("*.yaml"))
    contracts = [load_contract(path) for path in paths if path.exists()]
    return {c.dataset: build_dag(c, expectations / f"{c.dataset}.json") for c in contracts}


def build_dag(contract: Contract, suite: Path) -> DAG:
    """The road of one dataset: fetch of a source, audit (scan to gate), publish (stream, settle), report."""
    from headgate.airflow_ext import tasks

    with DAG(**dag_arguments(contract)) as dag:

        @task(
            doc_md="Lists the landing bucket and enters new object versions into the ledger.",
            # What is landed is loaded, whatever became of the fetch; the report tells of that.
            trigger_rule=TriggerRule.ALL_DONE if contract.source else TriggerRule.ALL_SUCCESS,
        )
        def scan() -> int:
            return tasks.scan(contract.dataset, contract.sha256, has_source=contract.source is not None)

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
        if contract.source is not None:
            fetching(contract, contract.source) >> run_id
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
    # Not before: a task that is made in a DAG with parameters copies, checks and stores all of them.
    dag.params.update(form(contract))
    return dag


def fetching(contract: Contract, source: Source) -> Any:
    """The tasks that ask a source: what there is to fetch, then shares of it side by side."""
    from headgate.airflow_ext import tasks

    @task(doc_md="Which windows the source is asked for by this run; written down in the ledger.")
    def windows() -> list[dict[str, int]]:
        return tasks.windows(contract.dataset, contract.sha256)

    @task(
        doc_md="Asks the source for a share of the windows and lands its answers unchanged.",
        pool=pool_of(source.provider),
        map_index_template="{{ lane }}",
    )
    def fetch(share: dict[str, int]) -> None:
        tasks.fetch(share, source.provider)

    with TaskGroup("source", prefix_group_id=False, tooltip="Answers of the API into the bucket"):
        return fetch.expand(share=windows())


def dag_arguments(contract: Contract) -> dict[str, Any]:
    """What the contract says about the DAG."""
    return {
        "dag_id": contract.dataset,
        "dag_display_name": contract.name,
        "description": f"{contract.bucket}/{contract.prefix} into {contract.qualified_table}",
        "doc_md": dag_page(contract),
        "schedule": schedule(contract),
        "catchup": False,  # a source's next run asks for what was missed, in one go: see docs/sources.md
        "is_paused_upon_creation": True if contract.source else None,  # nobody is asked unasked
        "max_active_runs": 1,
        "max_active_tasks": LANES_AT_ONCE,
        "tags": ["headgate", contract.schema, *contract.tags],
        "deadline": deadline(contract),
        "on_failure_callback": run_failed,
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
    return (source_form() if contract.source else {}) | {
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
        "accept_removals": Param(
            False,
            type="boolean",
            title="Accept removals",
            description="Let objects remove more rows that they no longer have than the contract allows.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Stop after the gate's decision: nothing is published, the books show what would be.",
        ),
    }


def source_form() -> dict[str, Param]:
    """What a run of a source may be asked besides."""
    span = "A day or a moment, UTC: 2024-01-31 or 2024-01-31T12:00."
    return {
        "from": Param(
            None,
            type=["null", "string"],
            title="Fetch from",
            description=f"{span} Empty, and no end given: all that is missing by now.",
        ),
        "to": Param(
            None,
            type=["null", "string"],
            title="Fetch to",
            description=f"{span} A day is fetched to its end. Empty: now.",
        ),
        "refetch": Param(
            False,
            type="boolean",
            title="Fetch again",
            description="Ask also for what is landed for good. The same content is no new version.",
        ),
    }
