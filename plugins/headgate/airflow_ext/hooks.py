"""Settings of a task: the environment first, then Airflow's connections.

Connections (all optional): ``headgate_postgres`` (host, port, schema = database, login, password),
``headgate_s3`` (login and password = keys; extra ``endpoint_url``, ``region_name``, or host and port),
``headgate_rabbitmq`` (host, port, login, password, schema = virtual host), and for each provider of an API
``headgate_source_<provider>`` (login and password = client id and secret, or password = token; extra
``token``, ``client_id``, ``client_secret``, ``url``, ``url_<host>``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import SecretStr

from headgate.settings import Settings, read_settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

POSTGRES, S3, RABBITMQ = "headgate_postgres", "headgate_s3", "headgate_rabbitmq"


def task_settings() -> Settings:
    """The settings as they are now, with what the environment leaves open taken from Airflow."""
    found = read_settings()
    update: dict[str, Any] = {}
    if not found.database_url.get_secret_value():
        update |= _from(POSTGRES, postgres_values)
    if not found.amqp_url.get_secret_value():
        update |= _from(RABBITMQ, rabbitmq_values)
    if not found.s3_endpoint or not found.s3_access_key:
        update |= _from(S3, s3_values)
    return found.model_copy(update=update) if update else found


def source_settings(found: Settings, provider: str) -> Settings:
    """The settings with what the provider's connection says, where ``source`` says nothing of it."""
    if provider in found.source:
        return found
    values = _from(f"headgate_source_{provider}", source_values)
    return found.model_copy(update={"source": {**found.source, provider: values}}) if values else found


def _from(conn_id: str, values: Callable[[Connection], dict[str, Any]]) -> dict[str, Any]:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return values(BaseHook.get_connection(conn_id))
    except AirflowNotFoundException:
        return {}  # the step that needs it then says which setting is missing


def postgres_values(connection: Connection) -> dict[str, Any]:
    """``database_url`` of a Postgres connection; libpq options in ``extra`` are kept."""
    from urllib.parse import urlencode

    options = {k: v for k, v in connection.extra_dejson.items() if isinstance(v, str | int)}
    query = f"?{urlencode(options)}" if options else ""
    url = f"postgresql://{_authority(connection, 5432)}/{quote(connection.schema or '', safe='')}{query}"
    return {"database_url": SecretStr(url)}


def rabbitmq_values(connection: Connection) -> dict[str, Any]:
    """``amqp_url`` of a connection; without a schema it is the virtual host ``/``."""
    scheme = "amqps" if connection.conn_type == "amqps" else "amqp"
    vhost = quote(connection.schema or "/", safe="")
    return {"amqp_url": SecretStr(f"{scheme}://{_authority(connection, 5672)}/{vhost}")}


def s3_values(connection: Connection) -> dict[str, Any]:
    """Endpoint and keys of an ``aws``-like connection."""
    extra = connection.extra_dejson
    endpoint = extra.get("endpoint_url") or extra.get("host")
    if not endpoint:
        scheme = "https" if connection.port in (None, 443) else "http"
        endpoint = f"{scheme}://{connection.host}:{connection.port or 443}"
    values: dict[str, Any] = {
        "s3_endpoint": endpoint,
        "s3_access_key": connection.login or "",
        "s3_secret_key": SecretStr(connection.password or ""),
    }
    if extra.get("region_name"):
        values["s3_region"] = extra["region_name"]
    return values


def source_values(connection: Connection) -> dict[str, Any]:
    """Credentials and addresses of a provider, by name; the password serves as either kind of secret."""
    named = {
        "client_id": connection.login,
        "client_secret": connection.password,
        "token": connection.password,
    }
    values = named | connection.extra_dejson
    return {name: SecretStr(value) for name, value in values.items() if isinstance(value, str) and value}


def _authority(connection: Connection, port: int) -> str:
    who = quote(connection.login or "", safe="")
    if connection.password:
        who += f":{quote(connection.password, safe='')}"
    return f"{who}@{connection.host}:{connection.port or port}"
