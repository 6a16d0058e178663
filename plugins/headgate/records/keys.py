"""Duplicate keys within an object: 128-bit hashes of the key, compared across chunks in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headgate.records.model import MIB, Int64s

Hashes = npt.NDArray[np.uint64]
"""Shape (rows, 2)."""

KeyLoader = Callable[[], tuple[Hashes, Int64s]]
"""Gives the hashes and the row numbers of one chunk's accepted rows."""

_SEED = 20_180_406
_SLICE_BYTES = MIB // 2  # of key text hashed at once; each byte takes some 40 bytes for a moment


@dataclass(frozen=True)
class Duplicates:
    """Rows whose key an earlier row of the object has, as arrays with one entry a duplicate row."""

    chunk: Int64s  # ordinal
    row_number: Int64s
    first_row_number: Int64s  # of the first row with this key

    def __len__(self) -> int:
        return int(self.row_number.size)


def key_hashes(table: pa.Table, key: Sequence[str]) -> Hashes:
    """Two independent 64-bit hashes of each row's key, shape (rows, 2).

    Multilinear hashing with fixed random weights: two different keys meet by chance with a probability of
    about 2^-110. Equal texts of the typed values are equal keys.
    """
    combined = np.zeros((table.num_rows, 2), np.uint64)
    for index, name in enumerate(key):
        combined = _mix(combined + _column_hashes(table[name], index))
    return combined


def _column_hashes(values: pa.ChunkedArray, index: int) -> Hashes:
    """Hashes of one key column; ``index`` chooses the weights, so that equal texts in two columns differ."""
    texts = pc.fill_null(pc.cast(values, pa.string()), "\0")
    parts = [
        _multilinear(*part, index)
        for chunk in texts.chunks
        for part in _slices(chunk.cast(pa.large_binary()))
    ]
    return np.concatenate(parts) if parts else np.empty((0, 2), np.uint64)


def encode_keys(hashes: Hashes, row_numbers: Int64s) -> bytes:
    """Hashes and row numbers as bytes to be kept beside a chunk's batches (24 bytes a row)."""
    return hashes.astype("<u8").tobytes() + row_numbers.astype("<i8").tobytes()


def decode_keys(data: bytes) -> tuple[Hashes, Int64s]:
    """The inverse of ``encode_keys``."""
    rows = len(data) // 24
    hashes = np.frombuffer(data, "<u8", rows * 2).reshape(rows, 2)
    return hashes, np.frombuffer(data, "<i8", rows, rows * 16)


def find_duplicates(
    chunks: Sequence[tuple[int, KeyLoader]], total_rows: int, max_rows_in_memory: int = 2_000_000
) -> Duplicates:
    """The duplicates among all rows of an object; of equal keys the first row stays.

    ``chunks``: ordinal and loader. In nearly all objects no key comes again: the first halves of the hashes
    tell, of which three times ``max_rows_in_memory`` are held at a time. Where one comes again the rows
    concerned are compared whole, ``max_rows_in_memory`` (about 60 bytes each) at a time. All loaders are
    called once a pass.
    """
    parts = max(-(-total_rows // (3 * max_rows_in_memory)), 1)
    found = [(np.empty(0, np.int64),) * 3]
    for part in range(parts):
        repeated, rows = _repeated(chunks, part, parts)
        passes = -(-rows // max_rows_in_memory)
        found += [_compare(chunks, repeated[one::passes]) for one in range(passes)]
    columns = [np.concatenate([part[i] for part in found]) for i in range(3)]
    order = np.argsort(columns[1], kind="stable")
    return Duplicates(*(column[order] for column in columns))


def _repeated(
    chunks: Sequence[tuple[int, KeyLoader]], part: int, parts: int
) -> tuple[npt.NDArray[np.uint64], int]:
    """First halves of this part of all that come more than once, and how many rows have them."""
    halves = [np.empty(0, np.uint64)]
    for _, load in chunks:
        loaded = load()[0][:, 0]
        halves.append(loaded[(loaded >> np.uint64(32)) % np.uint64(parts) == part])
    hashes = np.concatenate(halves)
    del halves
    hashes.sort()
    again = hashes[1:][hashes[1:] == hashes[:-1]]
    repeated = np.unique(again)
    return repeated, again.size + repeated.size


def _compare(
    chunks: Sequence[tuple[int, KeyLoader]], repeated: npt.NDArray[np.uint64]
) -> tuple[Int64s, Int64s, Int64s]:
    """Duplicates among the rows whose hash has one of these first halves."""
    hashes, rows, ordinals = [np.empty((0, 2), np.uint64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for ordinal, load in chunks:
        loaded, numbers = load()
        mine = np.isin(loaded[:, 0], repeated)
        hashes.append(loaded[mine])
        rows.append(numbers[mine])
        ordinals.append(np.full(np.count_nonzero(mine), ordinal, np.int64))
    keys, numbers, chunk = np.concatenate(hashes), np.concatenate(rows), np.concatenate(ordinals)
    order = np.lexsort((numbers, keys[:, 1], keys[:, 0]))
    keys, numbers, chunk = keys[order], numbers[order], chunk[order]
    same = np.zeros(numbers.size, np.bool_)
    same[1:] = (keys[1:] == keys[:-1]).all(axis=1)
    first = np.maximum.accumulate(np.where(same, 0, np.arange(numbers.size)))
    return chunk[same], numbers[same], numbers[first[same]]


def _slices(values: pa.Array) -> Iterator[tuple[npt.NDArray[np.uint8], Int64s]]:
    """Bytes and offsets of runs of values, each run about ``_SLICE_BYTES`` long."""
    if not len(values):
        return
    _, offsets_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[values.offset : values.offset + len(values) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.empty(0, np.uint8)
    start = 0
    while start < len(values):
        end = int(np.searchsorted(offsets, offsets[start] + _SLICE_BYTES, side="right")) - 1
        end = min(max(end, start + 1), len(values))
        yield data[offsets[start] : offsets[end]], offsets[start : end + 1] - offsets[start]
        start = end


def _multilinear(data: npt.NDArray[np.uint8], offsets: Int64s, index: int) -> Hashes:
    """Sum of (byte + 1) times a random weight by its place in the value, modulo 2^64, twice."""
    lengths = np.diff(offsets)
    place = np.arange(data.size) - np.repeat(offsets[:-1], lengths)
    weights = _weights(index, 1 << int(lengths.max(initial=1)).bit_length())
    terms = data.astype(np.uint64) + np.uint64(1)
    hashes = np.zeros((lengths.size, 2), np.uint64)
    filled = lengths > 0
    if filled.any():
        for column in (0, 1):
            hashes[filled, column] = np.add.reduceat(terms * weights[column][place], offsets[:-1][filled])
    return hashes


@cache
def _weights(index: int, size: int) -> tuple[Hashes, Hashes]:
    """Random weights; the raw stream of PCG64 is the same in every version of numpy."""
    first, second = (np.random.PCG64(_SEED + 2 * index + column).random_raw(size) for column in (0, 1))
    return first, second


def _mix(values: Hashes) -> Hashes:
    """The finaliser of splitmix64: spreads the sums over all bits, so that prefixes part them evenly."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
