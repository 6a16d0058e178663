"""The drills' own servers, and the ways to hurt them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from headgate.stack import Stack, postgres
from headgate.stack.programs import Program
from headgate.stack.runner import quiet
from headgate.stack.supervisor import Process
from tests.conftest import CHECKOUT, Servers, in_use


def faults_home() -> Path:
    """Nobody else's servers: they are killed here."""
    return Path(os.environ.get("HEADGATE_FAULTS_HOME") or CHECKOUT / ".headgate" / "faults")


@contextmanager
def running_servers(home: Path | None = None) -> Iterator[Servers]:
    """PostgreSQL, RabbitMQ and S3 of the drills; ended afterwards, unless ``HEADGATE_TEST_KEEP`` is set."""
    stack = Stack(home or faults_home())
    with in_use(stack):
        postgres.make_databases(stack.ports, stack.secrets)
        yield Servers(stack, stack.ports, stack.secrets)


class Server:
    """One of them: postgres, rabbitmq or s3. Its supervisor starts it again when it is killed."""

    def __init__(self, servers: Servers, name: str) -> None:
        self._stack = servers.stack
        self.name = name

    @property
    def program(self) -> Program:
        return next(program for program in self._stack.programs() if program.name == self.name)

    @property
    def process(self) -> Process:
        return next(p for p in self._stack.client.processes() if p.program == self.name)

    def kill(self) -> None:
        """SIGKILL to its main process; its children end when they notice."""
        main = psutil.Process(self.process.pid)
        main.kill()
        main.wait(60)

    def stop(self) -> None:
        """End it in good order and keep it down."""
        self._stack.client.stop(self.process)
        until = time.monotonic() + 60
        while self.process.pid:
            assert time.monotonic() < until, f"{self.name} does not stop"
            time.sleep(0.05)

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self._stack.client.start(self.process)
        self.wait()

    def wait(self) -> None:
        """Until it serves, after a kill or a start."""
        self._stack.wait([self.program], quiet)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All its processes stand still (SIGSTOP), their sockets stay open."""
        main = psutil.Process(self.process.pid)
        stopped = [main, *main.children(recursive=True)]
        send(stopped, signal.SIGSTOP)
        try:
            yield
        finally:
            send(stopped, signal.SIGCONT)


def send(processes: list[psutil.Process], number: signal.Signals) -> None:
    """A signal to each of them that still lives."""
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
