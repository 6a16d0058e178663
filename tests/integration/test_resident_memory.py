"""However large the object, no process of the road takes more memory: the chunk bounds it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from headgate.settings import MIB
from headgate.steps.settle import settled
from tests.conftest import CHECKOUT, Environment
from tests.integration.road import HEADER, Road, counts, make_road, plant

STEPS = ("inspect", "validate", "gate", "stream", "consume")
CHUNK, SMALL, LARGE = 2 * MIB, 24 * MIB, 72 * MIB
MOST = 512 * MIB
# Less than half of what LARGE has more, and of what that takes compressed.
NOISE = 20 * MIB


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_object(environment: Environment, tmp_path: Path) -> None:
    road = make_road(environment, chunkBytes=CHUNK)
    codes = count(1)
    small = load(road, write(tmp_path / "small.csv", SMALL, codes))
    large = load(road, write(tmp_path / "large.csv", LARGE, codes))
    grown = {step: large[step] - small[step] for step in STEPS}
    assert max(large.values()) < MOST, large
    assert max(grown.values()) < NOISE, (small, large)


def write(path: Path, size: int, codes: count[int]) -> Path:
    """A plants file of about so many bytes, whose names do not compress."""
    chance = random.Random(1)
    with path.open("w") as file:
        file.write(HEADER + "\n")
        while file.tell() < size:
            file.writelines(plant(next(codes), name=chance.randbytes(150).hex()) + "\n" for _ in range(1000))
    return path


def load(road: Road, path: Path) -> dict[str, int]:
    """Bring a file to its table; the most memory of each step's process."""
    rows = sum(1 for _ in path.open()) - 1
    road.services.store.put_file(road.bucket, road.contract.prefix + path.name, path)
    run = road.open()
    peaks = {step: peak_of(road.environment, step, run.run_id) for step in STEPS}
    assert settled(road.services, run.run_id)
    counts(road.books(run), read=rows, inserted=rows)
    return peaks


def peak_of(environment: Environment, step: str, run_id: int) -> int:
    variables = {
        **os.environ,
        **environment.variables,
        "PYTHONPATH": f"{CHECKOUT / 'plugins'}:{CHECKOUT}",
        "HEADGATE_BATCH_BYTES": str(CHUNK // 4),
        "HEADGATE_TRANSACTION_BYTES": str(CHUNK),
        "MALLOC_ARENA_MAX": "2",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
    command = [sys.executable, "-m", "tests.integration.resident", step, str(run_id)]
    done = subprocess.run(command, env=variables, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.split()[-1])
