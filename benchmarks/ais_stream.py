"""Live positions at a rate, from the provider's socket to rows in SQL: ``python -m benchmarks.ais_stream``.

Starts private servers, a provider (`benchmarks.ais_server`), ``headgate-consumer ais-stream`` and two
database consumers, and looks at them every second. With ``--backlog`` the provider has all positions already
and sends them as fast as they are read. Ends with 1 when a position is missing, stands there twice, or the
books do not balance. BarentsWatch itself sends some hundred lines a second.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from benchmarks.ais_positions import Sea, is_row
from benchmarks.bench import Bench
from benchmarks.harness import Wrong
from benchmarks.meter import PROC, TICKS
from headgate.contract import contract_from_document
from headgate.errors import HeadgateError
from headgate.paths import CHECKOUT, datasets_dir

PROGRAM = Path(sys.executable).with_name("headgate-consumer")
DATASET = "ais_positions"
TABLE = "maritime.ais_positions"
PROVIDER = "HEADGATE_SOURCE_BARENTSWATCH_AIS"
CONSUMERS = 2
MIB = 1 << 20
PATIENCE = 600.0  # seconds without progress


@dataclass(frozen=True)
class Look:
    """Once a second. ``lag``: seconds from the provider's reception to the ledger; ``pending``: messages."""

    seconds: float
    booked: int
    applied: int
    pending: int
    lag: float
    stream_mib: int
    consumers_mib: int


@dataclass(frozen=True)
class Outcome:
    """``rate``: lines a second until the last receipt; memory in MiB; processor time in seconds."""

    positions: int
    wanted_rate: float
    backlog: bool
    seconds: float
    rate: float
    rows: int
    quarantined: int
    repeated: int
    longest_lag: float
    most_pending: int
    stream_peak_mib: int
    consumers_peak_mib: int
    stream_cpu_s: float
    consumers_cpu_s: float
    wal_bytes_a_row: float
    minutes: int


def main() -> int:
    options = arguments()
    bench = Bench(options.home)
    try:
        bench.start()
        outcome, looks = measure(bench, options)
    except HeadgateError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        bench.stack.down()
    told = {**asdict(outcome), "looks": [asdict(look) for look in looks]}
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(asdict(outcome), indent=1))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ais_stream", description=__doc__)
    add = parser.add_argument
    add("--positions", type=int, default=20_000_000, metavar="N", help="lines (20 million)")
    add("--rate", type=float, default=5000.0, help="lines a second (5000)")
    add("--backlog", action="store_true", help="all of them are there at once")
    add("--json", type=Path, metavar="FILE", help="figures and all looks")
    add("--home", type=Path, default=CHECKOUT / ".headgate" / "bench-ais", help="of the private servers")
    return parser.parse_args()


def measure(bench: Bench, options: argparse.Namespace) -> tuple[Outcome, list[Look]]:
    """Figures of one run on an empty table."""
    prepare(bench)
    sea = Sea(options.rate)
    now = datetime.now(UTC)
    begun = now - timedelta(seconds=options.positions / options.rate) if options.backlog else now
    first = sea.number(begun) + 1
    last = first + options.positions - 1
    wal = bench.wal_position()
    with (
        provider(options.rate, last) as address,
        programs(bench, address, begun) as (stream, consumers),
    ):
        looks = watch(bench, stream, consumers, options.positions)
        used = [cpu(process) for process in (stream, *consumers)]
        peaks = [peak(process) for process in (stream, *consumers)]
    check(bench, sea, first, last)
    [(rows, quarantined, minutes)] = bench.sql(
        "SELECT sum(read - quarantined)::bigint, sum(quarantined)::bigint, count(*)"
        " FROM headgate.books_object WHERE dataset = %s",
        (DATASET,),
    )
    seconds = looks[-1].seconds
    return (
        Outcome(
            positions=options.positions,
            wanted_rate=options.rate,
            backlog=options.backlog,
            seconds=round(seconds, 1),
            rate=round(options.positions / seconds, 1),
            rows=rows,
            quarantined=quarantined,
            repeated=options.positions - rows - quarantined,
            longest_lag=max(look.lag for look in looks),
            most_pending=max(look.pending for look in looks),
            stream_peak_mib=peaks[0],
            consumers_peak_mib=max(peaks[1:]),
            stream_cpu_s=used[0],
            consumers_cpu_s=round(sum(used[1:]), 1),
            wal_bytes_a_row=round((bench.wal_position() - wal) / rows, 1),
            minutes=minutes,
        ),
        looks,
    )


def prepare(bench: Bench) -> None:
    """An empty table, and nothing known of the stream."""
    contract = contract_from_document(yaml.safe_load((datasets_dir() / f"{DATASET}.yaml").read_bytes()))
    bench.sql("DELETE FROM headgate.live_batch")
    bench.sql("DELETE FROM headgate.live")
    bench.empty_ledger(DATASET)
    bench.sql(f"DROP TABLE IF EXISTS {TABLE}")
    bench.apply(contract)
    bench.settle()


