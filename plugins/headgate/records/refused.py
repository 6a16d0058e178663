"""The error of an object that is not read: a data error with a stable rule name."""

from __future__ import annotations

from headgate.errors import DataError


class Refused(DataError):
    """The whole object is held at the gate.

    ``rule`` is one of empty, minimum_rows, format, encoding, delimiter, missing_column, unknown_column,
    duplicate_header, refused, sheet_missing, truncated_archive, rewritten, body. The message says what to do.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
