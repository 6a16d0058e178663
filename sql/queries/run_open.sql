-- Opens a run, or opens it again when its DAG run was cleared or its first task retried.
INSERT INTO headgate.run (dataset, dag_run_id, kind, params, interval_start, interval_end, contract_version)
VALUES (
    %(dataset)s, %(dag_run_id)s, %(kind)s, %(params)s, %(interval_start)s, %(interval_end)s, %(contract_version)s
)
ON CONFLICT (dataset, dag_run_id) DO UPDATE
SET state = 'running',
    reason = NULL,
    finished_at = NULL,
    params = excluded.params,
    contract_version = excluded.contract_version
RETURNING *;
