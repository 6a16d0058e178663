"""The embedded stack: started, started again, killed, in the way of others."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil
import psycopg2
import pytest

from headgate.stack import Part, Stack, doctor, leftovers, postgres
from headgate.stack.ports import HOST
from headgate.stack.programs import MARK
from tests.conftest import Servers
from tests.polling import eventually

T = TypeVar("T")
HEADGATE = Path(sys.executable).with_name("headgate")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of our own, under a path too long for a socket's name."""
    home = tmp_path_factory.mktemp("stack") / ("long-" * 12) / "home"
    home.mkdir(parents=True)
    made = Stack(home)
    made.up(Part.SERVERS)
    yield made
    made.down()


@pytest.fixture
def running(stack: Stack) -> Stack:
    """The stack, whatever the test before did to it."""
    stack.up(Part.SERVERS)
    return stack


def processes(stack: Stack) -> list[psutil.Process]:
    return leftovers.find(stack.layout)


def of_each(stack: Stack, look: Callable[[psutil.Process], T]) -> Iterator[T]:
    """What there is to see of its processes; servers have some that live for a moment only."""
    for process in processes(stack):
        with suppress(psutil.NoSuchProcess):
            yield look(process)


def pids(stack: Stack) -> dict[str, int | None]:
    return {line.program: line.pid for line in stack.status() if line.state == "running"}


