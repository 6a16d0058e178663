"""Queue consumers: one runner, one small handler per queue. Runs where Airflow is not installed."""
