"""Running a suite over typed Arrow tables, chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.checks.result import CheckResult, RowRejects, TableFailure
from headgate.checks.suite import Rule, SuiteFile, load_suite
from headgate.contract.model import Contract

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from headgate.checks.engine import Finding

SLICE_ROWS = 65_536


class Suite:
    """One dataset's rules, ready to be run. Making it is cheap; the first run imports Great Expectations."""

    def __init__(self, source: Path | Mapping[str, Any], contract: Contract) -> None:
        self.file = load_suite(source)
        self.contract = contract

    def run(self, table: pa.Table) -> CheckResult:
        """Check a table whose columns are named and typed as in the contract.

        Rules on columns that the table lacks are left out and named in ``skipped``. Raises ``Fatal`` with
        the rule's name when an expectation cannot be run.
        """
        present = [rule for rule in self.file.rules if self._has_columns(rule, table)]
        skipped = tuple(rule.id for rule in self.file.rules if rule not in present)
        if not present or table.num_rows == 0:
            return CheckResult(skipped=skipped)
        return self._judge(table, present, skipped)

    def _judge(self, table: pa.Table, rules: Sequence[Rule], skipped: tuple[str, ...]) -> CheckResult:
        from headgate.checks.frame import checked_columns
        from headgate.checks.screen import doubtful_rows

        columns = checked_columns(table, self.file, rules)
        doubtful = {rule.id: doubtful_rows(rule, columns) for rule in rules}
        findings = _ask_about_all(columns, [rule for rule in rules if doubtful[rule.id] is None])
        for rule in rules:
            rows = doubtful[rule.id]
            if rows is not None and rows.size:
                findings[rule.id] = _ask_about_some(columns, rule, rows)
        return self._result(table, [rule for rule in rules if rule.id in findings], findings, skipped)

    def _result(
        self,
        table: pa.Table,
        rules: Sequence[Rule],
        findings: Mapping[str, Finding],
        skipped: tuple[str, ...],
    ) -> CheckResult:
        broken = [rule for rule in rules if not _holds(findings[rule.id])]
        by_row = [rule for rule in broken if findings[rule.id].positions is not None]
        return CheckResult(
            rejects=tuple(_rejects(table, self.file, rule, findings[rule.id]) for rule in by_row),
            warnings={rule.id: findings[rule.id].unexpected or 1 for rule in broken if not rule.is_critical},
            failures=tuple(
                TableFailure(rule.id, rule.reason)
                for rule in broken
                if rule.is_critical and rule not in by_row
            ),
            skipped=skipped,
        )

    def _has_columns(self, rule: Rule, table: pa.Table) -> bool:
        return set(self.file.sources(rule)) <= set(table.column_names)


def _ask_about_all(columns: pa.Table, rules: Sequence[Rule]) -> dict[str, Finding]:
    """Findings about all rows, with positions for the critical rules about rows that some row breaks."""
    from headgate.checks.engine import COUNTS, POSITIONS, engine, is_about_rows
    from headgate.checks.frame import frame_of

    if not rules:
        return {}
    frame = frame_of(columns, rules)
    findings = engine().validate(rules, frame, COUNTS)
    broken = [rule for rule in rules if rule.is_critical and not _holds(findings[rule.id])]
    by_row = [rule for rule in broken if is_about_rows(rule.type)]
    return findings | (engine().validate(by_row, frame, POSITIONS) if by_row else {})


def _ask_about_some(columns: pa.Table, rule: Rule, rows: NDArray[np.int64]) -> Finding:
    """What is found in the rows that may break the rule; in slices, as a cell is a Python object there."""
    import numpy as np

    from headgate.checks.engine import COUNTS, POSITIONS, Finding, engine
    from headgate.checks.frame import frame_of

    asked = POSITIONS if rule.is_critical else COUNTS
    positions, unexpected = [np.empty(0, np.int64)], 0
    for start in range(0, rows.size, SLICE_ROWS):
        part = rows[start : start + SLICE_ROWS]
        found = engine().validate([rule], frame_of(columns, [rule], part), asked)[rule.id]
        unexpected += found.unexpected
        if found.positions is not None:
            positions.append(part[found.positions])
    return Finding(not unexpected, unexpected, np.concatenate(positions) if rule.is_critical else None)


def _holds(finding: Finding) -> bool:
    return finding.success and finding.unexpected == 0


def _rejects(table: pa.Table, suite: SuiteFile, rule: Rule, finding: Finding) -> RowRejects:
    import numpy as np

    rows = finding.positions if finding.positions is not None else np.empty(0, dtype=np.int64)
    values = _texts(table, suite.sources(rule), rows)
    return RowRejects(
        rule=rule.id,
        column=", ".join(dict.fromkeys(suite.sources(rule))),
        rows=rows,
        values=values,
        reasons=_reasons(rule.reason, values),
    )


def _texts(table: pa.Table, columns: Sequence[str], rows: NDArray[np.int64]) -> pa.StringArray:
    """The cells of the rows as text; several columns are joined by ", "."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = [table.column(name).take(pa.array(rows)).combine_chunks().cast(pa.string()) for name in columns]
    if len(cells) == 1:
        return cells[0]
    return pc.binary_join_element_wise(*cells, ", ", null_handling="replace", null_replacement="null")


def _reasons(template: str, values: pa.StringArray) -> pa.StringArray:
    """The template with each row's value in the place of ``{value}``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    before, mark, after = template.partition("{value}")
    if not mark:
        return pa.repeat(template, len(values))
    return pc.binary_join_element_wise(
        before, values, after, "", null_handling="replace", null_replacement="nothing"
    )
