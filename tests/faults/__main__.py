"""``python -m tests.faults``: run the drills."""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import sys
import time
from pathlib import Path

import structlog

from tests.faults.drill import Drill, all_drills, markdown
from tests.faults.run import run_all, summary
from tests.faults.servers import running_servers


def main() -> int:
    """Exit code 1 when a row was lost or doubled, or when a person would be needed."""
    options = _parser().parse_args()
    drills = all_drills()
    if options.markdown:
        print(markdown(), end="")
        return 0
    if options.list:
        for drill in drills:
            print(f"{drill.name:<34} {drill.times:>3} times  {drill.story}")
        return 0
    if unknown := set(options.only or ()) - {drill.name for drill in drills}:
        print(f"no such drill: {', '.join(sorted(unknown))}; --list names them", file=sys.stderr)
        return 2
    chosen = [drill for drill in drills if drill.name in options.only] if options.only else drills
    if options.short:
        chosen = [drill for drill in chosen if drill.short_times]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    begun = time.monotonic()
    with running_servers() as servers:
        results = run_all(servers, planned(chosen, options), seed=options.seed)
    print(summary(results, time.monotonic() - begun))
    if options.json:
        report = {"seed": options.seed, "drills": [result.record() for result in results]}
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if all(result.clean for result in results) else 1


def planned(drills: list[Drill], options: argparse.Namespace) -> dict[Drill, int]:
    """Rounds of each drill."""
    usual = {drill: drill.short_times if options.short else drill.times for drill in drills}
    return {drill: options.times or times for drill, times in usual.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Faults under load.")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="else a random one")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these drills")
    parser.add_argument("--short", action="store_true", help="the set that belongs to `make test`")
    parser.add_argument("--times", type=int, metavar="N", help="so many rounds of each drill")
    parser.add_argument("--list", action="store_true", help="name the drills and end")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/faults.md and end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
