-- The dataset's other runs that have not closed their books; Airflow knows which of them are dead, but of live
-- streams it knows nothing.
SELECT run_id, dag_run_id
FROM headgate.run
WHERE dataset = %(dataset)s AND state = 'running' AND kind <> 'live' AND run_id <> %(run_id)s
ORDER BY run_id;
