"""Bad rows of a chunk as the quarantine takes them: a table of ``REJECT_COLUMNS``, staged as CSV."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headgate.ledger import REJECT_COLUMNS
from headgate.records import escaped

if TYPE_CHECKING:
    import pyarrow as pa

SLICE_ROWS = 16_384  # made ready at once: a chunk may have nothing but bad rows, with texts longer than it
NUL_SHOWN = "\u2400"  # Postgres cannot store U+0000


def for_quarantine(rejects: pa.Table, chunk_id: int) -> pa.Table:
    """Rejects of ``headgate.records`` as a table of ``REJECT_COLUMNS``, violations as JSON."""
    import pyarrow as pa

    starts = range(0, max(rejects.num_rows, 1), SLICE_ROWS)
    return pa.concat_tables([_for_quarantine(rejects.slice(start, SLICE_ROWS), chunk_id) for start in starts])


def _for_quarantine(rejects: pa.Table, chunk_id: int) -> pa.Table:
    import pyarrow as pa

    columns = {
        "chunk_id": pa.chunked_array([pa.repeat(chunk_id, rejects.num_rows)]),
        "row_number": rejects["row_number"],
        "line": rejects["line"],
        "rule": rejects["rule"],
        "column_name": rejects["column"],
        "value": _storable(rejects["value"]),
        "reason": _storable(rejects["reason"]),
        "raw": _storable(rejects["raw"]),
        "violations": _storable(pa.chunked_array([violations_json(rejects["violations"])])),
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
    counted = table["rule"].value_counts()
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def violations_json(violations: pa.ChunkedArray) -> pa.StringArray:
    """Each row's violations as a JSON array of objects."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = violations.combine_chunks()
    flat = lists.flatten()
    members = [_member(name, pc.struct_field(flat, name)) for name in ("rule", "column", "value", "reason")]
    objects = pc.binary_join_element_wise("{", pc.binary_join_element_wise(*members, ", "), "}", "")
    ends = pc.cumulative_sum(pc.list_value_length(lists)).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, objects), ", ")
    return pc.binary_join_element_wise("[", joined, "]", "")


def _member(name: str, texts: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    quoted = pc.binary_join_element_wise('"', escaped(texts), '"', "")
    return pc.binary_join_element_wise(f'"{name}": ', pc.fill_null(quoted, "null"), "")


def _storable(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    if not pc.any(pc.match_substring(texts, "\x00")).as_py():
        return texts
    return pc.replace_substring(texts, "\x00", NUL_SHOWN)
