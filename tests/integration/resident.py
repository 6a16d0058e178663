"""One step of a run in a process of its own, which prints the most memory it ever had, in bytes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.meter import peak
from headgate.checks import Suite
from headgate.contract import Contract
from headgate.paths import expectations_dir
from headgate.settings import settings
from headgate.steps.gate import gate
from headgate.steps.inspect import inspect
from headgate.steps.lanes import Share
from headgate.steps.services import Services
from headgate.steps.stream import stream
from headgate.steps.validate import validate


def main(step: str, run_id: int) -> None:
    """Do the step, all of it in one lane."""
    services, lane = Services.of(settings()), Share(run_id, 0, 1)
    steps: dict[str, Callable[[], object]] = {
        "inspect": lambda: inspect(services, run_id),
        "validate": lambda: validate(services, lane, make_suite=suite),
        "gate": lambda: gate(services, run_id),
        "stream": lambda: stream(services, lane),
        "consume": consume,
    }
    steps[step]()
    print(peak())


def suite(contract: Contract) -> Suite:
    return Suite(expectations_dir() / f"{contract.dataset}.json", contract)


def consume() -> None:
    from consumers.app import main as consumer

    try:
        consumer(["database", "--until-idle", "2"])
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
