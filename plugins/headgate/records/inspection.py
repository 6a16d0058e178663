"""Inspecting an object: one pass that finds its format, its header and its chunks, and hashes it."""

from __future__ import annotations

from dataclasses import replace

from headgate.contract import Contract, match_header
from headgate.errors import Fatal
from headgate.records import dialect
from headgate.records.compression import DecompressingReader, HashingReader, PeekableReader
from headgate.records.cutting import Cutter
from headgate.records.header import (
    SEARCHED_RECORDS,
    Header,
    check_header,
    check_refusal,
    find_header,
    named,
    no_header,
    split_record,
)
from headgate.records.model import MIB, Inspection, Limits, Readable, Sink, empty_ndjson
from headgate.records.refused import Refused
from headgate.records.tracing import Rules, trace
from headgate.sources.keys import Place, place_of

_HEADER_BYTES = 4 * MIB  # in which the first records are looked for


def inspect_object(
    stream: Readable, *, key: str, size: int, contract: Contract, limits: Limits, sink: Sink | None = None
) -> Inspection:
    """Read an object once from front to back and say what is in it.

    ``size`` is what the scan saw, in bytes. Plain CSV and NDJSON are cut by byte range; compressed text,
    workbooks and Parquet are re-cut into payloads for the ``sink``. ``Refused`` (a ``DataError`` with a
    ``rule``) when the object must be held. Needs memory for one block and one chunk, not for the object;
    workbooks and Parquet are spooled to a temporary file.
    """
    check_refusal(contract, "key", [key], key)
    stored = HashingReader(stream)
    inspection = _read(PeekableReader(stored), key, contract, limits, sink)
    digest = stored.drain()
    if stored.size != size:
        raise Refused(
            "rewritten",
            f"{key}: {stored.size:,} bytes were read, the scan saw {size:,}: "
            "the object was rewritten in between. The next run reads the new version.",
        )
    if inspection.records < contract.minimum_rows:
        raise Refused(
            "minimum_rows",
            f"{key}: the object has {inspection.records} data rows, the contract of {contract.dataset} "
            f"wants at least {contract.minimum_rows}. Put a file with data, or lower minimumRows.",
        )
    return replace(inspection, sha256=digest, size=size)


def rematch(inspection: Inspection, contract: Contract, key: str) -> Inspection:
    """The inspection under another version of the contract, for example after columns were added to it."""
    match = match_header(contract, inspection.header, key)
    return replace(
        inspection,
        columns=dict(match.columns),
        derived={**match.derived, **{n: v for n, v in inspection.derived.items() if n not in match.columns}},
        unknown=tuple(named(match.unknown)),
        shadowed=match.shadowed,
    )


def _read(
    reader: PeekableReader, key: str, contract: Contract, limits: Limits, sink: Sink | None
) -> Inspection:
    if contract.source is not None and (place := place_of(key.removeprefix(contract.prefix))) is not None:
        return _read_landed(reader, key, place, contract, limits, _require(sink))
    kind = dialect.sniff(_head(reader, key), key)
    if kind in ("gzip", "zstd"):
        inner = PeekableReader(DecompressingReader(reader, kind, key))
        name = key.lower().removesuffix(".gz").removesuffix(".zst")
        content = dialect.sniff(_head(inner, key), name)
        if content in ("gzip", "zstd"):
            raise Refused("format", f"{key}: compressed twice. Put it compressed once, or not at all.")
        inspection = _read_content(content, inner, key, contract, limits, _require(sink))
        return replace(inspection, compression=kind)
    return _read_content(kind, reader, key, contract, limits, sink if kind in ("xlsx", "parquet") else None)


def _read_landed(
    reader: PeekableReader, key: str, place: Place, contract: Contract, limits: Limits, sink: Sink
) -> Inspection:
    """The body of an API's answer: the records that its provider finds in it, as JSON lines."""
    from headgate.records.ndjson import read_ndjson
    from headgate.sources.reader import RecordLines

    body = DecompressingReader(reader, "gzip", key)
    lines = PeekableReader(RecordLines(contract, place, key, body))
    if not lines.peek(1):
        return replace(empty_ndjson(limits.max_record_bytes), compression="gzip")
    return replace(read_ndjson(lines, key, contract, limits, sink), compression="gzip")


