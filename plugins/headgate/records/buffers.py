"""The bytes under a column of texts: cheap to look at as a whole where a look at each text is not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def bytes_of(texts: pa.Array) -> memoryview:
    """All texts, one after the other."""
    data, offsets = texts.buffers()[2], offsets_of(texts)
    return memoryview(data)[offsets[0] : offsets[-1]] if data else memoryview(b"")


def offsets_of(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Where each text begins in the column's data, and where the last one ends."""
    if not len(texts):
        return np.zeros(1, np.int32)
    return np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]


def holds_any(texts: pa.Array, characters: str) -> bool:
    """Whether one of these ASCII characters is anywhere in the texts."""
    data = bytes(bytes_of(texts))
    return any(ord(character) in data for character in characters)


def is_trimmed(texts: pa.Array) -> bool:
    """Whether no text is empty or has white space around it; not sure, and so false, beyond plain ASCII."""
    data = np.frombuffer(bytes_of(texts), np.uint8)
    offsets = offsets_of(texts) - offsets_of(texts)[0]
    filled = offsets[1:] > offsets[:-1]
    if np.count_nonzero(filled) != len(texts) - texts.null_count:
        return False
    return _are_plain(data) or (
        _are_plain(data[offsets[:-1][filled]]) and _are_plain(data[offsets[1:][filled] - 1])
    )


def _are_plain(characters: npt.NDArray[np.uint8]) -> bool:
    return not characters.size or bool(characters.min() > ord(" ") and characters.max() < 127)
