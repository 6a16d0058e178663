"""How the chunks of a run are shared among mapped tasks."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from headgate.settings import Settings


@dataclass(frozen=True)
class Share:
    """One mapped task's part of a run: the chunks whose ``chunk_id % lanes`` is ``lane``."""

    run_id: int
    lane: int
    lanes: int

    def as_xcom(self) -> dict[str, int]:
        """What travels between tasks: three numbers, whatever the size of the run."""
        return {"run_id": self.run_id, "lane": self.lane, "lanes": self.lanes}


def shares(run_id: int, *, chunks: int, size: int, settings: Settings) -> list[Share]:
    """As many lanes as ``size`` bytes are worth, none without chunks.

    Each lane is a process that imports its libraries for seconds: a small run has one.
    """
    lanes = min(settings.lanes, chunks, max(1, ceil(size / settings.lane_bytes)))
    return [Share(run_id, lane, lanes) for lane in range(lanes)]
