"""Bad rows of a chunk as the quarantine takes them: a table of ``REJECT_COLUMNS``, staged as CSV."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import TYPE_CHECKING

from headgate.ledger import REJECT_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

NUL_SHOWN = "\u2400"  # Postgres cannot store U+0000


def for_quarantine(rejects: pa.Table, chunk_id: int) -> pa.Table:
    """Rejects of ``headgate.records`` as a table of ``REJECT_COLUMNS``, violations as JSON."""
    import pyarrow as pa

    violations = [json.dumps(entry, ensure_ascii=False) for entry in rejects["violations"].to_pylist()]
    columns = {
        "chunk_id": pa.chunked_array([pa.repeat(chunk_id, rejects.num_rows)]),
        "row_number": rejects["row_number"],
        "line": rejects["line"],
        "rule": rejects["rule"],
        "column_name": rejects["column"],
        "value": _storable(rejects["value"]),
        "reason": _storable(rejects["reason"]),
        "raw": _storable(rejects["raw"]),
        "violations": _storable(pa.chunked_array([pa.array(violations, pa.string())])),
    }
    return pa.table({name: columns[name] for name in REJECT_COLUMNS})


def from_csv(csv: bytes) -> pa.Table:
    """The inverse of ``headgate.records.csv_text``."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    numbers = ("chunk_id", "row_number", "line")
    types = {name: pa.int64() if name in numbers else pa.string() for name in REJECT_COLUMNS}
    if not csv:
        return pa.schema(list(types.items())).empty_table()
    return pa_csv.read_csv(
        io.BytesIO(csv),
        read_options=pa_csv.ReadOptions(
            column_names=list(REJECT_COLUMNS),
            use_threads=False,
            block_size=len(csv),  # one block: Arrow refuses a record that is longer than a block
        ),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def counts_by_rule(table: pa.Table) -> dict[str, int]:
    """Rejected rows by the rule of their first violation."""
    return dict(Counter(table["rule"].to_pylist()))


def _storable(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.replace_substring(texts, "\x00", NUL_SHOWN)
