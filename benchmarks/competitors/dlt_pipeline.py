"""One CSV file into a Postgres table by dlt's upsert merge, in the environment of requirements-bench.lock.

    DESTINATION=postgresql://… python dlt_pipeline.py HOW FILE --dataset SCHEMA --table TABLE --key a,b
        --types a=text,b=integer,… --state FOLDER

HOW is one of

``plain``
    As dlt's page on CSV files has it: ``filesystem() | read_csv()``, which hands on each row as a Python
    dict; INSERT statements into a staging table, then MERGE into the target. All settings are dlt's own.
``tuned``
    By dlt's page on performance: the file is read as Arrow batches, no row is a Python object; uncompressed
    CSV files go by COPY into the staging table; rows that are the same are not written again.
``imported``
    The least that dlt can do: the file itself, unread, goes by COPY into the staging table; then MERGE.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MERGE: Any = {"disposition": "merge", "strategy": "upsert"}
TUNED_MERGE: Any = {**MERGE, "skip_unchanged_rows": True}
BLOCK_BYTES = 16 * 1024 * 1024
TUNING = {
    "DATA_WRITER__DISABLE_COMPRESSION": "true",  # the files are read back on the same machine
    "DATA_WRITER__BUFFER_MAX_ITEMS": "100000",
    "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "250000",  # several files, so several COPYs side by side
    "LOAD__WORKERS": "2",  # as many as cores
}
ARROW = {"text": "string", "integer": "int32", "bigint": "int64", "double precision": "float64"}


def main() -> None:
    asked = arguments()
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    if asked.how != "plain":
        os.environ.update(TUNING)
    import dlt

    pipeline = dlt.pipeline(
        pipeline_name=f"{asked.dataset}_{asked.table}",
        destination=dlt.destinations.postgres(os.environ["DESTINATION"]),
        dataset_name=asked.dataset,
        pipelines_dir=str(asked.state),
    )
    if asked.how == "plain":
        pipeline.run(plain(asked))
    else:
        source = tuned(asked) if asked.how == "tuned" else imported(asked)
        pipeline.run(
            source,
            table_name=asked.table,
            primary_key=asked.key,
            write_disposition=TUNED_MERGE,
            loader_file_format="csv",
        )


def plain(asked: argparse.Namespace) -> Any:
    """Rows as Python dicts, by the reader of dlt's filesystem source.

    Two arguments for pandas are needed for right values: codes keep their zeros, and "NA" is a region.
    """
    from dlt.sources.filesystem import filesystem, read_csv

    texts = {name: "str" for name, kind in asked.types.items() if kind == "text"}
    files = filesystem(bucket_url=asked.file.parent.as_uri(), file_glob=asked.file.name)
    rows = (files | read_csv(dtype=texts, keep_default_na=False, na_values=[""])).with_name(asked.table)
    return rows.apply_hints(write_disposition=MERGE, primary_key=asked.key)


def tuned(asked: argparse.Namespace) -> Iterator[Any]:
    """The file as Arrow record batches."""
    from pyarrow import csv

    types = {name: ARROW[kind] for name, kind in asked.types.items()}
    options = csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""])
    with csv.open_csv(asked.file, csv.ReadOptions(block_size=BLOCK_BYTES), convert_options=options) as reader:
        yield from reader


def imported(asked: argparse.Namespace) -> Iterator[Any]:
    """The file as it is, with the schema that an Arrow reader finds."""
    import dlt

    yield dlt.mark.with_file_import(str(asked.file), "csv", hints=next(tuned(asked)).slice(0, 0))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("how", choices=("plain", "tuned", "imported"))
    parser.add_argument("file", type=lambda text: Path(text).resolve())
    parser.add_argument("--dataset", required=True, help="the schema in Postgres")
    parser.add_argument("--table", required=True)
    parser.add_argument("--key", type=lambda text: text.split(","), required=True)
    parser.add_argument(
        "--types", type=lambda text: dict(pair.split("=") for pair in text.split(",")), required=True
    )
    parser.add_argument("--state", type=Path, required=True, help="folder of dlt's own files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
