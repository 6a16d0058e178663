"""The command line as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Environment

HEADGATE = Path(sys.executable).with_name("headgate")


def headgate(environment: Environment, *arguments: object, code: int = 0) -> str:
    """Run ``headgate`` with these arguments; its standard output, with the errors where `code` is not 0."""
    done = subprocess.run(
        [HEADGATE, *map(str, arguments)],
        env={**os.environ, **environment.variables},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr if code else done.stdout
