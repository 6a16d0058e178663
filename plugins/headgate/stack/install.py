"""Install what no wheel brings: RabbitMQ, by the system's package manager, without starting its service."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headgate.errors import Fatal
from headgate.stack.rabbitmq import require_server_script, server_script

POLICY = Path("/usr/sbin/policy-rc.d")
PACKAGE = "rabbitmq-server"


def install_rabbitmq(say: Callable[[str], None]) -> bool:
    """Install RabbitMQ where it is missing; whether it was. ``Fatal`` names what a person must install."""
    if server_script():
        return False
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        require_server_script()
    say(f"installing the package {PACKAGE} (apt-get); its own service is not started")
    with no_service_starts():
        if not apt_get("install", "--yes", "--no-install-recommends", PACKAGE):
            apt_get("update")
            apt_get("install", "--yes", "--no-install-recommends", PACKAGE, must=True)
    require_server_script()
    return True


@contextmanager
def no_service_starts() -> Iterator[None]:
    """Debian asks a script before it starts a package's service; 101 forbids it. One already there stays."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def apt_get(*arguments: str, must: bool = False) -> bool:
    """Run apt-get without questions; whether it succeeded. ``Fatal`` with its last lines where it must."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *arguments]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode and must:
        tail = " ".join((done.stderr or done.stdout).split("\n")[-4:])
        raise Fatal(f"`{' '.join(command)}` failed: {tail}. Install {PACKAGE} by hand and start again")
    return done.returncode == 0
