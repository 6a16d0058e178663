"""Structured logs on standard error: JSON in services, readable in a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor


def configure(log_format: str | None = None, level: str | None = None) -> None:
    """Set up this process's logs; by default from the settings ``log_format`` and ``log_level``."""
    from headgate.settings import settings

    chosen = log_format or settings().log_format
    number = logging.getLevelNamesMapping().get((level or settings().log_level).upper(), logging.INFO)
    structlog.configure(
        processors=[*shared(), *rendering(chosen)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def shared() -> list[Processor]:
    """What every line carries: bound ids (run, object, chunk, message), level and time."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def rendering(log_format: str) -> list[Processor]:
    """One JSON object a line, or columns for people."""
    if log_format == "console" or (log_format == "auto" and sys.stderr.isatty()):
        # Not rich's, which shows local variables: URLs with their passwords are among them.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def get_logger(**bound: Any) -> FilteringBoundLogger:
    """A logger with the given ids on each of its lines."""
    return structlog.get_logger(**bound)  # type: ignore[no-any-return]
