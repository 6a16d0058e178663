"""Streams on the way in: hashed as stored, then decompressed, and spooled where a format needs to seek."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, Literal

from headgate.records.model import MIB, Readable
from headgate.records.refused import Refused

Compression = Literal["gzip", "zstd"]
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_READ_BYTES = MIB
_SPOOL_BYTES = 8 * MIB
_ZSTD_STEP_BYTES = 4096  # zstandard returns all that its input holds: 4 bytes may be 128 KiB
_ZSTD_WINDOW_BYTES = (
    128 * MIB
)  # what `zstd --ultra` writes at most; a larger window would break the memory bound


class HashingReader:
    """Counts and hashes (SHA-256) what passes."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes of the stream."""
        block = self._stream.read(size)
        self._hash.update(block)
        self.size += len(block)
        return block

    def drain(self) -> str:
        """Read to the end; the digest in hexadecimal."""
        while self.read(_READ_BYTES):
            pass
        return self._hash.hexdigest()


class PeekableReader:
    """Lets the first bytes be looked at before they are read, and gives full blocks until the end."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._head = b""

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes (fewer at the end), which stay to be read."""
        self._head = self.read(size) + self._head
        return self._head[:size]

    def read(self, size: int, /) -> bytes:
        """``size`` bytes, fewer only at the end."""
        blocks, missing = [self._head], size - len(self._head)
        while missing > 0 and (block := self._stream.read(missing)):
            blocks.append(block)
            missing -= len(block)
        whole = b"".join(blocks) if len(blocks) > 1 else self._head
        self._head = whole[size:]
        return whole[:size]


class DecompressingReader:
    """The content of a gzip or zstd stream of one or more members, at most one block ahead."""

    def __init__(self, stream: Readable, compression: Compression, key: str) -> None:
        self._blocks = _gunzip(stream) if compression == "gzip" else _unzstd(stream)
        self._compression = compression
        self._key = key
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes. ``Refused`` (``truncated_archive``) when the stream is cut off or damaged."""
        try:
            while not self._rest:
                self._rest = next(self._blocks)
        except StopIteration:
            return b""
        except EOFError:
            raise Refused(
                "truncated_archive",
                f"{self._key}: the {self._compression} stream ends in the middle, so the upload was probably "
                "cut off. Put the whole file again.",
            ) from None
        except (zlib.error, ValueError) as error:
            raise Refused(
                "truncated_archive",
                f"{self._key}: the {self._compression} stream is damaged ({error}). "
                "Compress and put the file again.",
            ) from None
        block, self._rest = self._rest[:size], self._rest[size:]
        return block


def spool(stream: Readable) -> IO[bytes]:
    """The whole stream in a temporary file (in memory while small), at its start; the caller closes it."""
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115
    while block := stream.read(_READ_BYTES):
        file.write(block)
    file.seek(0)
    return file


def _gunzip(stream: Readable) -> Iterator[bytes]:
    return _members(
        stream,
        _READ_BYTES,
        lambda: zlib.decompressobj(wbits=31),
        lambda member, data: member.decompress(data, MIB),
    )


def _unzstd(stream: Readable) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    try:
        yield from _members(
            stream, _ZSTD_STEP_BYTES, decompressor.decompressobj, lambda member, data: member.decompress(data)
        )
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None


def _members(
    stream: Readable, step: int, start: Callable[[], Any], decompress: Callable[[Any, bytes], bytes]
) -> Iterator[bytes]:
    """Decompressed blocks of all members. Zero bytes after a member are padding, as gzip allows it."""
    member: Any = None
    while data := stream.read(step):
        while data:
            if member is None:
                data = data.lstrip(b"\0")
                if not data:
                    break
                member = start()
            yield decompress(member, data)
            if member.eof:
                data, member = member.unused_data, None
            else:
                data = member.unconsumed_tail
    if member is not None:
        raise EOFError
