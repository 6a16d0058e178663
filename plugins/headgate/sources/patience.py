"""How long a provider asks us to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def named_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that ``Retry-After`` names (RFC 9110, section 10.2.3), else ``None``.

    A date counts from the answer's own ``Date``, as the provider's clock need not be ours. What is past or
    cannot be read names nothing.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12]) or None
    until, since = _moment(text), _moment(headers.get("date", "")) or now or datetime.now(UTC)
    wait = (until - since).total_seconds() if until else 0.0
    return wait if wait > 0 else None


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
