"""The key of a landed body: which window of a dataset it is, which slice of it and which page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from headgate.sources.model import Window, rfc3339

MANIFESTS = "_manifests/"
_COMPACT = "%Y%m%dT%H%M%SZ"
_SAFE = "-_.~:,"  # besides letters and digits; what a store or a URL could take for something else is escaped


@dataclass(frozen=True)
class Place:
    """Where a body lies below the prefix of its dataset.

    ``page`` is ``page-00001`` and on, or ``name=value``; ``suffix`` is without ``.gz``.
    """

    window: Window
    slice: Mapping[str, str]
    page: str
    suffix: str = "json"

    @property
    def folder(self) -> str:
        """``<start>_<end>/<slice>/``, the part that all pages of a window's slice share."""
        return folder(self.window, self.slice)

    @property
    def path(self) -> str:
        """``<start>_<end>/<slice>/<page>.<suffix>.gz``."""
        name, equals, value = self.page.partition("=")
        page = f"{_escaped(name)}={_escaped(value)}" if equals else _escaped(name)
        return f"{self.folder}{page}.{self.suffix}.gz"

    @property
    def where(self) -> dict[str, str]:
        """What ``Provider.records`` is told: all ``name=value``, and the window (RFC 3339)."""
        name, equals, value = self.page.partition("=")
        return {
            **self.slice,
            **({name: value} if equals else {}),
            "window_start": rfc3339(self.window.start),
            "window_end": rfc3339(self.window.end),
        }


def folder(window: Window, slice: Mapping[str, str]) -> str:
    """Below the dataset's prefix: the window, then its slice, a segment for each name, sorted."""
    segments = [f"{_escaped(name)}={_escaped(value)}" for name, value in sorted(slice.items())]
    return "/".join([f"{window.start:{_COMPACT}}_{window.end:{_COMPACT}}", *segments]) + "/"


def place_of(path: str) -> Place | None:
    """The inverse of ``path``; None for what was not landed by a fetch, as files that people put there."""
    *folders, last = path.split("/")
    window = _window(folders[0]) if folders else None
    named = dict(_unescaped(segment) for segment in folders[1:] if "=" in segment)
    page = re.fullmatch(r"(.+)\.([a-z]+)\.gz", last)
    if window is None or page is None or len(named) != len(folders) - 1:
        return None
    name, value = _unescaped(page[1])
    return Place(window, named, f"{name}={value}" if "=" in page[1] else name, page[2])


def _window(segment: str) -> Window | None:
    try:
        start, end = (datetime.strptime(text, _COMPACT).replace(tzinfo=UTC) for text in segment.split("_"))
    except ValueError:
        return None
    return Window(start, end)


def _escaped(text: str) -> str:
    return quote(text, safe=_SAFE)


def _unescaped(segment: str) -> tuple[str, str]:
    name, _, value = segment.partition("=")
    return unquote(name), unquote(value)
