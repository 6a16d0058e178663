"""What a supervised program is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# In the environment of every supervised program: tells the processes of one stack from all others,
# also when the supervisor that started them is gone.
MARK = "HEADGATE_STACK_HOME"


@dataclass(frozen=True)
class Program:
    """One program under supervision.

    ``healthy`` returns nothing when the program serves, else the reason why not. ``priority``
    orders the stop: what has the greatest number stops first. Times in seconds.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    healthy: Callable[[], str | None]
    address: str = ""
    priority: int = 10
    instances: int = 1
    stop_signal: str = "TERM"
    stop_wait: float = 30
    start_wait: float = 60
