"""What the scheduler does when a run begins whose tasks name a pool, in a process of its own. Prints JSON.

Arguments: the folder of DAGs and the DAG. The listener is called as the scheduler does, through the plugin.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path


def main(folder: Path, dag_id: str) -> None:
    """Make the database and a run, tell the listeners twice, with a size changed in between."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.listeners.listener import get_listener_manager
    from airflow.models.pool import Pool
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils import db
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import select

    db.initdb()
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(DagBag(dag_folder=str(folder)), "dags-folder", None)
    now = datetime.now(UTC)
    run = SerializedDagModel.get_dag(dag_id).create_dagrun(
        run_id="test",
        run_after=now,
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState.QUEUED,
    )
    found = []
    for _ in range(2):
        get_listener_manager().hook.on_dag_run_running(dag_run=run, msg="")
        with create_session() as session:
            pools = session.scalars(select(Pool).where(Pool.pool.startswith("source_"))).all()
            found.append({pool.pool: pool.slots for pool in pools})
            for pool in pools:
                pool.slots = 7
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
