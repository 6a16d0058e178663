"""What notifications are sent to: an HTTP server that keeps what it was posted, and can refuse."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Listener:
    """Keeps the JSON documents that were posted, by path. ``refusing`` paths are answered with 503."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, Any]] = []
        self.refusing: set[str] = set()
        listener = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                refused = self.path in listener.refusing
                if not refused:
                    listener.posted.append((self.path, json.loads(body)))
                self.send_response(503 if refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Tests are quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def url(self, path: str) -> str:
        """As Apprise takes it."""
        return f"json://{self.address}/{path}"

    def received(self, path: str) -> list[Any]:
        """What was posted there, in order."""
        return [document for where, document in self.posted if where == f"/{path}"]

    def titles(self, path: str) -> list[str]:
        """Titles of the messages that came there by Apprise."""
        return [str(document["title"]) for document in self.received(path)]


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on a port of its own."""
    listener = Listener()
    thread = threading.Thread(target=listener.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()
    thread.join()
