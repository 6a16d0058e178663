"""Asks one provider: signs in, keeps its limits, tries again, and leaves each body as a file."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, Self, TypeVar

from headgate.settings import Settings
from headgate.sources.model import Answer, Call, Provider

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

P = ParamSpec("P")
T = TypeVar("T")


class Ledger(Protocol):
    """Runs one idempotent transaction, again after an outage (``headgate.steps.services.Ledger``)."""

    def __call__(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """``action(connection, …)``."""


class Client:
    """``with Client(provider, settings, ledger) as client: provider.pages(client.ask, want)``.

    Bodies are files in a folder of the client's own, which goes with it; who has landed one may remove
    it before.
    """

    def __init__(self, provider: Provider, settings: Settings, ledger: Ledger) -> None:
        self._provider, self._settings, self._ledger = provider, settings, ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def ask(self, call: Call) -> Answer:
        """The provider's answer to a call.

        Raises ``Unavailable`` (the provider is away, or its breaker is open), ``QuotaUsed``, ``Rejected``,
        ``AccessRefused`` (credentials that are wrong), ``Fatal`` (credentials that are missing),
        ``Retriable`` (the ledger is away).
        """
        raise NotImplementedError
