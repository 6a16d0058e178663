"""Probes: each returns nothing when the server answers, else the reason why not."""

from __future__ import annotations

import base64
import json
import socket
import urllib.error
import urllib.request
from typing import Any

from headgate.stack.ports import HOST

PROBE_SECONDS = 10.0  # as in Compose: a busy machine takes several for an answer of Airflow


def listens(port: int) -> str | None:
    """Something accepts connections on the port."""
    try:
        socket.create_connection((HOST, port), PROBE_SECONDS).close()
    except OSError as error:
        return f"port {port}: {error}"
    return None


def postgres_answers(url: str) -> str | None:
    """The database takes the login and answers a query."""
    import psycopg2

    try:
        connection = psycopg2.connect(
            url, connect_timeout=int(PROBE_SECONDS), application_name="headgate health"
        )
    except psycopg2.Error as error:
        return str(error).strip().splitlines()[0]
    connection.close()
    return None


def http_answers(
    url: str, *, user: str = "", password: str = "", accept: tuple[int, ...] = (200,)
) -> str | None:
    """The URL answers with one of the accepted statuses."""
    status, _ = http_get(url, user, password)
    return None if status in accept else f"{url} answers {status or 'nothing'}"


def http_get(url: str, user: str = "", password: str = "") -> tuple[int, bytes]:
    """Status (0 when nothing answers) and body of a GET."""
    request = urllib.request.Request(url)  # noqa: S310 - our own http addresses
    if user:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    # No proxy: these servers are on the loopback address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PROBE_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
    except OSError:
        return 0, b""


def airflow_part_answers(base_url: str, part: str) -> str | None:
    """A component of Airflow has a fresh heartbeat in the api-server's health report."""
    status, body = http_get(f"{base_url}/api/v2/monitor/health")
    if status != 200:
        return f"the api-server, which knows, answers {status or 'nothing'}: {base_url}"
    report: dict[str, Any] = json.loads(body)
    state = (report.get(part) or {}).get("status")
    return None if state == "healthy" else f"the api-server reports {part} as {state or 'absent'}"
