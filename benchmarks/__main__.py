"""How fast, against the least that Postgres needs: ``python -m benchmarks``, or ``make bench``.

Starts private servers, makes its files, measures, prints tables and writes one JSON file and one picture.
Ends with 1 when a line did not load what it should have.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from itertools import product
from pathlib import Path

import structlog

from benchmarks import picture, plan, report, whole_dag
from benchmarks.bench import Bench
from benchmarks.harness import CHANGES, SHAPES, Figures, Result, Workload, compare
from headgate.errors import HeadgateError
from headgate.paths import CHECKOUT

RESULTS = Path(__file__).resolve().parent / "results"
PARTS = ("loads", "growth", "latency")


def main() -> int:
    options = arguments()
    if options.list:
        return list_lines()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and so end the servers
    bench = Bench(options.home)
    try:
        bench.start()
        results = load_all(bench, options) if "loads" in options.parts else []
        others = [part for part in PARTS[1:] if part in options.parts]
        figures = whole_dag.memory(results)
        figures += [each for part in others for each in figures_of(part, bench, options)]
        save(bench, options, results, figures)
    except HeadgateError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        bench.stack.down()
    report.show(results, figures)
    return int(any(result.failed for result in results))


def list_lines() -> int:
    for line in plan.all_lines():
        print(f"{line.name} ({line.group})\n    {line.config}")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--lines", nargs="+", metavar="NAME", help="only these; --list names them")
    add("--list", action="store_true", help="name the lines, with what each does, and end")
    add("--rows", nargs="+", type=int, metavar="N", help="instead of the plan's")
    add("--shape", nargs="+", choices=SHAPES, help="instead of the plan's")
    add("--changes", nargs="+", choices=CHANGES, help="instead of the plan's")
    add("--indexes", nargs="+", type=int, choices=range(9), metavar="N", help="0 to 8, instead of the plan's")
    add("--repeat", type=int, default=3, metavar="N", help="runs of each line with each workload (3)")
    add("--large", action="store_true", help="more with a million rows, and ten million: two hours")
    add("--quick", action="store_true", help="a few rows, once: does it work?")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="loads, growth, latency; all")
    add(
        "--json",
        type=Path,
        default=RESULTS / "latest.json",
        metavar="FILE",
        help="benchmarks/results/latest.json",
    )
    add(
        "--svg",
        type=Path,
        default=RESULTS / "latest.svg",
        metavar="FILE",
        help="benchmarks/results/latest.svg",
    )
    add("--add", action="store_true", help="keep what the files have of other workloads and parts")
    add("--home", type=Path, default=CHECKOUT / ".headgate" / "bench", help="of servers and data")
    options = parser.parse_args()
    options.repeat = 1 if options.quick else options.repeat
    return options


def load_all(bench: Bench, options: argparse.Namespace) -> list[Result]:
    """Measure the plan; the files are written after each workload, so that nothing measured is lost."""
    results: list[Result] = []
    for part in parts_of(options):
        results += compare(bench, part.lines(), part.workload, options.repeat, say)
        save(bench, options, results, [])
    return results


def parts_of(options: argparse.Namespace) -> list[plan.Part]:
    """What the options choose: a plan, or all combinations of what they name."""
    named = (options.shape, options.rows, options.changes, options.indexes)
    if options.quick:
        parts = list(plan.quick())
    elif any(named):
        first = Workload("mid", plan.MILLION)
        choices = [given or [usual] for given, usual in zip(named, vars(first).values(), strict=True)]
        parts = [plan.Part(Workload(*values)) for values in product(*choices)]
    else:
        parts = [*plan.default(), *(plan.large() if options.large else ())]
    return [replace(part, names=tuple(options.lines)) for part in parts] if options.lines else parts


def figures_of(part: str, bench: Bench, options: argparse.Namespace) -> list[Figures]:
    """Figures of a part that is no load: its module is imported only when it is wanted."""
    measured: list[Figures] = import_module(f"benchmarks.{part}").measure(bench, options)
    return measured


def save(
    bench: Bench, options: argparse.Namespace, results: Sequence[Result], figures: Sequence[Figures]
) -> None:
    """Write the JSON file and the picture."""
    document = report.document(bench, plan.all_lines(), results, figures)
    for path in (options.json, options.svg):
        path.parent.mkdir(parents=True, exist_ok=True)
    report.write(options.json, document, add=options.add)
    options.svg.write_text(picture.draw(document["results"]))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
