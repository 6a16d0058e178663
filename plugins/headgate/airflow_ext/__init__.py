"""The Airflow half of Headgate: DAG factory, tasks, trigger and connections. The only importer of Airflow."""
