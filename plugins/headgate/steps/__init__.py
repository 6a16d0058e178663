"""The steps of a run, free of Airflow: scan, inspect, validate, gate, stream, settle, report.

Each may be stopped anywhere and started again; it takes up where it stopped. All state is in
Postgres and the buckets.
"""
