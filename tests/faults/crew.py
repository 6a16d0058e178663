"""Consumer processes: started, killed and replaced as a supervisor would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.patience import until

STOP_SECONDS = 120.0


class GaveUpError(AssertionError):
    """A consumer ended that nobody had ended."""


@dataclass
class Member:
    """One process. Its name stands in its receipts and in Postgres as ``headgate-consumer <name>``."""

    name: str
    kind: str
    process: subprocess.Popen[bytes]
    log: Path
    expected_end: bool = False

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL."""
        self.expected_end = True
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def terminate(self) -> int:
        """SIGTERM; its exit code."""
        self.expected_end = True
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It stands still (SIGSTOP)."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@dataclass
class Crew:
    """All consumers of a drill."""

    variables: Mapping[str, str]
    logs: Path
    members: list[Member] = field(default_factory=list)

    def start(self, kind: str = "database", *options: str, **variables: str) -> Member:
        """One more; ``options`` of the command and ``variables`` are its own."""
        name = f"{kind}{len(self.members) + 1}"
        command = [sys.executable, "-m", "consumers.app", kind, "--name", name, *options]
        log = self.logs / f"{name}.log"
        with open(log, "wb") as output:
            environment = os.environ | self.variables | variables
            process = subprocess.Popen(command, env=environment, stderr=output, stdin=subprocess.DEVNULL)
        self.members.append(Member(name, kind, process, log))
        return self.members[-1]

    def keep(self, count: int, kind: str = "database") -> list[Member]:
        """Replace those that are gone; returns when all of them read their queues."""
        while len(self.alive(kind)) < count:
            self.start(kind)
        self.wait_ready()
        return self.alive(kind)

    def wait_ready(self) -> None:
        """Until all of them read their queues."""
        for member in self.members:
            until(lambda member=member: not member.runs or self._reads(member), f"{member.name} reads")

    def _reads(self, member: Member) -> bool:
        self.require_alive()
        return b'"reading"' in member.log.read_bytes()

    def require_alive(self) -> None:
        """Raises when one has given up: there is nothing to wait for."""
        if gone := self.ended_by_themselves():
            raise GaveUpError("; ".join(gone))

    def alive(self, kind: str = "database") -> list[Member]:
        return [member for member in self.members if member.kind == kind and member.runs]

    def named(self, name: str) -> Member:
        return next(member for member in self.members if member.name == name)

    def mentions(self, words: str) -> int:
        """How often these words stand in their logs."""
        return sum(member.log.read_text(errors="replace").count(words) for member in self.members)

    def ended_by_themselves(self) -> list[str]:
        """Those that no drill has ended: a person would have to look after them."""
        gone = [member for member in self.members if not member.runs and not member.expected_end]
        return [
            f"{member.name} ended by itself with code {member.process.returncode}, see {member.log}"
            for member in gone
        ]

    def dismiss(self) -> list[str]:
        """SIGTERM to all; those that did not end well."""
        living = [member for member in self.members if member.runs]
        for member in living:
            member.expected_end = True
            member.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        problems = []
        for member in living:
            try:
                code = member.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.kill()
                problems.append(f"{member.name} did not stop within {STOP_SECONDS:.0f} s")
                continue
            if code:
                problems.append(f"{member.name} stopped with code {code}, see {member.log}")
        return problems

    def finish(self) -> list[str]:
        """One more of each kind until there is nothing left to do for it; what went wrong with them."""
        kinds = sorted({member.kind for member in self.members}, reverse=True)  # errors before rows
        return [problem for kind in kinds for problem in self._finish(kind)]

    def _finish(self, kind: str) -> list[str]:
        member = self.start(kind, "--until-idle", "1")
        member.expected_end = True
        code = member.process.wait(STOP_SECONDS)
        return [f"{member.name} ended with code {code}, see {member.log}"] if code else []

    def kill_all(self) -> None:
        """For the end of a drill that failed."""
        for member in self.members:
            if member.runs:
                member.kill()
