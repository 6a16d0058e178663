"""``python -m tests.stubs --port 8199 [--today 2024-02-01]``: serve the stubs until ended.

``--settings http://127.0.0.1:8199`` only prints the settings by which Headgate finds them there.
"""

from __future__ import annotations

import argparse
import socket
from datetime import date

import uvicorn

from tests.stubs.app import make_app
from tests.stubs.settings import settings_of
from tests.stubs.world import World


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stubs", description=__doc__)
    parser.add_argument("--port", type=int, default=8199)
    parser.add_argument("--fd", type=int, help="a socket that listens already, in the place of a port")
    parser.add_argument("--today", type=date.fromisoformat, help="the date that the providers have")
    parser.add_argument("--settings", metavar="URL")
    chosen = parser.parse_args()
    if chosen.settings:
        for name, value in settings_of(chosen.settings).items():
            print(f"{name}={value}")
        return
    app = make_app(World(chosen.today))
    config = uvicorn.Config(app, host="127.0.0.1", port=chosen.port, log_level="warning", lifespan="off")
    listening = None if chosen.fd is None else [socket.socket(fileno=chosen.fd)]
    uvicorn.Server(config).run(sockets=listening)


if __name__ == "__main__":
    main()