@contextmanager
def provider(rate: float, last: int) -> Iterator[str]:
    """Its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.ais_server", "--port", str(port)]
    process = subprocess.Popen([*command, "--rate", str(rate), "--last", str(last)], cwd=CHECKOUT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@contextmanager
def programs(
    bench: Bench, address: str, begun: datetime
) -> Iterator[tuple[subprocess.Popen[bytes], list[subprocess.Popen[bytes]]]]:
    """The stream's process and the consumers; they begin at this moment."""
    environment = {
        **os.environ,
        "HEADGATE_LOG_FORMAT": "json",
        "MALLOC_ARENA_MAX": "2",
        "HEADGATE_LIVE_OVERLAP": "0",
        f"{PROVIDER}_URL_LIVE": address,
        f"{PROVIDER}_URL_ID": address,
        f"{PROVIDER}_CLIENT_ID": "bench",
        f"{PROVIDER}_CLIENT_SECRET": "bench",
    }
    commands = [["ais-stream", "--since", begun.isoformat()]]
    commands += [["database", "--dataset", DATASET]] * CONSUMERS
    with open(bench.home / "logs" / "bench-ais.log", "ab") as log:
        started = [
            subprocess.Popen([PROGRAM, *command], env=environment, stdout=log, stderr=log)
            for command in commands
        ]
    try:
        yield started[0], started[1:]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def watch(
    bench: Bench, stream: subprocess.Popen[bytes], consumers: list[subprocess.Popen[bytes]], positions: int
) -> list[Look]:
    """A look a second until every line is booked and every message applied."""
    looks: list[Look] = []
    begun, progressed = time.monotonic(), time.monotonic()
    while not looks or looks[-1].booked < positions or looks[-1].pending:
        if any(process.poll() is not None for process in (stream, *consumers)):
            raise Wrong(f"a program has ended: see {bench.home}/logs/bench-ais.log")
        if time.monotonic() - progressed > PATIENCE:
            raise Wrong(f"nothing happens any more after {looks[-1]}")
        time.sleep(1.0)
        looks.append(look(bench, stream, consumers, time.monotonic() - begun))
        if len(looks) == 1 or looks[-1].applied > looks[-2].applied or looks[-1].booked > looks[-2].booked:
            progressed = time.monotonic()
        if len(looks) % 30 == 0:
            print(looks[-1], file=sys.stderr)
    return looks


def look(
    bench: Bench,
    stream: subprocess.Popen[bytes],
    consumers: list[subprocess.Popen[bytes]],
    seconds: float,
) -> Look:
    [(booked, batches, lag)] = bench.sql(
        "SELECT coalesce(sum(c.records), 0)::bigint, coalesce(sum(b.batches), 0)::bigint,"
        " (SELECT extract(epoch FROM clock_timestamp() - read_to)::float FROM headgate.live)"
        " FROM headgate.object o JOIN headgate.chunk c USING (object_id) CROSS JOIN LATERAL"
        " (SELECT count(*) AS batches FROM headgate.batch b WHERE b.chunk_id = c.chunk_id) b"
        " WHERE o.dataset = %s",
        (DATASET,),
    )
    [(applied, received)] = bench.sql(
        "SELECT coalesce(sum(rows), 0)::bigint, count(*) FROM headgate.receipt r JOIN headgate.object o"
        " USING (object_id) WHERE o.dataset = %s",
        (DATASET,),
    )
    return Look(
        seconds=round(seconds, 1),
        booked=booked,
        applied=applied,
        pending=batches - received,
        lag=round(lag or 0.0, 1),
        stream_mib=rss(stream),
        consumers_mib=max(map(rss, consumers)),
    )


def rss(process: subprocess.Popen[bytes]) -> int:
    """Its memory now, in MiB."""
    return status(process, "VmRSS")


def peak(process: subprocess.Popen[bytes]) -> int:
    """The most that it ever had, in MiB."""
    return status(process, "VmHWM")


def status(process: subprocess.Popen[bytes], name: str) -> int:
    lines = (PROC / str(process.pid) / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 // MIB


def cpu(process: subprocess.Popen[bytes]) -> float:
    """Processor seconds so far."""
    fields = (PROC / str(process.pid) / "stat").read_text().rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / TICKS, 1)


def check(bench: Bench, sea: Sea, first: int, last: int) -> None:
    """``Wrong`` unless every position stands in the table once and the books balance."""
    wanted = sum(1 for number in range(first, last + 1) if is_row(number))
    [(rows,)] = bench.sql(f"SELECT count(*) FROM {TABLE}")
    if not wanted <= rows <= wanted + 3:  # echoes of lines before the first
        raise Wrong(f"{rows:,} rows are in the table, {wanted:,} were sent")
    [(unbalanced, inserted)] = bench.sql(
        "SELECT count(*) FILTER (WHERE NOT balanced), sum(inserted)::bigint FROM headgate.books_object"
        " WHERE dataset = %s",
        (DATASET,),
    )
    if unbalanced or inserted != rows:
        raise Wrong(f"{unbalanced} minutes do not balance; {inserted:,} rows are booked, {rows:,} are there")
    for number in range(first, last, max(1, (last - first) // 1000)):
        if is_row(number):
            mmsi, sent, latitude, longitude = sea.key(number)
            found = bench.sql(
                f"SELECT 1 FROM {TABLE} WHERE (msgtime, mmsi, latitude, longitude) = (%s, %s, %s, %s)",
                (sent.replace("7+", "+"), mmsi, round(latitude, 6), round(longitude, 6)),
            )
            if not found:
                raise Wrong(f"position {number} is missing: {mmsi} at {sent}")


if __name__ == "__main__":
    sys.exit(main())
