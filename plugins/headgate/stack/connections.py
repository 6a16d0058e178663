"""The settings by which Headgate's own commands, tasks and consumers reach the private servers."""

from __future__ import annotations

from headgate.settings import Settings
from headgate.stack import objectstore, postgres, rabbitmq
from headgate.stack.layout import Layout
from headgate.stack.ports import HOST, Ports
from headgate.stack.secrets import Secrets

STAGING_BUCKET = "headgate-staging"
AIRFLOW_ADMIN = "admin"


def database_urls(ports: Ports, secrets: Secrets, database: str = postgres.DATABASE) -> dict[str, str]:
    """One URL for each role, by the setting that holds it."""
    roles = {
        "HEADGATE_OWNER_URL": "headgate_owner",
        "HEADGATE_DATABASE_URL": "headgate_pipeline",
        "HEADGATE_LOADER_URL": "headgate_loader",
        "HEADGATE_READER_URL": "headgate_reader",
    }
    return {name: postgres.url(ports, role, secrets.roles[role], database) for name, role in roles.items()}


def settings(ports: Ports, secrets: Secrets) -> dict[str, str]:
    """Every connection setting, as ``headgate.env`` holds them."""
    return {
        **database_urls(ports, secrets),
        "HEADGATE_AMQP_URL": rabbitmq.amqp_url(ports, secrets),
        "HEADGATE_RABBITMQ_API_URL": rabbitmq.api_url_with_login(ports, secrets),
        "HEADGATE_S3_ENDPOINT": objectstore.endpoint(ports),
        "HEADGATE_S3_ACCESS_KEY": secrets.s3_access_key,
        "HEADGATE_S3_SECRET_KEY": secrets.s3_secret_key,
        "HEADGATE_S3_REGION": objectstore.REGION,
        "HEADGATE_STAGING_BUCKET": STAGING_BUCKET,
        "HEADGATE_AIRFLOW_URL": airflow_url(ports),
        "HEADGATE_AIRFLOW_USER": AIRFLOW_ADMIN,
        "HEADGATE_AIRFLOW_PASSWORD": secrets.airflow_admin,
    }


def as_settings(layout: Layout, ports: Ports, secrets: Secrets) -> Settings:
    """The same as an object, whatever this process's environment says."""
    names = {
        name.removeprefix("HEADGATE_").lower(): value for name, value in settings(ports, secrets).items()
    }
    return Settings.model_validate({"home": layout.home, **names})


def airflow_url(ports: Ports) -> str:
    return f"http://{HOST}:{ports.airflow}"
