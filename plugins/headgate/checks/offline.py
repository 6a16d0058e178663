"""What is wrong with a suite, found without data: unknown types, columns and arguments.

Great Expectations drops an expectation of an unknown type in silence, and reports a rule that
cannot be computed as one that failed. Both are found here, before a file ever arrives.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from headgate.checks.suite import Rule, SuiteFile
from headgate.contract.model import NUMBER_TYPES, Contract
from headgate.errors import Fatal

if TYPE_CHECKING:
    import pyarrow as pa

SEVERITIES = ("critical", "warning", "info")


def check_suite(suite: SuiteFile, contract: Contract) -> list[str]:
    """Problems as sentences, each beginning with the rule; an empty list when all is well."""
    problems = _names(suite, contract)
    for rule in suite.rules:
        problems += [f"rule {rule.id}: {problem}" for problem in _rule_problems(rule, suite, contract)]
    return problems or _dry_run(suite, contract)


def _names(suite: SuiteFile, contract: Contract) -> list[str]:
    problems = []
    if suite.name != contract.dataset:
        problems.append(f"the suite's name is {suite.name!r}, the contract's id {contract.dataset!r}")
    twice = [name for name, count in Counter(rule.id for rule in suite.rules).items() if count > 1]
    problems += [f"rule {name}: the id stands more than once" for name in twice]
    for name, computed in suite.computed.items():
        if name in contract.by_name:
            problems.append(f"computed column {name}: the contract has a column of that name")
        for source in computed.sources:
            column = contract.by_name.get(source)
            if column is None or column.type.split("(")[0] not in NUMBER_TYPES:
                problems.append(f"computed column {name}: {source!r} is no numeric column of the contract")
    return problems


def _rule_problems(rule: Rule, suite: SuiteFile, contract: Contract) -> list[str]:
    from headgate.checks.engine import implementation

    problems = [
        f"{name!r} is no column of the contract"
        for name in rule.columns
        if name not in contract.by_name and name not in suite.computed
    ]
    if rule.severity not in SEVERITIES:
        problems.append(f"severity {rule.severity!r} is none of {', '.join(SEVERITIES)}")
    if rule.is_critical and "mostly" in rule.kwargs:
        problems.append(
            "a critical rule rejects the row that breaks it; take out mostly, or make it a warning"
        )
    found = implementation(rule.type)
    if found is None:
        problems.append(f"Great Expectations knows no expectation type {rule.type!r}")
    else:
        problems += _argument_problems(rule, found)
    return problems


def _argument_problems(rule: Rule, found: type) -> list[str]:
    from pydantic import ValidationError
    from pydantic.v1 import ValidationError as V1ValidationError

    try:
        found(**rule.kwargs)
    except (ValidationError, V1ValidationError) as error:
        return [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    except (TypeError, ValueError) as error:
        return [str(error)]
    return []


def _dry_run(suite: SuiteFile, contract: Contract) -> list[str]:
    """Ask about two made-up rows, each rule alone: one that fits no column of this type shows itself."""
    from headgate.checks.engine import COUNTS, engine
    from headgate.checks.frame import checked_columns, frame_of

    table = _example(contract)
    problems = []
    for rule in suite.rules:
        try:
            engine().validate([rule], frame_of(checked_columns(table, suite, [rule]), [rule]), COUNTS)
        except Fatal as error:
            problems.append(str(error))
    return problems


def _example(contract: Contract) -> pa.Table:
    """One row of ones (or a date, or a text) and one of nulls, in the contract's types."""
    import pyarrow as pa

    def column(kind: str) -> pa.Array:
        if kind in ("smallint", "integer", "bigint"):
            return pa.array([1, None], pa.int64())
        if kind.split("(")[0] in NUMBER_TYPES:
            return pa.array([1.0, None], pa.float64())
        if kind == "boolean":
            return pa.array([True, None], pa.bool_())
        if kind == "date":
            return pa.array([0, None], pa.int32()).cast(pa.date32())
        if kind == "timestamptz":
            return pa.array([0, None], pa.timestamp("us", tz="UTC"))
        return pa.array(["1", None], pa.string())

    return pa.table({item.name: column(item.type) for item in contract.columns})
