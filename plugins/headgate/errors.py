"""Headgate's few errors, classed by what to do about them.

Every error that crosses a room of the project is one of these. The class decides the
recovery, the message says what happened, to which object or row, and what the reader can do.
"""

from __future__ import annotations


class HeadgateError(Exception):
    """Base of all errors that Headgate raises on purpose."""


class Retriable(HeadgateError):
    """A server was away or busy: wait and try the same thing again; nothing is wrong with the data."""


class AccessRefused(Retriable):
    """A server answers and does not let us in: wait, as credentials may be in rotation, and tell people."""


class DataError(HeadgateError):
    """The data is wrong: hold the object or quarantine the row; trying again changes nothing."""


class Fatal(HeadgateError):
    """The set-up is wrong (settings, contract, schema, code): stop and tell a person."""
