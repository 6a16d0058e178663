"""Row checks by Great Expectations. Import this inside tasks only: GX costs seconds and about 80 MB once.

``Suite`` reads a suite file and runs it over typed Arrow tables; ``check_suite`` finds what is wrong with
one offline. GX itself is imported by the first run, not by importing this package.
"""

from headgate.checks.offline import check_suite
from headgate.checks.result import CheckResult
from headgate.checks.suite import Rule, SuiteFile, load_suite
from headgate.checks.validation import Suite

__all__ = [
    "CheckResult",
    "Rule",
    "Suite",
    "SuiteFile",
    "check_suite",
    "load_suite",
]
