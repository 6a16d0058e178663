"""Start, stop and look at the embedded stack."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.errors import Fatal
from headgate.stack import consumers, leftovers, postgres, prepare, rabbitmq, stubs, supervisor
from headgate.stack import ports as port_choice
from headgate.stack import secrets as secret_store
from headgate.stack.catalogue import SERVERS, catalogue
from headgate.stack.layout import Layout
from headgate.stack.ports import Ports
from headgate.stack.programs import Program
from headgate.stack.secrets import Secrets
from headgate.stack.supervisor import Client, Process

if TYPE_CHECKING:
    import psutil

Report = Callable[[str, str, str], None]  # program or step, state, detail
POLL_SECONDS = 0.15
DOWN_SECONDS = 120.0


class Part(StrEnum):
    """How much of the stack: the three servers; them with databases, buckets and contracts; everything."""

    SERVERS = "servers"
    INFRA = "infra"
    ALL = "all"


@dataclass(frozen=True)
class ProgramStatus:
    """One line of ``headgate status``.

    ``rss_bytes`` is the resident memory of the greatest process of the program,
    ``memory_bytes`` of all its processes, shared pages divided among those that share them.
    """

    program: str
    state: str
    pid: int | None
    address: str
    rss_bytes: int
    memory_bytes: int
    detail: str


def quiet(program: str, state: str, detail: str) -> None:
    """A report that nobody reads."""


class Stack:
    """The embedded stack under one home folder."""

    def __init__(self, home: Path) -> None:
        self.layout = Layout(home.resolve())
        self.client = Client(self.layout)

    # -- what it is made of -------------------------------------------------------------------

    @property
    def secrets(self) -> Secrets:
        return secret_store.load_or_make(self.layout)

    @property
    def ports(self) -> Ports:
        """The ports in use; ``Fatal`` before the first start."""
        ports = port_choice.load(self.layout)
        if not ports:
            raise Fatal(f"no stack was started under {self.layout.home} yet; run `headgate up`")
        return ports

    def programs(self) -> list[Program]:
        """Every program, in the order of their start."""
        return catalogue(self.layout, self.ports, self.secrets)

    # -- up -----------------------------------------------------------------------------------

    def up(
        self,
        part: Part = Part.ALL,
        report: Report = quiet,
        *,
        with_stubs: bool | None = None,
        with_stream: bool | None = None,
    ) -> bool:
        """Start what does not run and wait until it serves; whether anything had to be done.

        ``with_stubs``: stub providers in the place of the APIs; ``with_stream``: the live stream is followed.
        ``None`` leaves that as it was.
        """
        rabbitmq.require_server_script()
        self.layout.create()
        with self.locked():
            if with_stubs is not None:
                stubs.switch(self.layout, on=with_stubs)
            if with_stream is not None:
                consumers.switch_stream(self.layout, on=with_stream)
            changed = self.supervise(report)
            if stubs.wanted(self.layout):
                stubs.write_settings(self.layout, self.ports)
            changed |= self.start([p for p in self.programs() if p.name in SERVERS], report)
            if part is not Part.SERVERS:
                changed |= prepare.data(self.layout, self.ports, self.secrets, report)
            if part is Part.ALL:
                changed |= prepare.airflow(self.layout, self.ports, self.secrets, report)
                changed |= self.start([p for p in self.programs() if p.name not in SERVERS], report)
        return changed

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One start or stop of a home at a time; the lock of a killed one is free."""
        with open(self.layout.lock_file, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def supervise(self, report: Report) -> bool:
        """A supervisor with today's configuration runs; whether it had to be started."""
        if self.client.pid() and self.is_configured():
            return False
        if self.client.pid():
            report("supervisor", "restarting", "the configuration has changed")
            self.end(report)
        self.clear_leftovers(report)
        ports = port_choice.choose(self.layout, lambda line: report("ports", "changed", line))
        rabbitmq.write_config(self.layout, ports, self.secrets)
        postgres.make_cluster(self.layout, self.secrets)
        prepare.write_settings(self.layout, ports, self.secrets)
        supervisor.write_config(self.layout, self.programs())
        supervisor.start(self.layout)
        prepare.stamp(self.layout, "configuration", self.fingerprint())
        return True

    def is_configured(self) -> bool:
        """Whether the running supervisor was started with what we would write now."""
        return bool(port_choice.load(self.layout)) and prepare.is_stamped(
            self.layout, "configuration", self.fingerprint()
        )

    def fingerprint(self) -> str:
        """Hash of the configuration and of every program's environment."""
        programs = self.programs()
        texts = [supervisor.config_text(self.layout, programs), *map(supervisor.environment_text, programs)]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()

    def clear_leftovers(self, report: Report) -> None:
        """End what a killed start left behind."""
        if found := leftovers.find(self.layout):
            report("leftovers", "ending", f"{len(found)} processes of an earlier start that was killed")
            leftovers.end(found)
        self.layout.socket.unlink(missing_ok=True)

    def start(self, programs: Sequence[Program], report: Report) -> bool:
        """Start the programs and wait until each serves; whether one had to be started."""
        names = {program.name for program in programs}
        idle = [
            p for p in self.client.processes() if p.program in names and p.state not in supervisor.RUNNING
        ]
        for process in idle:
            self.client.start(process)
        self.wait(programs, report)
        return bool(idle)

    def wait(self, programs: Sequence[Program], report: Report) -> None:
        """Wait until every program serves; ``Fatal`` with the end of its log when one does not."""
        begin = time.monotonic()
        waiting = list(programs)
        while waiting:
            waiting = [program for program in waiting if not self.is_ready(program, begin, report)]
            if waiting:
                time.sleep(POLL_SECONDS)

    def is_ready(self, program: Program, begin: float, report: Report) -> bool:
        """Whether a program serves; one that serves at once is not worth a report."""
        reason = self.why_not_ready(program, self.client.processes())
        waited = time.monotonic() - begin
        if reason is None:
            if waited > POLL_SECONDS:
                report(program.name, "ready", program.address)
            return True
        if waited > program.start_wait:
            slow = f"not ready after {program.start_wait:.0f} s (`headgate up` again waits on): {reason}"
            raise self.did_not_start(program, slow)
        report(program.name, "starting", reason)
        return False

    def why_not_ready(self, program: Program, processes: Sequence[Process]) -> str | None:
        """Nothing when all instances run and serve, else what is missing; ``Fatal`` when one gave up."""
        for process in (p for p in processes if p.program == program.name):
            if process.state == "FATAL":
                raise self.did_not_start(program, "it ends again and again")
            if process.state not in supervisor.RUNNING:
                return f"{process.name} is {process.state.lower()}"
        return program.healthy()

    def did_not_start(self, program: Program, reason: str) -> Fatal:
        log = max(
            self.layout.logs.glob(f"{program.name}*.log"), key=lambda p: p.stat().st_mtime, default=None
        )
        tail = log.read_text(errors="replace").splitlines()[-8:] if log else []
        return Fatal(
            "\n  ".join([f"{program.name} did not start: {reason}. Its log {log} ends with:", *tail])
        )

    # -- down ---------------------------------------------------------------------------------

    def down(self, report: Report = quiet) -> bool:
        """End every process of this home and wait for it; whether there was one."""
        if not self.layout.run.is_dir():
            return False
        with self.locked():
            return self.end(report)

    def end(self, report: Report) -> bool:
        daemon = self.client.pid()
        if daemon:
            self.stop_in_order(report)
            self.client.shutdown()
            wait_for_end(daemon)
        found = leftovers.find(self.layout)
        leftovers.end(found)
        self.layout.socket.unlink(missing_ok=True)
        return bool(daemon or found)

    def stop_in_order(self, report: Report) -> None:
        """Stop Airflow and the consumers side by side while their servers are there, then the servers."""
        for of_servers in (False, True):
            running = [p for p in self.client.processes() if p.pid]
            wave = [p for p in running if (p.program in SERVERS) == of_servers]
            for process in wave:
                report(process.name, "stopping", "")
                self.client.stop(process)
            self.wait_for_stop({process.name for process in wave})

    def wait_for_stop(self, names: set[str]) -> None:
        """Wait until none of them has a process; the supervisor kills what takes too long."""
        deadline = time.monotonic() + DOWN_SECONDS
        while any(p.pid for p in self.client.processes() if p.name in names) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    # -- status -------------------------------------------------------------------------------

    def status(self) -> list[ProgramStatus]:
        """Every process with its state, address and memory; empty before the first start."""
        if not port_choice.load(self.layout):
            return []
        running = self.client.processes() if self.client.pid() else []
        lines: list[ProgramStatus] = []
        for program in self.programs():
            mine = [p for p in running if p.program == program.name]
            lines += [describe(program, p) for p in mine] or [stopped(program)]
        return lines


def describe(program: Program, process: Process) -> ProgramStatus:
    runs = process.state in supervisor.RUNNING
    reason = program.healthy() if runs else process.detail
    state = "unhealthy" if runs and reason else process.state.lower()
    largest, total = memory(process.pid) if process.pid else (0, 0)
    return ProgramStatus(
        process.name, state, process.pid or None, program.address, largest, total, reason or ""
    )


def stopped(program: Program) -> ProgramStatus:
    return ProgramStatus(program.name, "stopped", None, program.address, 0, 0, "")


def memory(pid: int) -> tuple[int, int]:
    """Resident bytes of the greatest of a process and its children, and their share of memory together."""
    import psutil

    largest = total = 0
    try:
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            rss = each.memory_info().rss
            largest, total = max(largest, rss), total + proportional(each, rss)
    except psutil.NoSuchProcess:
        pass
    return largest, total


def proportional(process: psutil.Process, rss: int) -> int:
    """A process's proportional share of memory; its resident size where the system does not tell."""
    import psutil

    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return rss


def wait_for_end(pid: int) -> None:
    """Wait until a process is gone."""
    import psutil

    try:
        psutil.Process(pid).wait(DOWN_SECONDS)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        os.kill(pid, 9)
