"""What must be in the servers before anything works on them: databases, tables, buckets, contracts."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from headgate import paths
from headgate.errors import Fatal
from headgate.stack import airflow_services, connections, postgres
from headgate.stack.layout import Layout, write_private
from headgate.stack.ports import Ports
from headgate.stack.secrets import Secrets

Report = Callable[[str, str, str], None]


def data(layout: Layout, ports: Ports, secrets: Secrets, report: Report) -> bool:
    """Databases, control schema, contracts and buckets; whether something had to be done."""
    from headgate.installation import prepare

    fingerprint = files_fingerprint(paths.sql_dir(), paths.datasets_dir())
    if is_stamped(layout, "data", fingerprint):
        return False
    report("database", "preparing", "")
    postgres.make_databases(ports, secrets)
    made = prepare(connections.as_settings(layout, ports, secrets))
    report("database", "ready", f"{len(made.migrations)} migrations applied")
    report("contracts", "ready", ", ".join(made.datasets))
    report("buckets", "ready", ", ".join(made.buckets))
    stamp(layout, "data", fingerprint)
    return True


def airflow(layout: Layout, ports: Ports, secrets: Secrets, report: Report) -> bool:
    """Airflow's own tables and its password file; whether something had to be done."""
    airflow_services.write_passwords(layout, secrets)
    installed = version("apache-airflow-core")
    if is_stamped(layout, "airflow", installed):
        return False
    report("airflow-database", "preparing", "")
    environment = {**os.environ, **airflow_services.environment(layout, ports, secrets)}
    done = subprocess.run(
        [*airflow_services.COMMAND, "db", "migrate"], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise Fatal(f"Airflow could not prepare its database: {done.stderr.strip()[-2000:]}")
    report("airflow-database", "ready", f"Airflow {installed}")
    stamp(layout, "airflow", installed)
    return True


def write_settings(layout: Layout, ports: Ports, secrets: Secrets) -> None:
    """``headgate.env``: what every command and task connects with. Lines of the user's own stay."""
    ours = connections.settings(ports, secrets)
    try:
        lines = layout.settings_file.read_text().splitlines()
    except FileNotFoundError:
        lines = []
    theirs = [line for line in lines if line.split("=")[0].strip() not in ours]
    write_private(layout.settings_file, "\n".join([*theirs, *(f"{k}={v}" for k, v in ours.items())]) + "\n")


def files_fingerprint(*folders: Path) -> str:
    """Hash of the names and contents of all files below the folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix in {".sql", ".yaml"}):
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_stamped(layout: Layout, name: str, value: str) -> bool:
    """Whether that step was done for exactly this input."""
    return stamps(layout).get(name) == value


def stamp(layout: Layout, name: str, value: str) -> None:
    write_private(layout.stamps_file, json.dumps({**stamps(layout), name: value}, indent=2) + "\n")


def stamps(layout: Layout) -> dict[str, str]:
    try:
        return dict(json.loads(layout.stamps_file.read_text()))
    except (FileNotFoundError, ValueError):
        return {}