def run_sql(stack: Stack, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(postgres.admin_url(stack.ports, stack.secrets))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def test_second_start_changes_nothing(running: Stack) -> None:
    before = pids(running)

    changed = running.up(Part.SERVERS)

    assert not changed
    assert pids(running) == before


def test_servers_listen_on_loopback_only(running: Stack) -> None:
    listening = {
        connection.laddr.ip
        for found in of_each(running, lambda process: process.net_connections("tcp"))
        for connection in found
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening
    assert listening <= {"127.0.0.1", "::1"}


def test_secrets_are_in_private_files_and_on_no_command_line(running: Stack) -> None:
    layout = running.layout
    secrets = json.loads(layout.secrets_file.read_text()).values()
    commands = "\n".join(" ".join(words) for words in of_each(running, psutil.Process.cmdline))
    assert "postgres" in commands
    assert not [secret for secret in secrets if secret in commands]

    files = [path for path in layout.home.rglob("*") if path.is_file()]
    assert layout.secrets_file in files
    assert [path for path in files if is_open_to_others(path, secrets)] == []


def is_open_to_others(path: Path, secrets: Collection[str]) -> bool:
    """Whether others may read a secret in it; of a file that a server has removed meanwhile nobody can."""
    try:
        readable = path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
        return bool(readable) and any(secret.encode() in path.read_bytes() for secret in secrets)
    except FileNotFoundError:
        return False


def test_data_survive_a_killed_supervisor_and_servers_that_it_left(running: Stack) -> None:
    run_sql(running, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 42 AS answer")
    before = set(pids(running).values())
    supervisor = psutil.Process(running.client.pid())
    supervisor.kill()
    eventually(lambda: has_ended(supervisor))
    assert doctor.no_leftovers(running)
    events: list[tuple[str, str, str]] = []

    running.up(Part.SERVERS, lambda *event: events.append(event))

    assert ("leftovers", "ending") in {event[:2] for event in events}
    assert not before & set(pids(running).values())
    assert run_sql(running, "SELECT answer FROM kept") == [(42,)]


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_killed_start_leaves_nothing_that_blocks_the_next(stack: Stack) -> None:
    stack.down()
    environment = {**os.environ, "HEADGATE_HOME": str(stack.layout.home)}
    start = subprocess.Popen(
        [HEADGATE, "up", "--only", "servers"], env=environment, stdout=subprocess.DEVNULL
    )
    eventually(stack.client.pid)
    start.send_signal(signal.SIGKILL)
    start.wait()

    stack.up(Part.SERVERS)

    assert set(pids(stack)) == {"postgres", "epmd", "rabbitmq", "s3"}


def test_port_taken_by_another_program_is_avoided_and_named(stack: Stack) -> None:
    stack.down()
    taken = stack.ports.s3
    said: list[str] = []
    with socket.create_server((HOST, taken)):
        assert doctor.ports_are_free(stack) == f"taken by other programs: s3 {taken}"

        stack.up(Part.SERVERS, lambda program, state, detail: said.append(f"{program} {detail}"))

        assert stack.ports.s3 != taken
        assert f"ports port {taken} of s3 is taken by another program; using {stack.ports.s3}" in said
        assert (
            f"HEADGATE_S3_ENDPOINT=http://{HOST}:{stack.ports.s3}" in stack.layout.settings_file.read_text()
        )


def test_two_homes_do_not_meet(running: Stack, servers: Servers) -> None:
    other = servers.stack
    assert not set(vars(running.ports).values()) & set(vars(other.ports).values())
    assert not {p.pid for p in processes(running)} & {p.pid for p in processes(other)}
    assert running.layout.mark != other.layout.mark
    assert running.layout.socket != other.layout.socket


def test_status_and_doctor_say_what_does_not_run(running: Stack) -> None:
    environment = {**os.environ, "HEADGATE_HOME": str(running.layout.home)}
    status = subprocess.run([HEADGATE, "status", "--json"], env=environment, capture_output=True, check=False)
    states = {line["program"]: line["state"] for line in json.loads(status.stdout)}
    assert states["postgres"] == "running"
    assert states["airflow-scheduler"] == "stopped"
    assert status.returncode == 1

    checks = {check.name: check for check in doctor.examine(running)}
    assert checks["postgres"].ok
    assert checks["airflow-scheduler"].mend == "headgate up"


def test_settings_of_the_user_stay(stack: Stack) -> None:
    stack.down()
    kept = "HEADGATE_LANES=3"
    stack.layout.settings_file.write_text(stack.layout.settings_file.read_text() + kept + "\n")

    stack.up(Part.SERVERS)

    assert kept in stack.layout.settings_file.read_text().splitlines()


def test_stub_providers_serve_until_they_are_not_wanted(running: Stack) -> None:
    running.up(Part.SERVERS, with_stubs=True)
    assert {line.program: line.state for line in running.status()}["stubs"] == "running"
    asked = f"http://{HOST}:{running.ports.stubs}/noaa_cdo/"
    assert f"HEADGATE_SOURCE_NOAA_CDO_URL={asked}" in running.layout.stubs_file.read_text()

    assert not running.up(Part.SERVERS)  # they stay where nobody says otherwise

    running.up(Part.SERVERS, with_stubs=False)
    assert "stubs" not in pids(running)
    assert not running.layout.stubs_file.exists()


def test_down_leaves_no_process(stack: Stack) -> None:
    stack.up(Part.SERVERS)
    assert stack.down()
    assert processes(stack) == []
    assert not stack.down()


def test_starts_as_an_ordinary_user() -> None:
    user = next((name for name in ("nobody", "daemon") if name in {u.pw_name for u in pwd.getpwall()}), None)
    if os.geteuid() != 0 or not user or not shutil.which("setpriv"):
        pytest.skip("only root can start it as somebody else; the other tests run as an ordinary user then")
    drop = ["setpriv", f"--reuid={user}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    as_user = [*drop, "sh", "-c", 'exec "$0" "$@"']  # the shell, too, finds its way without root's rights
    home = Path(tempfile.mkdtemp(prefix="headgate-user-"))
    os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "HEADGATE_HOME": str(home / "state")}
    try:
        if subprocess.run([*as_user, HEADGATE, "--version"], env=environment, check=False).returncode:
            pytest.skip(f"the user {user} cannot reach this checkout or its Python")
        up = [*as_user, str(HEADGATE), "up", "--only", "infra"]
        done = subprocess.run(up, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        owners = {owner(process, home / "state") for process in psutil.process_iter()}
        assert owners - {None} == {pwd.getpwnam(user).pw_uid}
    finally:
        subprocess.run([*as_user, HEADGATE, "down"], env=environment, capture_output=True, check=False)
        shutil.rmtree(home)


def owner(process: psutil.Process, home: Path) -> int | None:
    """The user that it runs as, where it is one of this home's."""
    try:
        return process.uids().real if process.environ().get(MARK) == str(home) else None
    except (psutil.Error, OSError):
        return None
