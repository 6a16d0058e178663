"""Bodies as they come over the network: unpacked in small blocks, whole or not at all."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.records.model import MIB
from headgate.sources.body import unpacked
from headgate.sources.model import Unavailable

CONTENTS = st.lists(st.binary(max_size=200), max_size=3)


def pieces(whole: bytes, size: int) -> list[bytes]:
    return [whole[place : place + size] for place in range(0, len(whole), size)]


@given(CONTENTS, st.integers(1, 50))
def test_members_of_gzip_are_one_content_however_they_come(contents: list[bytes], size: int) -> None:
    packed = b"".join(gzip.compress(content) for content in contents)
    assert b"".join(unpacked(pieces(packed, size), "gzip")) == b"".join(contents)
    assert b"".join(unpacked(pieces(packed, size), "identity")) == packed


@given(st.binary(max_size=200), st.data())
def test_gzip_that_is_cut_anywhere_is_not_whole(content: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(content)
    cut = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(Unavailable, match="ends in the middle"):
        list(unpacked([packed[:cut]], "gzip"))


def test_gzip_that_is_damaged_is_no_answer() -> None:
    packed = bytearray(gzip.compress(b"a,b\r\n1,2\r\n" * 100))
    packed[-6] ^= 1  # of its checksum
    with pytest.raises(Unavailable, match="is damaged"):
        list(unpacked([bytes(packed)], "gzip"))


def test_a_little_that_unpacks_to_much_comes_in_small_blocks() -> None:
    packed = gzip.compress(bytes(64 * MIB))
    assert len(packed) < MIB
    sizes = [len(block) for block in unpacked([packed], "gzip")]
    assert sum(sizes) == 64 * MIB
    assert max(sizes) <= MIB
