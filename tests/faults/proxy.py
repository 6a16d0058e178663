"""A loopback TCP proxy that does to connections what networks do: reset, cut, slow down, lose, refuse."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import random
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
# Below the range of outgoing connections and beside the one of the private stack: nobody takes the
# port while the proxy refuses.
PORTS = range(10_000, 20_000)
PIECE = 64 * 1024
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # <asm-generic/socket.h>; Python names neither


@dataclass(eq=False)
class _Link:
    """One connection through the proxy: the client's socket, ours to the server, and how they end."""

    client: socket.socket
    server: socket.socket
    finish: Callable[[socket.socket], None]

    def ends(self) -> tuple[socket.socket, socket.socket]:
        return self.client, self.server


class Proxy:
    """Passes everything to ``target`` until told otherwise; its methods may be called from any thread.

    What is read from one side is written to the other in the same order; nothing is invented or changed.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._links: dict[asyncio.Task[None], _Link] = {}
        self._lost: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._rate: float | None = None
        self._delay = 0.0
        self.passed = 0  # bytes, both directions of all connections together
        self.held = threading.Event()
        self._hold_at: int | None = None
        self._cut_by: Callable[[socket.socket], None] = reset
        self.was_cut = threading.Event()
        self._left: dict[bool, int | None] = {True: None, False: None}

    @classmethod
    def to(cls, url: str) -> Self:
        """A proxy to the server of a URL."""
        parts = urlsplit(url)
        return cls(str(parts.hostname), int(parts.port or 0))

    def url(self, url: str, query: str = "") -> str:
        """The same URL through the proxy, with this query."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        place = f"{login}@{HOST}:{self.port}" if login else f"{HOST}:{self.port}"
        return parts._replace(netloc=place, query=query).geturl()

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self._do(self._close_lost)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many are open and pass."""
        return len(self._links)

    def heal(self) -> None:
        """Accept and pass everything at full speed; connections that were silent go on."""
        self._do(self._heal)

    def cut(self) -> None:
        """Reset the open connections on both sides; new ones pass."""
        self._do(self._cut)

    def cut_after(self, size: int, *, upstream: bool = False, orderly: bool = False) -> None:
        """Once, as soon as ``size`` more bytes came from the server (``upstream``: from clients), cut.

        ``was_cut`` is set then. ``orderly``: connections are closed, not reset.
        """
        self.was_cut.clear()
        self._cut_by = socket.socket.close if orderly else reset
        self._do(lambda: self._left.update({upstream: size}))

    def hold_at(self, size: int) -> None:
        """When ``size`` more bytes have passed let nothing pass, until ``go_on``; ``held`` is set then."""
        self.held.clear()  # what was on its way at ``go_on`` may have set it again
        self._do(lambda: setattr(self, "_hold_at", self.passed + size))

    def go_on(self) -> None:
        """End of ``hold_at``."""
        self._hold_at = None
        self.held.clear()

    def refuse(self) -> None:
        """Reset the open connections and refuse new ones, until healed."""
        self._do(self._refuse)

    def silence(self) -> None:
        """Packets vanish, also those of new connections, until healed: a pulled plug. Linux only."""
        self._do(self._silence)

    def forget(self) -> None:
        """Packets of the open connections vanish for ever, new ones pass: a peer that was replaced."""
        self._do(self._forget)

    def slow(self, *, rate: float | None = None, delay: float = 0.0) -> None:
        """Pass ``rate`` bytes a second each way of each connection, each piece ``delay`` seconds late."""
        self._do(lambda: self._set_speed(rate, delay))

    # -- on the loop's thread -------------------------------------------------------------------

    def _do(self, action: Callable[[], None]) -> None:
        """Do it and wait until the connections that it ends have ended."""

        async def act() -> None:
            action()
            ending = [task for task in self._links if task.cancelling()]
            if ending:
                await asyncio.wait(ending)

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(60)

    def _listen(self) -> None:
        self._listener = listener(self.port)
        self.port = self._listener.getsockname()[1]
        self._accepting = self._loop.create_task(self._accept(self._listener))

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            client, _ = await self._loop.sock_accept(listening)
            self._loop.create_task(self._connect(client))

    async def _connect(self, client: socket.socket) -> None:
        server = socket.socket()
        server.setblocking(False)
        try:
            await self._loop.sock_connect(server, self.target)
        except OSError:
            reset(client)
            return
        link = _Link(client, server, finish=socket.socket.close)
        task = self._loop.create_task(self._pass(link))
        self._links[task] = link
        task.add_done_callback(self._links.pop)

    async def _pass(self, link: _Link) -> None:
        """Until both directions have ended; an error of one side resets the other."""
        for end in link.ends():
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._copy(link.client, link.server, upstream=True))
                both.create_task(self._copy(link.server, link.client, upstream=False))
        except* OSError:
            link.finish = reset
        finally:
            for end in link.ends():
                link.finish(end)

    async def _copy(self, source: socket.socket, sink: socket.socket, *, upstream: bool) -> None:
        while piece := await self._loop.sock_recv(source, PIECE):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._wait_while_held(len(piece))
            piece = self._allowed(piece, upstream)
            await self._send(sink, piece)
            self.passed += len(piece)
            if self._left[upstream] == 0:
                self._left[upstream] = None
                self._end_all(self._cut_by)
                self.was_cut.set()
                return  # what is cancelled ends at its next wait: nothing may follow what was left out
        sink.shutdown(socket.SHUT_WR)

    async def _wait_while_held(self, more: int) -> None:
        while self._hold_at is not None and self.passed + more >= self._hold_at:
            self.held.set()
            await asyncio.sleep(0.002)

    def _allowed(self, piece: bytes, upstream: bool) -> bytes:
        """What may still pass before the cut."""
        left = self._left[upstream]
        if left is None:
            return piece
        self._left[upstream] = max(0, left - len(piece))
        return piece[:left]

    async def _send(self, sink: socket.socket, piece: bytes) -> None:
        while piece:
            part = piece if self._rate is None else piece[: max(1, int(self._rate / 20))]
            await self._loop.sock_sendall(sink, part)
            piece = piece[len(part) :]
            if self._rate is not None:
                await asyncio.sleep(len(part) / self._rate)

    def _heal(self) -> None:
        self._set_speed(None, 0.0)
        self._left.update({True: None, False: None})
        if self._listener is None:
            self._listen()
        for end in self._everything():
            hear(end)

    def _set_speed(self, rate: float | None, delay: float) -> None:
        self._rate, self._delay = rate, delay

    def _cut(self) -> None:
        self._left.update({True: None, False: None})
        self._end_all(reset)

    def _end_all(self, finish: Callable[[socket.socket], None]) -> None:
        for task, link in self._links.items():
            link.finish = finish
            task.cancel()

    def _refuse(self) -> None:
        if self._accepting is not None and self._listener is not None:
            self._accepting.cancel()
            self._listener.close()
        self._accepting = self._listener = None
        self._cut()

    def _silence(self) -> None:
        for end in self._everything():
            deafen(end)

    def _forget(self) -> None:
        for link in self._links.values():
            for end in link.ends():
                deafen(end)
        self._end_all(self._lost.append)

    def _everything(self) -> list[socket.socket]:
        ends = [end for link in self._links.values() for end in link.ends()]
        return [*ends, *([self._listener] if self._listener else [])]

    def _close_lost(self) -> None:
        for end in self._lost:
            reset(end)


def listener(port: int) -> socket.socket:
    """A listening socket, on a free port where ``port`` is 0."""
    for number in [port] if port else random.sample(PORTS, 100):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((HOST, number))
        except OSError:
            made.close()
            continue
        made.listen(64)
        made.setblocking(False)
        return made
    raise OSError(f"no free port in {PORTS}" if not port else f"port {port} was taken meanwhile")


def reset(end: socket.socket) -> None:
    """Close so that the peer gets RST and not an orderly end."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def deafen(end: socket.socket) -> None:
    """Drop each packet that comes to this socket, unacknowledged: a filter program of one "return 0"."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))


def hear(end: socket.socket) -> None:
    """Undo ``deafen``."""
    with contextlib.suppress(OSError):  # it was not deaf
        end.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
