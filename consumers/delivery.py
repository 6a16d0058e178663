"""What passes between the runner and a handler: deliveries in, outcomes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pika
from pika.adapters.blocking_connection import BlockingChannel

from headgate.errors import HeadgateError
from headgate.failures import Cause, Delay, Failure, Park


@dataclass(frozen=True)
class Delivery:
    """A message in hand, not acknowledged yet."""

    queue: str
    session: int  # which connection it came by: only that one can acknowledge it
    tag: int
    properties: pika.BasicProperties = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def message_id(self) -> str:
        """As the sender gave it; empty when it gave none."""
        return str(self.properties.message_id or "")


@dataclass(frozen=True)
class Done:
    """Handled, or handled before: acknowledge."""


@dataclass(frozen=True)
class Retry:
    """Keep the message in hand and give it to the handler again after so many seconds."""

    after: float
    reason: str


@dataclass(frozen=True)
class Reject:
    """It cannot be handled: hand it to the error consumer, then acknowledge. For all but that one itself."""

    cause: Cause
    reason: str
    trace: str = field(default="", compare=False, repr=False)  # the stack


@dataclass(frozen=True)
class Forward:
    """The error consumer's verdict on a failed message: send it there, then acknowledge."""

    failure: Failure
    to: Delay | Park


Outcome = Done | Retry | Reject | Forward


class Handler(Protocol):
    """What a kind of consumer does with its messages.

    ``queues``, ``handle`` and ``tick`` are called from the runner's worker thread, one at a time; the others
    from its main thread, which must not wait long. ``Retriable`` means wait and call again; ``Fatal`` stops
    the consumer with everything unacknowledged.
    """

    def queues(self) -> Sequence[str]:
        """Names of the queues to read now."""

    def declare(self, channel: BlockingChannel, queues: Sequence[str]) -> None:
        """Declare these queues."""

    def weight(self, delivery: Delivery) -> int:
        """Bytes of memory that handling it takes."""

    def handle(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Handle these together; one outcome for each, in order."""

    def tick(self) -> None:
        """Do what is due without a message; called about once a second while no transaction runs."""

    def interrupt(self) -> None:
        """Make a running ``handle`` or ``tick`` give up soon."""

    def stopped(self, error: HeadgateError) -> None:
        """Tell people that the consumer stops for this reason."""

    def close(self) -> None:
        """Let go of connections."""
