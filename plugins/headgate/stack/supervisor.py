"""The supervisor: supervisord as a daemon, its configuration, and a client of its socket."""

from __future__ import annotations

import http.client
import os
import shlex
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.errors import Fatal
from headgate.stack.layout import Layout, write_private
from headgate.stack.programs import MARK, Program

# The shell reads the program's environment, secrets included, from a file that only we can read,
# and is then replaced by the program: nothing of it stands on a command line or in supervisord.conf.
LAUNCH = 'set -a; . "$0"; exec "$@"'

HEAD = """\
; Written by `headgate up`; changes are lost.
[unix_http_server]
file = {socket}
chmod = 0700

[supervisord]
identifier = headgate-{mark}
logfile = {logs}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = {pid}
childlogdir = {logs}
directory = {home}
umask = 077
{user}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{socket}
"""

PROGRAM = """
[program:{name}]
command = {command}
directory = {directory}
process_name = {process_name}
numprocs = {instances}
priority = {priority}
autostart = false
autorestart = true
startsecs = 1
startretries = 5
stopsignal = {stop_signal}
stopwaitsecs = {stop_wait}
killasgroup = true
redirect_stderr = true
stdout_logfile = {logs}/%(program_name)s{log_suffix}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""

RUNNING = {"RUNNING"}


@dataclass(frozen=True)
class Process:
    """One process as the supervisor sees it; ``program`` is its name in the configuration."""

    program: str
    name: str
    state: str
    pid: int
    detail: str

    @property
    def full_name(self) -> str:
        return f"{self.program}:{self.name}"


def write_config(layout: Layout, programs: Iterable[Program]) -> None:
    """The configuration and each program's environment file."""
    programs = list(programs)
    for program in programs:
        write_private(environment_file(layout, program), environment_text(program))
    write_private(layout.supervisor_config, config_text(layout, programs))


def config_text(layout: Layout, programs: Iterable[Program]) -> str:
    """The whole supervisord.conf."""
    head = HEAD.format(
        socket=escaped(str(layout.socket)),
        mark=layout.mark,
        logs=escaped(str(layout.logs)),
        pid=escaped(str(layout.supervisor_pid)),
        home=escaped(str(layout.home)),
        user="user = root" if os.geteuid() == 0 else "",
    )
    return head + "".join(program_text(layout, program) for program in programs)


def program_text(layout: Layout, program: Program) -> str:
    launch = ("/bin/sh", "-c", LAUNCH, str(environment_file(layout, program)), *program.command)
    several = program.instances > 1
    return PROGRAM.format(
        name=program.name,
        command=escaped(shlex.join(launch)),
        directory=escaped(str(program.directory)),
        process_name="%(program_name)s-%(process_num)d" if several else "%(program_name)s",
        log_suffix="-%(process_num)d" if several else "",
        instances=program.instances,
        priority=program.priority,
        stop_signal=program.stop_signal,
        stop_wait=int(program.stop_wait),
        logs=escaped(str(layout.logs)),
    )


def escaped(text: str) -> str:
    """Text as supervisord's configuration wants it: percent signs are expansions there."""
    return text.replace("%", "%%")


def environment_file(layout: Layout, program: Program) -> Path:
    return layout.run / f"{program.name}.env"


def environment_text(program: Program) -> str:
    """Shell assignments, one a line."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(program.environment.items()))


def daemon_environment(layout: Layout, source: Mapping[str, str]) -> dict[str, str]:
    """What the supervisor passes on: the machine's basics; settings of servers come from our files only."""
    basics = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
    network = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    proxies = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    kept = {name: source[name] for name in (*basics, *network, *proxies) if name in source}
    return {"PATH": os.defpath, **kept, MARK: str(layout.home)}


def start(layout: Layout) -> None:
    """Start the daemon; it starts no program by itself."""
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(layout.supervisor_config)]
    done = subprocess.run(
        command,
        env=daemon_environment(layout, os.environ),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise Fatal(f"the supervisor did not start: {(done.stderr or done.stdout).strip()}")


class Client:
    """The supervisor's interface over its socket."""

    def __init__(self, layout: Layout) -> None:
        self._socket = f"unix://{layout.socket}"

    @property
    def _rpc(self) -> Any:
        """A fresh connection a call: the transport does not recover from a server that was away."""
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, self._socket)
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def pid(self) -> int | None:
        """Process id of the daemon, or nothing when it does not answer."""
        try:
            return int(self._rpc.getPID())
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return None

    def processes(self) -> list[Process]:
        """All processes it knows, started or not."""
        return [
            Process(info["group"], info["name"], info["statename"], info["pid"], info["description"])
            for info in self._rpc.getAllProcessInfo()
        ]

    def start(self, process: Process) -> None:
        """Ask for a start; one that runs already is left alone."""
        self._ignoring("ALREADY_STARTED", lambda: self._rpc.startProcess(process.full_name, False))

    def stop(self, process: Process) -> None:
        """Ask for a stop; one that does not run is left alone."""
        self._ignoring("NOT_RUNNING", lambda: self._rpc.stopProcess(process.full_name, False))

    def shutdown(self) -> None:
        """End the daemon and all its programs."""
        self._rpc.shutdown()

    @staticmethod
    def _ignoring(fault: str, call: Any) -> None:
        try:
            call()
        except xmlrpc.client.Fault as error:
            if fault not in error.faultString:
                raise
