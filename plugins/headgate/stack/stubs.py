"""The stub providers of the test tree, for a look around without credentials: from a checkout only."""

from __future__ import annotations

import subprocess
import sys

from headgate import paths
from headgate.errors import Fatal
from headgate.stack.health import http_answers
from headgate.stack.layout import Layout, write_private
from headgate.stack.ports import HOST, Ports
from headgate.stack.programs import Program

COMMAND = (sys.executable, "-m", "tests.stubs")


def switch(layout: Layout, *, on: bool) -> None:
    """Want the stubs from now on, or the providers themselves again."""
    if not on:
        layout.stubs_file.unlink(missing_ok=True)
    elif not (paths.in_checkout() and (paths.CHECKOUT / "tests" / "stubs").is_dir()):
        raise Fatal("the stub providers are part of the source tree, not of the package; use a checkout")
    elif not wanted(layout):
        write_private(layout.stubs_file, "")


def wanted(layout: Layout) -> bool:
    """Whether the last word was to have them."""
    return layout.stubs_file.is_file()


def address(ports: Ports) -> str:
    """Their root: ``<address>/<provider>/<host>`` is a provider's, ``<address>/control`` their controls."""
    return f"http://{HOST}:{ports.stubs}"


def write_settings(layout: Layout, ports: Ports) -> None:
    """``stubs.env``: where every command, task and consumer finds the providers while they are wanted."""
    told = subprocess.run(
        [*COMMAND, "--settings", address(ports)],
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise Fatal(f"the stub providers do not start: {told.stderr.strip()[-2000:]}")
    write_private(layout.stubs_file, told.stdout)


def program(layout: Layout, ports: Ports) -> Program:
    """One host that serves all of them."""
    return Program(
        name="stubs",
        command=(*COMMAND, "--port", str(ports.stubs)),
        environment={"HEADGATE_HOME": str(layout.home)},
        directory=paths.CHECKOUT,
        healthy=lambda: http_answers(f"{address(ports)}/control"),
        address=address(ports),
        priority=2,
    )
