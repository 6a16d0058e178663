"""One process has a wrong clock."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from tests.conftest import Servers
from tests.faults.crew import Member
from tests.faults.drill import CannotRunError, Round, drill
from tests.faults.failures import PRIVILEGE
from tests.faults.field import Field, open_field

HOUR, YEAR = 3_600, 365 * 86_400
# What every program of a Linux asks for the time goes through these three.
SHIFT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long shift(void) { const char *text = getenv("CLOCK_SHIFT"); return text ? atol(text) : 0; }

int clock_gettime(clockid_t id, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    if (!failed && id == CLOCK_REALTIME) now->tv_sec += shift();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int failed = real(now, zone);
    if (!failed) now->tv_sec += shift();
    return failed;
}

time_t time(time_t *where) {
    time_t (*real)(time_t *) = dlsym(RTLD_NEXT, "time");
    time_t now = real(NULL) + shift();
    if (where) *where = now;
    return now;
}
"""


@dataclass
class Shifted:
    """A field, and the library that shifts the clock of a process that loads it."""

    field: Field
    library: Path

    def close(self) -> list[str]:
        return self.field.close()


@contextmanager
def open_shifted(servers: Servers, name: str) -> Iterator[Shifted]:
    """A field with that library, which a C compiler has to make."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotRunError("there is no C compiler to make what shifts the clock of a single process")
    with tempfile.TemporaryDirectory() as folder, open_field(servers, name) as field:
        source, library = Path(folder) / "shift.c", Path(folder) / "shift.so"
        source.write_text(SHIFT)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        yield Shifted(field, library)


@drill("wrong-clock", times=4, ground=open_shifted)
def wrong_clock(ground: Shifted, rng: Random) -> Round:
    """The clock of one consumer, of the database or of errors, is up to a year ahead or behind, while
    messages fail, come again and are applied."""
    field = ground.field
    field.database_crew(1)
    kind, shift = rng.choice(("database", "error")), rng.choice((-1, 1)) * rng.randrange(HOUR, YEAR)
    odd = field.crew.start(kind, LD_PRELOAD=str(ground.library), CLOCK_SHIFT=str(shift))
    if kind == "database":
        field.crew.start("error")
    field.crew.wait_ready()
    load = field.load(rng)
    field.sql(f"REVOKE {PRIVILEGE} FROM headgate_loader")
    sender = field.send(load.batches)
    time.sleep(1 + rng.random())
    field.sql(f"GRANT {PRIVILEGE} TO headgate_loader")
    round_ = field.settle(load, sender)
    for member in field.crew.alive("error"):
        member.terminate()
    return round_.unless("the clock was right", abs(clock_of(odd) - time.time()) > HOUR / 2)


def clock_of(member: Member) -> float:
    """The time of its last log entry, in seconds since 1970."""
    last = json.loads(member.log.read_text().splitlines()[-1])
    return datetime.fromisoformat(last["timestamp"]).timestamp()
