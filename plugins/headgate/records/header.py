"""Finding the header among an object's first records, and holding it against the contract."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from headgate.contract import Contract, HeaderMatch, match_header, refusal
from headgate.records.refused import Refused

SEARCHED_RECORDS = 10
_NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+(?:[eE][+-]?\d+)?%?")
_UNITS_ROW_NUMBERS = 3  # number columns that must all hold other text in a second header
_SHOWN = 12


@dataclass(frozen=True)
class Header:
    """The header of an object and how many records precede the data."""

    names: tuple[str, ...]
    match: HeaderMatch
    rows: int  # records before the first data record: banner lines and every header row
    texts: tuple[str, ...]  # all cells of those records


def split_record(record: bytes, delimiter: str, encoding: str) -> list[str]:
    """The fields of one record; bytes that don't decode are shown as escapes."""
    text = record.decode(encoding, errors="backslashreplace").rstrip("\r\n").replace("\0", "")
    return next(csv.reader([text], delimiter=delimiter), [])


def find_header(contract: Contract, records: Sequence[Sequence[str]], key: str) -> Header | None:
    """The header among the first records, or ``None`` when none of them names a column of the contract.

    The record with the fewest missing columns and the most known names is the header. Records before it
    are banners; records right after it that are header-like too (long names, units) are skipped.
    """
    matches = [match_header(contract, record, key) for record in records[:SEARCHED_RECORDS]]
    ranked = [(-len(m.missing_required), m.score, index) for index, m in enumerate(matches) if m.score]
    if not ranked:
        return None
    best = max(ranked)[2]
    after = best + 1
    while after < len(matches) and _is_header_like(contract, matches[best], matches[after], records[after]):
        after += 1
    texts = tuple(cell for record in records[:after] for cell in record)
    return Header(tuple(name.strip() for name in records[best]), matches[best], after, texts)


def _is_header_like(
    contract: Contract, header: HeaderMatch, match: HeaderMatch, record: Sequence[str]
) -> bool:
    """Whether the record after a header is a second header rather than data.

    It names columns itself, or it has words, and no number anywhere, where the contract has numbers.
    """
    if match.score >= 2 and match.score * 2 >= header.score:
        return True
    cells = [
        record[index].strip() if index < len(record) else ""
        for name, index in header.columns.items()
        if contract.by_name[name].is_number
    ]
    nulls = set(contract.null_tokens)
    return (
        len(cells) >= _UNITS_ROW_NUMBERS
        and all(cell and cell not in nulls for cell in cells)
        and not any(_NUMBER.fullmatch(cell.strip()) for cell in record)
    )


def check_header(contract: Contract, header: Header, key: str) -> None:
    """``Refused`` when an object with this header must not be loaded."""
    check_refusal(contract, "header", header.texts, key)
    match = header.match
    if match.duplicates:
        raise Refused(
            "duplicate_header",
            f"{key}: the header names {_listed(match.duplicates)} more than once, so it is open which column "
            "is meant. Rename or remove one of them in the file.",
        )
    if match.missing_required:
        raise Refused("missing_column", _missing(contract, match, header.names, key))
    if contract.drift == "freeze" and (unknown := [name for _, name in named(match.unknown)]):
        raise Refused(
            "unknown_column",
            f"{key}: the contract of {contract.dataset} does not know {_listed(unknown)} and is frozen "
            "(drift: freeze). Add the columns to the contract, or set drift to evolve, discard or rescue.",
        )


def check_refusal(contract: Contract, where: str, texts: Sequence[str], key: str) -> None:
    """``Refused`` with the contract's own reason when one of its ``refuse`` rules is met."""
    rule = refusal(contract, where, texts)  # type: ignore[arg-type]
    if rule is not None:
        raise Refused("refused", f"{key}: {rule.reason}")


def no_header(contract: Contract, records: Sequence[Sequence[str]], key: str) -> Refused:
    """The error of an object without a header that the contract knows."""
    first = next((record for record in records if any(cell.strip() for cell in record)), [])
    wanted = [alias for column in contract.columns if column.required for alias in column.aliases[:1]]
    return Refused(
        "missing_column",
        f"{key}: none of the first {SEARCHED_RECORDS} records is a header of {contract.dataset}: none names "
        f"{_listed(wanted)} or any other column of the contract. The first record is {_listed(first)}. "
        "Put the file with its header, or add its names to the aliases in the contract.",
    )


def named(unknown: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Unknown columns that have a name: a nameless one comes from a delimiter at the line's end."""
    return [(index, name) for index, name in unknown if name.strip()]


def _missing(contract: Contract, match: HeaderMatch, names: Sequence[str], key: str) -> str:
    wanted = []
    for name in match.missing_required:
        column = contract.by_name[name]
        derived = ", nor can it be told from the header or the object's key" if column.derive else ""
        wanted.append(f"{name} (looked for {_listed(column.aliases)}{derived})")
    return (
        f"{key}: required column{'s' if len(wanted) > 1 else ''} missing: {'; '.join(wanted)}. "
        f"The header has {_listed(names)}. "
        "Put the right file, or add the header's name to the aliases in the contract."
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown or "nothing"
