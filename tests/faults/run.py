"""Runs drills one after the other and prints a line for each."""

from __future__ import annotations

import statistics
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from headgate.stack.runner import quiet
from tests.conftest import Servers
from tests.faults.drill import CannotRunError, Drill, Round

HEAD = ("drill", "times", "rows in", "accounted", "lost", "doubled", "recover s", "max")
LINE = "{:<34}{:>6}{:>11}{:>11}{:>6}{:>9}{:>11}{:>7}"


@dataclass
class Result:
    """All rounds of one drill."""

    drill: Drill
    rounds: list[Round] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return not self.problems and all(round_.clean for round_ in self.rounds)

    def sum(self, name: str) -> int:
        return sum(getattr(round_, name) for round_ in self.rounds)

    @property
    def recover(self) -> tuple[float, float]:
        """Median and longest, in seconds."""
        all_of_them = [round_.recover for round_ in self.rounds] or [0.0]
        return statistics.median(all_of_them), max(all_of_them)

    def lines(self) -> list[str]:
        """What is printed of it."""
        if self.skipped:
            return [f"{self.drill.name:<34}  cannot run here: {self.skipped}"]
        counts = [f"{self.sum(name):,}" for name in ("rows_in", "accounted", "lost", "doubled")]
        median, longest = self.recover
        line = LINE.format(self.drill.name, len(self.rounds), *counts, f"{median:.1f}", f"{longest:.1f}")
        found = [*self.problems, *(problem for round_ in self.rounds for problem in round_.problems)]
        return [line, *(f"    {problem}" for problem in dict.fromkeys(found))]

    def record(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.drill.name,
            "story": self.drill.story,
            "skipped": self.skipped,
            "clean": self.clean,
            "seconds": round(self.seconds, 1),
            "problems": self.problems,
            "rounds": [asdict(round_) for round_ in self.rounds],
        }


def run_drill(servers: Servers, drill: Drill, times: int, seed: int) -> Result:
    """So many rounds on one ground; the same seed draws the same points."""
    result, begun = Result(drill), time.monotonic()
    rng = Random(f"{seed} {drill.name}")
    try:
        with drill.ground(servers, drill.name) as ground:
            while result.clean and len(result.rounds) < times:
                result.rounds.append(drill.run(ground, rng))
            result.problems += ground.close()
    except CannotRunError as reason:
        result.skipped = str(reason)
    except Exception as error:  # noqa: BLE001  whatever went wrong is this drill's result
        where = traceback.extract_tb(error.__traceback__)[-1]
        result.problems.append(
            f"round {len(result.rounds) + 1}: {type(error).__name__}: {error} ({where.name})"
        )
        result.problems += traceback.format_exc().splitlines()[-12:]
    result.seconds = time.monotonic() - begun
    return result


def run_all(servers: Servers, plan: Mapping[Drill, int], *, seed: int) -> list[Result]:
    """Every drill with its line on the terminal; those with servers of their own run beside the others."""
    print(f"seed {seed}: `python -m tests.faults --seed {seed}` draws the same points again")
    print(LINE.format(*HEAD), flush=True)
    apart = [drill for drill in plan if drill.apart]

    def run(drills: Iterable[Drill], before_each: Callable[[], None]) -> list[Result]:
        results = []
        for drill in drills:
            before_each()
            results.append(run_drill(servers, drill, plan[drill], seed))
            print("\n".join(results[-1].lines()), flush=True)
        return results

    with ThreadPoolExecutor(max_workers=1) as beside:
        others = beside.submit(run, apart, lambda: None)
        results = run((drill for drill in plan if not drill.apart), lambda: mend(servers))
        return results + others.result()


def mend(servers: Servers) -> None:
    """A drill that failed may have left a server down."""
    wanted = [p for p in servers.stack.programs() if p.name in ("postgres", "epmd", "rabbitmq", "s3")]
    servers.stack.start(wanted, quiet)


def summary(results: Sequence[Result], seconds: float) -> str:
    """One line for all, which took so many seconds."""
    ran = [result for result in results if not result.skipped]
    injections = sum(len(result.rounds) for result in ran)
    bad = [result.drill.name for result in results if not result.clean]
    verdict = f"FAILED: {', '.join(bad)}" if bad else "nothing lost, nothing doubled, no manual step"
    skipped = len(results) - len(ran)
    left_out = f", {skipped} could not run here" if skipped else ""
    return f"{len(ran)} kinds, {injections} injections in {seconds / 60:.1f} min{left_out}: {verdict}"
