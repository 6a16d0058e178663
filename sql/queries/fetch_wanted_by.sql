-- Other runs that have still to fetch something of the dataset, by Airflow's names.
SELECT DISTINCT r.run_id, r.dag_run_id
FROM headgate.fetch AS f
INNER JOIN headgate.run AS r USING (run_id)
WHERE f.dataset = %(dataset)s AND f.state = 'wanted' AND r.run_id <> %(run_id)s;
