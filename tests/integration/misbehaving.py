"""A real HTTP server that answers as it is told, byte for byte where that matters."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

Framing = Literal["length", "chunked", "connection"]


@dataclass(frozen=True)
class Reply:
    """One answer. ``cut``: bytes of the body after which the connection ends; ``framing`` tells its end."""

    body: bytes = b'{"rows": [1, 2, 3]}'
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    framing: Framing = "length"
    cut: int | None = None
    drip: float = 0.0  # seconds between single bytes
    after: threading.Event | None = None  # answers when that is set


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    at: float
    method: str
    target: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


class Misbehaving:
    """``on`` says what a path answers, in turn; the last answer stays."""

    url: str

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()

    def on(self, path: str, *replies: Reply) -> None:
        self._replies[path] = list(replies)

    def asked(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def answer(self, seen: Seen) -> Reply:
        """The next answer of the path."""
        with self._lock:
            self.seen.append(seen)
            replies = self._replies.get(seen.path) or [Reply(b'{"no": "such path"}', 404)]
            return replies.pop(0) if len(replies) > 1 else replies[0]


def token(text: str = "t-1", **fields: Any) -> Reply:
    """What a token endpoint answers."""
    return Reply(
        json.dumps({"access_token": text, "token_type": "bearer", "expires_in": 3600} | fields).encode()
    )


@contextmanager
def misbehaving() -> Iterator[Misbehaving]:
    """Such a server."""
    made = Misbehaving()
    with answering(made.answer) as made.url:
        yield made


@contextmanager
def answering(answer: Callable[[Seen], Reply]) -> Iterator[str]:
    """A server on a free port of this machine, which answers so; its address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.answer = answer  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # of 5, the kernel has others try again after a second


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _respond(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        seen = Seen(time.monotonic(), self.command, self.path, headers, body)
        reply: Reply = self.server.answer(seen)  # type: ignore[attr-defined]
        if reply.after:
            reply.after.wait(60)
        conditional = headers.get("if-none-match")
        if conditional and conditional == reply.headers.get("ETag"):
            reply = Reply(b"", 304, {"ETag": conditional})
        self._send(reply)

    do_GET = do_POST = _respond

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        if reply.status != 304:
            self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        sent = reply.body if reply.cut is None else reply.body[: reply.cut]
        if reply.framing == "length":
            self.send_header("Content-Length", str(len(reply.body)))
        elif reply.framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            size = f"{len(reply.body):x}\r\n".encode()
            sent = size + (sent if reply.cut is not None else sent + b"\r\n0\r\n\r\n")
        if reply.framing == "connection" or reply.cut is not None:
            self.send_header("Connection", "close")
        self.end_headers()
        self._write(sent, reply.drip)

    def _write(self, sent: bytes, drip: float) -> None:
        try:
            if not drip:
                self.wfile.write(sent)
            for place in range(len(sent) if drip else 0):
                self.wfile.write(sent[place : place + 1])
                time.sleep(drip)
        except OSError:  # the client has had enough
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""
