"""Reading: what is in an object, where its records are, and typed rows out of them.

``inspect_object`` goes through an object once and plans its chunks; ``parse_chunk`` turns one chunk into
typed rows and rejects; ``encode_batches`` writes the bodies of messages; ``keys`` finds duplicate keys.
"""

from headgate.records.batches import EncodedBatch, csv_pieces, csv_text, encode_batches
from headgate.records.inspection import inspect_object, rematch
from headgate.records.keys import (
    Duplicates,
    decode_keys,
    encode_keys,
    find_duplicates,
    key_hashes,
)
from headgate.records.model import ChunkPlan, Inspection, Limits, ParsedChunk, empty_ndjson
from headgate.records.parse import parse_chunk, raw_records, reject_rows
from headgate.records.refused import Refused
from headgate.records.rescue import escaped
from headgate.records.violations import SCHEMA as REJECTS_SCHEMA
from headgate.records.violations import Violations, rule_counts

__all__ = [
    "REJECTS_SCHEMA",
    "ChunkPlan",
    "Duplicates",
    "EncodedBatch",
    "Inspection",
    "Limits",
    "ParsedChunk",
    "Refused",
    "Violations",
    "csv_pieces",
    "csv_text",
    "decode_keys",
    "empty_ndjson",
    "encode_batches",
    "encode_keys",
    "escaped",
    "find_duplicates",
    "inspect_object",
    "key_hashes",
    "parse_chunk",
    "raw_records",
    "reject_rows",
    "rematch",
    "rule_counts",
]
