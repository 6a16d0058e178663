"""What stores, and proxies before them, may do to an answer: the stored bytes arrive, or an error."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable

import pytest

from headgate.errors import Fatal
from headgate.listing import StoredObject
from headgate.store import ObjectStore
from tests.conftest import Buckets
from tests.faults.proxy import Proxy


@pytest.fixture
def store(buckets: Buckets) -> ObjectStore:
    return ObjectStore(buckets.endpoint, buckets.access_key, buckets.secret_key, buckets.region, patience=5.0)


def test_content_that_was_put_with_an_encoding_is_not_decoded_in_transit(
    store: ObjectStore, buckets: Buckets
) -> None:
    """As ``aws s3 cp --content-encoding gzip`` puts it: sizes and ranges are those of the stored bytes."""
    body = gzip.compress(b"id,name\n" + b"1,a\n" * 5000)
    store.client.put_object(
        buckets.landing, "d/a.csv.gz", io.BytesIO(body), len(body), metadata={"Content-Encoding": "gzip"}
    )
    stored = store.stat(buckets.landing, "d/a.csv.gz")

    with store.open(buckets.landing, stored.key, etag=stored.etag, size=stored.size) as reader:
        assert reader.read() == body
    assert store.read_range(buckets.landing, stored.key, 10, 20, etag=stored.etag) == body[10:30]
    assert store.read(buckets.landing, stored.key) == body


def test_a_store_that_does_not_serve_ranges_is_refused_where_reading_would_start_over(
    store: ObjectStore, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_bytes(buckets.landing, "d/a", b"0123456789" * 100)
    stored = store.stat(buckets.landing, "d/a")
    whole = store.client.get_object
    monkeypatch.setattr(store.client, "get_object", lambda bucket, key, offset=0: whole(bucket, key))

    with store.open(buckets.landing, stored.key, etag=stored.etag, size=stored.size) as reader:
        assert reader.read(15) == b"012345678901234"
        reader.close()  # as when the connection broke
        with pytest.raises(Fatal, match="byte ranges"):
            reader.read()


@pytest.mark.parametrize("ask", ["range", "whole", "stream", "stat", "list"])
def test_an_answer_that_ends_early_in_good_order_is_asked_for_again(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """Also in its header: what is left of one looks like a whole one, without the ETag."""
    monkeypatch.setattr("headgate.patience.FIRST_PAUSE", 0.001)
    body = b"0123456789" * 20
    with Proxy.to(buckets.endpoint) as proxy:
        store = ObjectStore(
            proxy.url(buckets.endpoint), buckets.access_key, buckets.secret_key, buckets.region, patience=5.0
        )
        store.put_bytes(buckets.landing, "d/a", body)
        stored = store.stat(buckets.landing, "d/a")
        questions: dict[str, tuple[Callable[[], object], object]] = {
            "range": (
                lambda: store.read_range(buckets.landing, "d/a", 10, 150, etag=stored.etag),
                body[10:160],
            ),
            "whole": (lambda: store.read(buckets.landing, "d/a"), body),
            "stream": (lambda: streamed(store, stored), body),
            "stat": (lambda: store.stat(buckets.landing, "d/a").etag, stored.etag),
            "list": (lambda: [found.key for found in store.listing(buckets.landing)], ["d/a"]),
        }
        question, answer = questions[ask]
        for size in range(1, 700, 13):
            proxy.cut_after(size, orderly=True)
            assert question() == answer, f"cut after {size} bytes"


def streamed(store: ObjectStore, stored: StoredObject) -> bytes:
    """The object by its reader, in two pieces."""
    with store.open(stored.bucket, stored.key, etag=stored.etag, size=stored.size) as reader:
        return reader.read(7) + reader.read()
