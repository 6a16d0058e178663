"""What kind of content an object has: magic bytes first, then its key's suffix."""

from __future__ import annotations

from typing import Literal

from headgate.contract import Contract
from headgate.records.compression import GZIP_MAGIC, ZSTD_MAGIC
from headgate.records.refused import Refused

Kind = Literal["gzip", "zstd", "xlsx", "parquet", "ndjson", "text"]

HEAD_BYTES = 4096
DELIMITERS = (",", ";", "\t", "|")
BOM = b"\xef\xbb\xbf"
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (GZIP_MAGIC, "gzip"),
    (ZSTD_MAGIC, "zstd"),
    (b"PK\x03\x04", "xlsx"),
    (b"PAR1", "parquet"),
)
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "an old Excel or Office file (.xls). Save it as .xlsx or CSV"),
    (b"%PDF", "a PDF document. Put the data file it was made from"),
    (b"BZh", "bzip2. Compress it with gzip or zstd instead"),
    (b"\xfd7zXZ", "xz. Compress it with gzip or zstd instead"),
    (b"7z\xbc\xaf", "a 7z archive. Put the files in it one by one"),
    (b"ORC", "an ORC file. Put it as Parquet"),
    (b"Obj\x01", "an Avro file. Put it as Parquet or NDJSON"),
)
_UTF16_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_BINARY_SUFFIXES = {".parquet": "Parquet", ".xlsx": "an XLSX workbook", ".gz": "gzip", ".zst": "zstd"}
_ESSENTIAL_SHARE = 0.3  # of zero bytes at even or at odd places, above which text is UTF-16


def sniff(head: bytes, key: str) -> Kind:
    """The kind of content that begins with ``head``, of ``HEAD_BYTES``. ``Refused`` for what is not read."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            raise Refused("format", f"{key}: the content is {name}.")
    _refuse_wide_characters(head, key)
    text = head.removeprefix(BOM).lstrip()
    if text[:1] == b"{":
        return "ndjson"
    if text[:1] == b"[" and key.lower().endswith((".json", ".jsonl", ".ndjson")):
        raise Refused(
            "format", f"{key}: the content is one JSON array. Put one JSON object a line (NDJSON) instead."
        )
    if text[:9].lower() == b"<!doctype" or text[:5].lower() in (b"<html", b"<?xml"):
        raise Refused(
            "format",
            f"{key}: the content is a web page or XML, perhaps an error or login page. Fetch it again.",
        )
    _refuse_wrong_suffix(key)
    return "text"


def _refuse_wide_characters(head: bytes, key: str) -> None:
    sample = head[:1024]
    zeros = max(sample[0::2].count(0), sample[1::2].count(0))
    if sample.startswith(_UTF16_32) or zeros > len(sample) // 2 * _ESSENTIAL_SHARE:
        raise Refused("encoding", f"{key}: the text is UTF-16 or UTF-32. Save it as UTF-8 and put it again.")


def _refuse_wrong_suffix(key: str) -> None:
    for suffix, name in _BINARY_SUFFIXES.items():
        if key.lower().endswith(suffix):
            raise Refused("format", f"{key}: the name says {name}, the content does not. Put the file again.")


def delimiters(contract: Contract, key: str) -> tuple[str, ...]:
    """The delimiters that the contract allows, the one that the key's suffix speaks for first."""
    allowed = [contract.delimiter] if {"csv", "tsv"} & set(contract.formats) else []
    if "tsv" in contract.formats and "\t" not in allowed:
        allowed.append("\t")
    if ".tsv" in key.lower().rsplit("/", 1)[-1]:
        allowed.reverse()
    return tuple(allowed)


def require_format(contract: Contract, name: str, key: str) -> None:
    """``Refused`` when the contract does not list the format."""
    if name not in contract.formats:
        raise Refused(
            "format",
            f"{key}: the content is {name}, the contract of {contract.dataset} takes "
            f"{', '.join(contract.formats)}. "
            "Put the data in one of these, or add the format to the contract's server.",
        )
