"""Airflow on its own database: api-server, scheduler, dag-processor and triggerer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping

from headgate import paths
from headgate.stack import connections, objectstore, postgres, rabbitmq
from headgate.stack.health import airflow_part_answers, http_answers
from headgate.stack.layout import Layout, write_private
from headgate.stack.ports import HOST, Ports
from headgate.stack.programs import Program
from headgate.stack.secrets import Secrets

COMMAND = (sys.executable, "-m", "airflow")
# Service and its arguments. Task logs are files of this machine (in compose: of one volume), so no
# service needs to offer them to the api-server by a port of its own.
SERVICES: Mapping[str, tuple[str, ...]] = {
    "airflow-api-server": ("api-server",),
    "airflow-scheduler": ("scheduler", "--skip-serve-logs"),
    "airflow-dag-processor": ("dag-processor",),
    "airflow-triggerer": ("triggerer", "--skip-serve-logs"),
}
# Measured on two cores: 8 slots save memory, 0.2 s removes most of the wait between tasks at half the price
# of 0.1 s (16 % of a core while nothing happens), a heartbeat of 1 s the stalls of 5 s after a task. What a
# worker or a scheduler that died leaves behind is taken up after two minutes and one, not five. Half a second
# of parsing may take minutes where the machine is busy. The executor imports what tasks need before it forks;
# numpy's and Arrow's own threads, which a fork would not have, are left out.
TUNING = {
    "AIRFLOW__CORE__EXECUTOR": "headgate.airflow_ext.executor.WarmLocalExecutor",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__MAX_MAP_LENGTH": "1024",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "240",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "GX_ANALYTICS_ENABLED": "false",
    "PYTHONWARNINGS": "ignore",
    "SPT_NOENV": "1",  # a process title must not overwrite the environment, where the stack's mark stands
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OPENBLAS_NUM_THREADS": "1",
    "HEADGATE_LOG_FORMAT": "json",
}


def programs(layout: Layout, ports: Ports, secrets: Secrets) -> list[Program]:
    """The four services."""
    shared = environment(layout, ports, secrets)
    base_url = connections.airflow_url(ports)
    return [
        Program(
            name=name,
            command=(*COMMAND, *arguments),
            environment=shared,
            directory=layout.airflow,
            healthy=probe(name, base_url),
            address=base_url if name == "airflow-api-server" else "",
            priority=10,
            start_wait=300,
        )
        for name, arguments in SERVICES.items()
    ]


def probe(name: str, base_url: str) -> Callable[[], str | None]:
    """The api-server is asked itself, the others by the heartbeats that it reports."""
    if name == "airflow-api-server":
        return lambda: http_answers(f"{base_url}/api/v2/monitor/health")
    part = name.removeprefix("airflow-").replace("-", "_")
    return lambda: airflow_part_answers(base_url, part)


def environment(layout: Layout, ports: Ports, secrets: Secrets) -> dict[str, str]:
    """Everything an Airflow process needs; ``airflow`` run by hand with it works too."""
    base_url = connections.airflow_url(ports)
    return {
        **TUNING,
        **connections.settings(ports, secrets),
        **airflow_connections(ports, secrets),
        "HEADGATE_HOME": str(layout.home),
        "AIRFLOW_HOME": str(layout.airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(paths.dags_dir()),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(paths.plugins_dir()),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(layout.airflow / "logs"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url(
            ports, "airflow", secrets.airflow_database, postgres.AIRFLOW_DATABASE
        ).replace("postgresql://", "postgresql+psycopg2://"),
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(ports.airflow),
        "AIRFLOW__API__BASE_URL": base_url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base_url}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.airflow_jwt,
        "AIRFLOW__API__SECRET_KEY": secrets.airflow_api,
        "AIRFLOW__CORE__FERNET_KEY": secrets.airflow_fernet,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{connections.AIRFLOW_ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.airflow / "passwords.json"),
    }


def airflow_connections(ports: Ports, secrets: Secrets) -> dict[str, str]:
    """The connections that hooks and users of Airflow find, as JSON."""
    database = {
        "conn_type": "postgres",
        "host": HOST,
        "port": ports.postgres,
        "login": "headgate_pipeline",
        "password": secrets.headgate_pipeline,
        "schema": postgres.DATABASE,
    }
    bucket = {
        "conn_type": "headgate_s3",
        "host": HOST,
        "port": ports.s3,
        "login": secrets.s3_access_key,
        "password": secrets.s3_secret_key,
        "extra": {"endpoint_url": f"http://{HOST}:{ports.s3}", "region_name": objectstore.REGION},
    }
    broker = {
        "conn_type": "headgate_rabbitmq",
        "host": HOST,
        "port": ports.rabbitmq,
        "login": rabbitmq.USER,
        "password": secrets.rabbitmq,
        "schema": rabbitmq.VHOST,
    }
    named = {"POSTGRES": database, "S3": bucket, "RABBITMQ": broker}
    return {f"AIRFLOW_CONN_HEADGATE_{name}": json.dumps(value) for name, value in named.items()}


def write_passwords(layout: Layout, secrets: Secrets) -> None:
    """The login of Airflow's simple auth manager; it must be there before the first start."""
    write_private(
        layout.airflow / "passwords.json", json.dumps({connections.AIRFLOW_ADMIN: secrets.airflow_admin})
    )
