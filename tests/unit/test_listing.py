"""Listings of a bucket, page by page as a store gives them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.listing import Page, StoredObject, read_page
from headgate.store import ObjectStore

THEN = datetime(2026, 11, 22, tzinfo=UTC)
KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


def answer(keys: list[str], folders: list[str], encoding: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>'
        + encoding
        + "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-11-22T00:00:00.000Z</LastModified>"
            "<ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
            for key in keys
        )
        + "".join(f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in folders)
        + "</ListBucketResult>"
    ).encode()


@given(st.lists(KEYS, max_size=4), st.lists(KEYS, max_size=2))
def test_keys_that_xml_cannot_hold_come_encoded(keys: list[str], folders: list[str]) -> None:
    shown, within = ([quote_plus(name, safe="/") for name in names] for names in (keys, folders))
    page = read_page("landing", answer(shown, within, "<EncodingType>url</EncodingType>"))
    assert [found.key for found in page.objects] == keys
    assert page.folders == folders
    assert page.next == {"start-after": max([*keys[-1:], *folders[-1:]], default="")}


def test_keys_of_a_store_that_does_not_encode_are_taken_as_they_are() -> None:
    page = read_page("landing", answer(["a+b%20", escape("c&d")], [], ""))
    assert [found.key for found in page.objects] == ["a+b%20", "c&d"]


class SlowStore(ObjectStore):
    """Answers as S3 does: keys and folders in one order, a few at a time."""

    def __init__(self, keys: list[str], size: int) -> None:
        super().__init__("http://127.0.0.1:1", "", "", "")
        self.keys, self.size = sorted(keys), size

    def _page(self, bucket: str, query: dict[str, str]) -> Page:
        assert query["encoding-type"] == "url"
        prefix, delimiter = query["prefix"], query["delimiter"]
        begin = query.get("continuation-token") or query.get("start-after", "")
        entries = []
        for key in self.keys:
            if key.startswith(prefix):
                name, slash, _ = key[len(prefix) :].partition("/")
                entries.append(prefix + name + slash if delimiter and slash else key)
        left = sorted({entry for entry in entries if entry > begin})
        shown = left[: self.size]
        return Page(
            [StoredObject(bucket, key, "e", 1, THEN) for key in shown if key in self.keys],
            [entry for entry in shown if entry not in self.keys],
            more=len(left) > len(shown),
            token=shown[-1] if shown else None,
            last=shown[-1] if shown else "",
        )


@given(
    st.lists(st.text("ab/-", min_size=1, max_size=5).map(lambda key: key + "x"), max_size=30, unique=True),
    st.sampled_from(["", "a", "a/"]),
    st.sampled_from(["", "a", "a/b", "b"]),
    st.integers(1, 4),
)
@example(["a/1", "a/2", "b", "c/1", "d/1"], "", "", 2)
def test_a_slow_store_lists_each_object_once(keys: list[str], prefix: str, after: str, size: int) -> None:
    store = SlowStore(keys, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headgate.store.PAGE", size)
        patch.setattr("headgate.store.SLOW_PAGE", -1.0)
        found = [item.key for item in store.listing("landing", prefix, after=after)]
    assert sorted(found) == sorted(key for key in keys if key.startswith(prefix) and key > after)
