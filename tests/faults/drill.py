"""What a drill is, and the list of all."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import Servers

# Modules that register drills when they are imported.
MODULES = (
    "consumers",
    "failures",
    "brokers",
    "databases",
    "network",
    "tasks",
    "stores",
    "credentials",
    "clocks",
    "airflow",
    "sources",
)

Ground = Callable[["Servers", str], AbstractContextManager[Any]]


class CannotRunError(Exception):
    """The drill cannot be done on this machine; says why."""


@dataclass(frozen=True)
class Round:
    """One injection and what the books said after it.

    ``lost`` and ``doubled`` are rows; ``recover``: seconds from the end of the fault until all that had been
    sent was applied, or what else the drill's page says; ``problems``: whatever a person would have to mend.
    """

    rows_in: int
    accounted: int
    lost: int
    doubled: int
    recover: float
    problems: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.problems)

    def unless(self, problem: str, holds: bool) -> Round:
        """With this problem too, unless it holds."""
        return self if holds else replace(self, problems=(*self.problems, problem))


@dataclass(frozen=True)
class Drill:
    """A kind of fault. ``run`` is one round on the ground that ``ground`` makes once for all rounds."""

    name: str
    story: str  # one sentence for the page of drills
    times: int
    short_times: int  # in the set that belongs to the tests; 0: not in it
    run: Callable[[Any, Random], Round]
    ground: Ground
    apart: bool = False  # has servers of its own, so it may run beside the others


DRILLS: dict[str, Drill] = {}


def drill(
    name: str, *, times: int, short: int = 0, ground: Ground | None = None, apart: bool = False
) -> Callable[[Callable[[Any, Random], Round]], Callable[[Any, Random], Round]]:
    """Register a function as a drill; its docstring is the story. ``open_field`` is the usual ground."""
    from tests.faults.field import open_field

    def register(run: Callable[[Any, Random], Round]) -> Callable[[Any, Random], Round]:
        assert name not in DRILLS, f"two drills are called {name}"
        story = " ".join((run.__doc__ or "").split())
        DRILLS[name] = Drill(name, story, times, short, run, ground or open_field, apart)
        return run

    return register


def markdown() -> str:
    """The table of docs/faults.md."""
    lines = ["| drill | times | what happens |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{d.name}` | {d.times} | {d.story} |" for d in all_drills())]) + "\n"


def all_drills() -> list[Drill]:
    """Every drill, in the order of their modules."""
    for module in MODULES:
        importlib.import_module(f"tests.faults.{module}")
    return list(DRILLS.values())
