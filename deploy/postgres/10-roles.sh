#!/bin/sh
# Run once by the postgres image on an empty data folder: what `headgate prepare` and Airflow start from.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
\getenv owner_password HEADGATE_OWNER_PASSWORD
\getenv airflow_password AIRFLOW_DATABASE_PASSWORD
CREATE ROLE headgate_owner LOGIN CREATEROLE PASSWORD :'owner_password';
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE headgate OWNER headgate_owner;
CREATE DATABASE airflow OWNER airflow;
SQL
