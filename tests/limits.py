"""Eight tasks in three processes ask one provider, which counts: ``python -m tests.limits --calls 10080``.

Its limits are 5 requests a second and 10,000 a day, so that 10,080 calls take 34 minutes. Servers of its own.
Ends with 1 when a limit was broken, or when a call came to anything else than an answer or ``QuotaUsed``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from pathlib import Path

from headgate.sources.credentials import variable
from tests.conftest import CHECKOUT, fresh_database, migrated_template
from tests.faults.servers import running_servers
from tests.integration.asker import A_DAY, A_SECOND
from tests.integration.misbehaving import Misbehaving, Reply, misbehaving

TASKS = (3, 3, 2)  # of each process
DAY = 86_400.0


def ask_in_processes(
    url: str, server: Misbehaving, home: Path, calls: int, timeout: float = 120
) -> Counter[str]:
    """So many calls a task; what became of them. ``url``: the ledger's; ``timeout`` in seconds."""
    program = [sys.executable, "-m", "tests.integration.asker", url, str(home)]
    environment = {**os.environ, variable("plain", "url"): server.url, "PYTHONPATH": f"{CHECKOUT}/plugins"}
    running = [
        subprocess.Popen(
            [*program, str(tasks), str(calls)],
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for tasks in TASKS
    ]
    lines = [process.communicate(timeout=timeout)[0].split() for process in running]
    assert [process.returncode for process in running] == [0] * len(running)
    return Counter(line for found in lines for line in found)


def most_within(server: Misbehaving, seconds: float) -> int:
    """The most calls that the server counted in any window of that length."""
    times = sorted(seen.at for seen in server.seen)
    return max(bisect_left(times, begin + seconds) - place for place, begin in enumerate(times))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.limits", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_080, metavar="N", help="of all tasks (10,080)")
    each = parser.parse_args().calls // sum(TASKS)
    with (
        running_servers(CHECKOUT / ".headgate" / "limits") as servers,
        fresh_database(servers, migrated_template(servers)) as database,
        misbehaving() as server,
        tempfile.TemporaryDirectory() as home,
    ):
        server.on("/rows", Reply())
        begun = time.monotonic()
        told = ask_in_processes(database.pipeline_url, server, Path(home), each, timeout=DAY)
        took = time.monotonic() - begun
    counted, second, day = len(server.seen), most_within(server, 1.0), most_within(server, DAY)
    print(f"{each * sum(TASKS):,} calls tried in {took:,.0f} s: {dict(told)}")
    print(f"the server counted {counted:,}: at most {second} in any second, {day:,} in any 24 hours")
    kept = second <= A_SECOND and day <= A_DAY
    return 0 if kept and counted == told["ok"] == told.total() - told["QuotaUsed"] else 1


if __name__ == "__main__":
    sys.exit(main())
