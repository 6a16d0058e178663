-- Airflow's names of the dataset's runs whose books are open.
SELECT dag_run_id FROM headgate.run WHERE dataset = %(dataset)s AND state = 'running' AND kind <> 'live';
