-- The dataset's other runs that have not closed their books; Airflow knows which of them are dead.
SELECT run_id, dag_run_id
FROM headgate.run
WHERE dataset = %(dataset)s AND state = 'running' AND run_id <> %(run_id)s
ORDER BY run_id;
