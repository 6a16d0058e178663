"""The object store against a real S3 server, its refusals and its outages included."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from headgate.errors import AccessRefused, Fatal, Retriable
from headgate.store import ObjectChanged, ObjectStore
from tests.conftest import Buckets, Environment

KIB = 1024


@pytest.fixture
def store(buckets: Buckets) -> ObjectStore:
    return store_at(buckets, buckets.endpoint)


def store_at(buckets: Buckets, endpoint: str, *, secret: str = "", patience: float = 5.0) -> ObjectStore:
    return ObjectStore(
        endpoint, buckets.access_key, secret or buckets.secret_key, buckets.region, patience=patience
    )


def test_lists_every_object_of_a_prefix_over_pages(
    store: ObjectStore, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.store.PAGE", 4)
    keys = [f"d/{n:02}.csv" for n in range(9)] + ["d/sub dir/ü+1.csv"]
    for key in [*keys, "other/x.csv"]:
        store.put_bytes(buckets.landing, key, key.encode())

    listed = list(store.listing(buckets.landing, "d/"))

    assert [entry.key for entry in listed] == keys
    assert listed[0].etag == hashlib.md5(b"d/00.csv").hexdigest()
    assert listed[0].size == 8
    assert listed[0].last_modified.tzinfo is not None


@pytest.mark.parametrize("slow", [0.0, 60.0], ids=["slow store", "quick store"])
def test_lists_each_object_once_whatever_the_folders(
    store: ObjectStore, buckets: Buckets, monkeypatch: pytest.MonkeyPatch, slow: float
) -> None:
    """A slow store is asked for one folder after the other; not where the folders fill a page."""
    monkeypatch.setattr("headgate.store.PAGE", 4)
    monkeypatch.setattr("headgate.store.SLOW_PAGE", slow)
    names = [
        "a-1",
        "a/b/c/1",
        "a/b/c/2",
        "a/b/d/1",
        "a/b1",
        "a/b2",
        "a/b3",
        "a/b4",
        "a/b5",
        "a1",
        "a2",
        "a3",
        "b/1",
    ]
    keys = sorted([f"d/{name}" for name in names] + [f"many/{n // 2}/{n}" for n in range(12)] + ["many/z"])
    for key in [*keys, "e/x"]:
        store.put_bytes(buckets.landing, key, b"x")

    for prefix in ("", "d/", "d/a", "many/"):
        below = [key for key in [*keys, "e/x"] if key.startswith(prefix)]
        assert sorted(found.key for found in store.listing(buckets.landing, prefix)) == sorted(below)
        for after in below:
            rest = [key for key in below if key > after]
            found = store.listing(buckets.landing, prefix, after=after)
            assert sorted(item.key for item in found) == sorted(rest), after


def test_reads_a_stream_and_a_range_of_the_scanned_version(store: ObjectStore, buckets: Buckets) -> None:
    body = bytes(range(256)) * KIB
    store.put_bytes(buckets.landing, "d/a", body)
    stored = store.stat(buckets.landing, "d/a")

    with store.open(buckets.landing, "d/a", etag=stored.etag, size=stored.size) as reader:
        parts = [reader.read(100), reader.read(), reader.read()]

    assert parts == [body[:100], body[100:], b""]
    assert store.read_range(buckets.landing, "d/a", 1000, 24, etag=stored.etag) == body[1000:1024]
    assert store.read(buckets.landing, "d/a") == body


def test_an_object_that_was_rewritten_after_the_scan_is_not_read(
    store: ObjectStore, buckets: Buckets
) -> None:
    store.put_bytes(buckets.landing, "d/a", b"first")
    scanned = store.stat(buckets.landing, "d/a")
    store.put_bytes(buckets.landing, "d/a", b"other")

    with pytest.raises(ObjectChanged, match="rewritten after the scan") as in_range:
        store.read_range(buckets.landing, "d/a", 0, 5, etag=scanned.etag)
    with pytest.raises(ObjectChanged) as in_stream:
        store.open(buckets.landing, "d/a", etag=scanned.etag, size=5).read(5)

    assert (in_range.value.rule, in_stream.value.rule) == ("rewritten", "rewritten")


def test_an_object_that_is_gone_is_vanished_and_not_an_outage(store: ObjectStore, buckets: Buckets) -> None:
    with pytest.raises(ObjectChanged, match="is gone") as error:
        store.read_range(buckets.landing, "d/none", 0, 5, etag="x")
    assert error.value.rule == "vanished"
    assert store.find(buckets.landing, "d/none") is None


def test_a_missing_bucket_and_a_wrong_key_say_what_to_set(store: ObjectStore, buckets: Buckets) -> None:
    with pytest.raises(Fatal, match="bucket no-such-bucket does not exist"):
        list(store.listing("no-such-bucket", ""))
    with pytest.raises(AccessRefused, match="HEADGATE_S3_SECRET_KEY"):
        list(store_at(buckets, buckets.endpoint, secret="wrong-secret-key").listing(buckets.landing))


def test_keys_that_are_refused_are_read_anew(environment: Environment) -> None:
    right = environment.settings
    wrong = right.model_copy(update={"s3_secret_key": SecretStr("rotated away")})
    rotated = iter([wrong, right])
    store = ObjectStore.from_settings(wrong, reread=lambda: next(rotated))

    store.put_bytes(environment.buckets.landing, "d/a", b"content")

    assert store.read(environment.buckets.landing, "d/a") == b"content"


def test_a_store_that_is_away_is_retriable(buckets: Buckets) -> None:
    with capture_logs() as logs, pytest.raises(Retriable, match="does not answer"):
        list(store_at(buckets, "http://127.0.0.1:1").listing(buckets.landing))
    assert "the store does not answer" in [
        line["event"] for line in logs
    ]  # whoever looks sees what is waited for


def test_a_file_goes_up_in_parts_and_tells_its_progress(
    store: ObjectStore, buckets: Buckets, tmp_path: Path
) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(b"0123456789abcdef" * (2 * KIB * KIB))  # 32 MiB: two parts
    seen: list[int] = []

    stored = store.put_file(buckets.landing, "d/big.csv", path, progress=seen.append)

    assert stored.size == sum(seen) == path.stat().st_size
    assert store.sha256(stored) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [entry.etag for entry in store.listing(buckets.landing, "d/")] == [stored.etag]


def test_a_connection_that_breaks_in_the_middle_is_taken_up_where_it_broke(buckets: Buckets) -> None:
    body = bytes(range(256)) * 4 * KIB  # 1 MiB
    store_at(buckets, buckets.endpoint).put_bytes(buckets.landing, "d/a", body)
    scanned = store_at(buckets, buckets.endpoint).stat(buckets.landing, "d/a")

    with breaking_proxy(buckets.endpoint, after=300 * KIB, times=2) as endpoint:
        store = store_at(buckets, endpoint)
        with store.open(buckets.landing, "d/a", etag=scanned.etag, size=scanned.size) as reader:
            assert reader.read() == body


@contextmanager
def breaking_proxy(endpoint: str, *, after: int, times: int) -> Iterator[str]:
    """A TCP proxy that cuts its first ``times`` connections after ``after`` bytes of answer."""
    host, port = endpoint.removeprefix("http://").split(":")
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for count in range(100):
            try:
                client, _ = server.accept()
            except OSError:
                return
            limit = after if count < times else None
            threading.Thread(target=_relay, args=(client, (host, int(port)), limit), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()


def _relay(client: socket.socket, target: tuple[str, int], limit: int | None) -> None:
    with client, socket.create_connection(target) as upstream:
        threading.Thread(target=_copy, args=(client, upstream), daemon=True).start()
        _copy(upstream, client, limit)
        client.shutdown(socket.SHUT_RDWR)  # closing alone would wait for the thread that still reads


def _copy(source: socket.socket, sink: socket.socket, limit: int | None = None) -> None:
    passed = 0
    try:
        while piece := source.recv(64 * KIB):
            sink.sendall(piece)
            passed += len(piece)
            if limit is not None and passed > limit:
                return
    except OSError:
        return
