"""The scan of a bucket that holds many objects, ten of them new: seconds and memory of its process.

The objects are put where the store keeps them, as sending them one by one would take longer than all else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.harness import Figures, Wrong
from benchmarks.meter import peak
from benchmarks.shapes import LANDING
from headgate.contract.registry import registered
from headgate.settings import read_settings
from headgate.stack import Part
from headgate.steps.contracts import file_digest
from headgate.steps.scan import Request, scan
from headgate.steps.services import Services

SHAPE = "narrow"
NEW = 10
FOLDER = 200  # objects of one
KNOWN = Path(__file__).with_name("bucket.sql")


def figures(bench: Bench, sizes: Sequence[int]) -> Figures:
    """A line for each layout and size."""
    layouts = [(layout, size) for size in sizes for layout in ("folders", "flat")]
    bench.sql("TRUNCATE headgate.run CASCADE")
    for layout, size in layouts:
        write(bench, name(layout, size), size, folders=layout == "folders")
    # The store would not notice them for minutes.
    bench.stop(lambda program: program == "s3")
    bench.stack.up(Part.INFRA)
    try:
        rows = [measured(bench, layout, size) for layout, size in layouts]
    finally:
        for layout, size in layouts:
            shutil.rmtree(folder(bench, name(layout, size)))
        bench.sql("TRUNCATE headgate.run CASCADE")
    return Figures(
        "Scan of a bucket, ten objects new",
        ("layout", "objects", "seconds", "MiB of the process"),
        rows,
        "The store is rclone, which goes through the whole folder and sorts it for each page of its listing. "
        f"folders: {FOLDER} objects in each; flat: all in one.",
    )


def name(layout: str, size: int) -> str:
    return f"growth_{layout}_{size}"


def folder(bench: Bench, dataset: str) -> Path:
    return bench.stack.layout.buckets / LANDING / dataset


def write(bench: Bench, dataset: str, size: int, *, folders: bool) -> None:
    """The objects, and a ledger that has loaded them."""
    top = folder(bench, dataset)
    shutil.rmtree(top, ignore_errors=True)
    for number in range(size):
        path = top / key(number, folders=folders)
        if number % FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(number))
    bench.apply(bench.contract(SHAPE, dataset))
    values = {"dataset": dataset, "bucket": LANDING, "size": size, "per_folder": folders and FOLDER}
    bench.sql(KNOWN.read_text(), values)
    bench.sql("ANALYZE headgate.object")


def key(number: int, *, folders: bool) -> str:
    """Below the dataset's prefix; ``bucket.sql`` names them the same."""
    return f"{number // FOLDER:04}/{number:06}.csv" if folders else f"{number:06}.csv"


def content(number: int) -> bytes:
    return b"%06d\n" % number


def measured(bench: Bench, layout: str, size: int) -> tuple[str, int, float, float]:
    """One scan, in a process of its own."""
    dataset = name(layout, size)
    for number in range(size, size + NEW):
        place = f"{dataset}/{key(number, folders=layout == 'folders')}"
        bench.services.store.put_bytes(LANDING, place, content(number))
    done = subprocess.run(
        [sys.executable, "-m", __name__, dataset], stdout=subprocess.PIPE, text=True, check=False
    )
    [(new,)] = bench.sql(
        "SELECT count(*) FROM headgate.object WHERE dataset = %s AND state = 'found'", (dataset,)
    )
    if done.returncode or new != NEW:
        raise Wrong(f"the scan of {dataset} ended with {done.returncode} and found {new} new objects")
    found = json.loads(done.stdout.splitlines()[-1])  # before it stands the log
    return layout, size, round(found["seconds"], 1), round(found["bytes"] / 2**20, 1)


def main(dataset: str) -> None:
    """The scan, as the task does it."""
    services = Services.of(read_settings())
    contract, _ = services.ledger(registered, dataset)
    request = Request(dataset, "scan", file_digest(contract))
    begin = time.perf_counter()
    scan(services, request, is_alive=lambda _: False)
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "bytes": peak()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
