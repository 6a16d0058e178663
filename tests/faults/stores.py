"""The object store is killed, away for a minute, broken, or changes under the eyes of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Thread

from tests.faults.drill import Round, drill
from tests.faults.outages import BACK_WITHIN, MINUTE
from tests.faults.proxy import HOST
from tests.faults.tasks import Tasks, begin, open_tasks

PAIR = "task-store"


@drill("store-killed", times=5, ground=open_tasks)
def killed(tasks: Tasks, rng: Random) -> Round:
    """The store is killed (SIGKILL) at a random byte of a run, and started again by its supervisor."""
    files = tasks.fresh_files(rng)
    run = begin(tasks, rng, PAIR)
    server = tasks.field.server("s3")
    server.kill()
    server.wait()
    return tasks.settle(run, *files)


@drill("store-away-for-a-minute", times=1, ground=open_tasks)
def away(tasks: Tasks, rng: Random) -> Round:
    """The store is stopped for a minute in the middle of a run, which goes on soon after its return."""
    files = tasks.fresh_files(rng)
    run = begin(tasks, rng, PAIR, 0.6, held=True)
    server = tasks.field.server("s3")
    server.stop()
    tasks.proxies[PAIR].go_on()
    time.sleep(MINUTE)
    assert run.goes_on, "the run did not need the store"
    server.start()
    round_ = tasks.settle(run, *files)
    late = f"the run got on after {round_.recover:.1f} s, {BACK_WITHIN:.0f} s are allowed"
    return round_.unless(late, round_.recover <= BACK_WITHIN)


@drill("store-ends-in-mid-body", times=4, ground=open_tasks)
def ends_in_mid_body(tasks: Tasks, rng: Random) -> Round:
    """The store closes connections in good order in the middle of an answer, as when it shuts down."""
    files = tasks.fresh_files(rng)
    run = begin(tasks, rng, PAIR)
    for _ in range(3):
        tasks.proxies[PAIR].cut_after(rng.randrange(1, 20_000), orderly=True)
        tasks.proxies[PAIR].was_cut.wait(3)
    tasks.proxies[PAIR].heal()
    return tasks.settle(run, *files)


@drill("store-answers-5xx", times=4, short=1, ground=open_tasks)
def answers_5xx(tasks: Tasks, rng: Random) -> Round:
    """For some seconds every request is answered with 500, 502, 503, 504 or 429, as XML, HTML or nothing."""
    files = tasks.fresh_files(rng)
    run = begin(tasks, rng, PAIR)
    proxy = tasks.proxies[PAIR]
    with failing_gateway(rng) as port:
        usual, proxy.target = proxy.target, (HOST, port)
        proxy.cut()
        time.sleep(1 + 2 * rng.random())
        proxy.target = usual
    proxy.cut()  # with the gateway its connections have gone
    return tasks.settle(run, *files)


@contextmanager
def failing_gateway(rng: Random) -> Iterator[int]:
    """A server that fails all requests; its port."""

    class Failing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def fail(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            body = b"" if self.command == "HEAD" else rng.choice(BODIES)
            self.send_response(rng.choice(STATUSES))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = fail

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    class Gateway(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Its clients are cut off."""

    server = Gateway((HOST, 0), Failing)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


STATUSES = (429, 500, 502, 503, 504)
BODIES = (
    b"",
    b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>',
)


@drill("object-rewritten-in-mid-read", times=5, short=1, ground=open_tasks)
def rewritten(tasks: Tasks, rng: Random) -> Round:
    """An object is rewritten at a random byte of the run that reads it. Of the old content all rows arrive or
    none, as that run found it; the next run brings the new content."""
    old = tasks.file(rng)
    new = tasks.file(rng, key=old.key)
    tasks.put(old)
    run = begin(tasks, rng, PAIR, 0.4)
    tasks.put(new)
    run.join()
    tasks.start().join()
    return tasks.check(0.0, *([old] if tasks.was_loaded(old) else []), new)


@drill("object-deleted-in-mid-read", times=4, ground=open_tasks)
def deleted(tasks: Tasks, rng: Random) -> Round:
    """Objects are deleted at a random byte of the run that reads them, and put back afterwards: the next run
    brings what that one had not."""
    files = tasks.fresh_files(rng)
    run = begin(tasks, rng, PAIR)
    tasks.remove(*files)
    run.join()
    tasks.put(*files)
    tasks.start().join()
    return tasks.check(0.0, *files)