def _read_content(
    kind: dialect.Kind,
    reader: PeekableReader,
    key: str,
    contract: Contract,
    limits: Limits,
    sink: Sink | None,
) -> Inspection:
    if kind == "xlsx":
        from headgate.records.workbook import read_workbook

        dialect.require_format(contract, "xlsx", key)
        return read_workbook(reader, key, contract, limits, _require(sink))
    if kind == "parquet":
        from headgate.records.parquet import read_parquet

        dialect.require_format(contract, "parquet", key)
        return read_parquet(reader, key, contract, limits, _require(sink))
    if kind == "ndjson":
        from headgate.records.ndjson import read_ndjson

        dialect.require_format(contract, "ndjson", key)
        return read_ndjson(reader, key, contract, limits, sink)
    return _read_delimited(reader, key, contract, limits, sink)


def _head(reader: PeekableReader, key: str) -> bytes:
    head = reader.peek(dialect.HEAD_BYTES)
    if not head.removeprefix(dialect.BOM).strip() and len(head) < dialect.HEAD_BYTES:
        raise Refused("empty", f"{key}: the object is empty. Put the file again once it has content.")
    return head


def _require(sink: Sink | None) -> Sink:
    if sink is None:
        raise Fatal(
            "compressed objects, workbooks and Parquet are re-cut: inspect_object needs a sink for them"
        )
    return sink


def _read_delimited(
    reader: PeekableReader, key: str, contract: Contract, limits: Limits, sink: Sink | None
) -> Inspection:
    head = reader.peek(_HEADER_BYTES)
    final = len(head) < _HEADER_BYTES
    skipped = len(dialect.BOM) if head.startswith(dialect.BOM) else 0
    delimiter, header, ends = _delimited_header(head[skipped:], final, key, contract, limits)
    check_header(contract, header, key)
    start = skipped + ends[header.rows - 1]
    before = head[:start]
    lines = before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
    rules = Rules(ord(delimiter), limits.max_record_bytes, len(header.names))
    cutter = Cutter(rules, limits, offset=start, first_line=lines + 1, sink=sink)
    cutter.cut(reader.read(_HEADER_BYTES)[start:], reader)
    return Inspection(
        format="csv",
        compression=None,
        delimiter=delimiter,
        encoding=contract.encoding,
        header=header.names,
        columns=dict(header.match.columns),
        derived=dict(header.match.derived),
        unknown=tuple(named(header.match.unknown)),
        shadowed=header.match.shadowed,
        header_rows=header.rows,
        line_is_record=False,
        max_record_bytes=limits.max_record_bytes,
        records=cutter.records - cutter.blank_lines,
        chunks=tuple(cutter.plans),
    )


def _delimited_header(
    head: bytes, final: bool, key: str, contract: Contract, limits: Limits
) -> tuple[str, Header, list[int]]:
    """Delimiter, header, and offsets after each of the first records."""
    allowed = dialect.delimiters(contract, key)
    if not allowed:
        dialect.require_format(contract, "csv", key)
    tried = []
    for delimiter in (*allowed, *(other for other in dialect.DELIMITERS if other not in allowed)):
        ends, records = _first_records(head, final, delimiter, contract.encoding, limits)
        tried.append((delimiter, find_header(contract, records, key), ends, records))
    fit = max(tried, key=lambda attempt: _fit(attempt[1]))
    delimiter, header, ends, _ = fit
    if header is None:
        raise no_header(contract, tried[0][3], key)
    if delimiter not in allowed:
        raise Refused(
            "delimiter",
            f"{key}: the file reads with {delimiter!r}, the contract of {contract.dataset} says "
            f"{contract.delimiter!r}. Change `delimiter` in the contract, or in the file.",
        )
    return delimiter, header, ends


def _fit(header: Header | None) -> tuple[int, int]:
    return (-len(header.match.missing_required), header.match.score) if header else (-(10**9), 0)


def _first_records(
    head: bytes, final: bool, delimiter: str, encoding: str, limits: Limits
) -> tuple[list[int], list[list[str]]]:
    rules = Rules(ord(delimiter), limits.max_record_bytes)
    ends: list[int] = []
    records: list[list[str]] = []
    start = 0
    while start < len(head) and len(ends) < SEARCHED_RECORDS:
        record = trace(head, start, rules, final=final)
        if record is None:
            break
        records.append(split_record(head[start : record.end], delimiter, encoding))
        ends.append(record.end)
        start = record.end
    return ends, records
