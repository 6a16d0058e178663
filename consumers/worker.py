"""The one thread besides the channel's: it talks to slow servers while heartbeats go on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """Runs one call after the other. A daemon thread: a server that never answers cannot keep the process."""

    def __init__(self, on_done: Callable[[], None]) -> None:
        self._on_done = on_done
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="worker", daemon=True).start()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Run ``call`` after those before it; ``on_done`` follows it on the worker's thread."""
        future: Future[T] = Future()
        self._calls.put((call, future))
        return future

    def _run(self) -> None:
        while True:
            call, future = self._calls.get()
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001  whatever it is belongs to who asks for the result
                future.set_exception(error)
            self._on_done()
