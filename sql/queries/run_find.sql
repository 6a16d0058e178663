-- By Airflow's name of the run.
SELECT * FROM headgate.run WHERE dataset = %(dataset)s AND dag_run_id = %(dag_run_id)s;
