"""What running a suite over one chunk says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RowRejects:
    """The rows that break one critical rule. All arrays have the same length."""

    rule: str
    column: str  # several are joined by ", "
    rows: NDArray[np.int64]  # 0-based positions in the checked table, ascending
    values: Any  # pyarrow.StringArray: the cells as text, null where there is none
    reasons: Any  # pyarrow.StringArray: a sentence for people


@dataclass(frozen=True)
class TableFailure:
    """A critical rule about the chunk as a whole that does not hold."""

    rule: str
    reason: str


@dataclass(frozen=True)
class CheckResult:
    """Outcome of a suite over one table."""

    rejects: tuple[RowRejects, ...] = ()
    warnings: Mapping[str, int] = field(default_factory=dict)  # rule to rows (1 for a rule about the table)
    failures: tuple[TableFailure, ...] = ()
    skipped: tuple[str, ...] = ()  # rules left out because the table lacks their columns

    @property
    def rejected(self) -> NDArray[np.int64]:
        """Positions of all rows that break at least one critical rule, ascending, each once."""
        if not self.rejects:
            return np.empty(0, dtype=np.int64)
        return np.unique(np.concatenate([reject.rows for reject in self.rejects]))
