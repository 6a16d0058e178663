"""Events: what people and their alerting may want to hear.

``record`` one in the transaction of what it tells of; ``relay`` publishes what was recorded. The types are
in the ``CATALOGUE``.
"""

from headgate.events.catalogue import (
    CATALOGUE,
    SYSTEM,
    TYPE_PREFIX,
    EventType,
    event_type,
    resolving,
)
from headgate.events.event import Event, encode
from headgate.events.outbox import record, record_change, relay, try_relay

__all__ = [
    "CATALOGUE",
    "SYSTEM",
    "TYPE_PREFIX",
    "Event",
    "EventType",
    "encode",
    "event_type",
    "record",
    "record_change",
    "relay",
    "resolving",
    "try_relay",
]
