"""The proxy of the drills does what its modes say; a drill with a proxy that only pretends proves nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.proxy import HOST, Proxy, listener
from tests.polling import eventually


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self.socket = listener(0)
        self.socket.setblocking(True)
        self.port = self.socket.getsockname()[1]
        self.received = 0
        self.ended = 0  # connections
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while piece := client.recv(65536):
                self.received += len(piece)
                client.sendall(piece)
        self.ended += 1


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.socket.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(HOST, echo.port) as made:
        yield made


def connect(proxy: Proxy, timeout: float = 60.0) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=timeout)


def receive(end: socket.socket, size: int) -> bytes:
    """Exactly so many bytes, or what came before the end."""
    got = b""
    while len(got) < size and (piece := end.recv(size - len(got))):
        got += piece
    return got


def echoed(end: socket.socket, body: bytes) -> bytes:
    threading.Thread(target=end.sendall, args=(body,), daemon=True).start()
    return receive(end, len(body))


def received_until_reset(end: socket.socket) -> int:
    size = 0
    try:
        while piece := end.recv(65536):
            size += len(piece)
    except ConnectionResetError:
        return size
    raise AssertionError("an orderly end")


def test_bytes_pass_unchanged_in_both_directions_and_an_end_ends_it(proxy: Proxy) -> None:
    body = bytes(range(256)) * 4000
    with connect(proxy) as end:
        assert echoed(end, body) == body
        assert proxy.connections == 1
    eventually(lambda: proxy.connections == 0, 60)


def test_a_cut_resets_what_is_open_and_lets_new_connections_pass(proxy: Proxy) -> None:
    with connect(proxy) as end:
        assert echoed(end, b"a") == b"a"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    with connect(proxy) as end:
        assert echoed(end, b"b") == b"b"


def test_a_cut_after_some_bytes_passes_exactly_those(proxy: Proxy) -> None:
    proxy.cut_after(1000)
    with connect(proxy) as end:
        end.sendall(b"x" * 5000)
        assert received_until_reset(end) == 1000
    with connect(proxy) as end:
        assert echoed(end, b"y" * 5000) == b"y" * 5000


def test_upstream_a_cut_after_some_bytes_passes_exactly_those(proxy: Proxy, echo: Echo) -> None:
    proxy.cut_after(700, upstream=True)
    with connect(proxy) as end:
        end.sendall(b"x" * 5000)
        received_until_reset(end)
    eventually(lambda: echo.ended, 60)
    assert echo.received == 700
    with connect(proxy) as end:
        assert echoed(end, b"y" * 5000) == b"y" * 5000


def test_nothing_follows_after_a_cut_however_much_is_on_its_way(proxy: Proxy) -> None:
    body = bytes(range(251)) * 8_000
    for size in range(1, 400_000, 40_001):
        proxy.cut_after(size, orderly=True)
        with connect(proxy) as end:
            end.settimeout(60)
            threading.Thread(target=lambda end=end: suppressed(end, body), daemon=True).start()
            got = b""
            with suppress(OSError):
                while piece := end.recv(65536):
                    got += piece
        assert got == body[: len(got)]
        assert len(got) <= size


def suppressed(end: socket.socket, body: bytes) -> None:
    with suppress(OSError):
        end.sendall(body)


def test_refused_until_healed_on_the_same_port(proxy: Proxy) -> None:
    with connect(proxy) as end:
        assert echoed(end, b"a") == b"a"
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.heal()
    with connect(proxy) as end:
        assert echoed(end, b"b") == b"b"


def test_silence_loses_packets_and_healing_lets_the_connection_go_on(proxy: Proxy) -> None:
    with connect(proxy) as end:
        assert echoed(end, b"a") == b"a"
        proxy.silence()
        end.sendall(b"b")
        end.settimeout(0.5)
        with pytest.raises(TimeoutError):
            end.recv(1)
        with pytest.raises(TimeoutError):
            connect(proxy, timeout=0.5)
        proxy.heal()
        end.settimeout(60)
        assert end.recv(1) == b"b"


def test_a_lost_peer_is_noticed_by_unacknowledged_data_only(proxy: Proxy) -> None:
    with connect(proxy) as end:
        assert echoed(end, b"a") == b"a"
        proxy.forget()
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 500)
        end.sendall(b"b")
        end.settimeout(60)
        with pytest.raises(TimeoutError, match="Errno 110"):
            end.recv(1)
    with connect(proxy) as end:
        assert echoed(end, b"c") == b"c"


def test_slow_is_as_slow_as_asked(proxy: Proxy) -> None:
    with connect(proxy) as end:
        proxy.slow(rate=100_000)
        begin = time.monotonic()
        assert echoed(end, b"x" * 50_000) == b"x" * 50_000
        assert time.monotonic() - begin > 0.45
        proxy.slow(delay=0.3)
        begin = time.monotonic()
        assert echoed(end, b"x") == b"x"
        assert time.monotonic() - begin > 0.55


def test_held_at_a_byte_until_told_to_go_on(proxy: Proxy) -> None:
    proxy.hold_at(3_000)
    with connect(proxy) as end:
        assert echoed(end, b"x" * 1_000) == b"x" * 1_000
        end.sendall(b"y" * 1_000)
        assert proxy.held.wait(60)
        end.settimeout(0.3)
        with pytest.raises(TimeoutError):
            end.recv(1)
        proxy.go_on()
        end.settimeout(60)
        assert receive(end, 1_000) == b"y" * 1_000
