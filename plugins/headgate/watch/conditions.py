"""What may be wrong: conditions by what was seen and the limits of settings and contracts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate import topology
from headgate.contract import Contract
from headgate.events import SYSTEM, event_type
from headgate.settings import Settings
from headgate.watch.sight import SYSTEM_QUEUES, Depth, Sight, Standing


@dataclass(frozen=True)
class Condition:
    """Something that may be wrong; ``kind`` is of the event that tells of it.

    It is told when it has held for ``patience`` seconds. With another ``mark`` it is another occurrence.
    """

    kind: str
    dataset: str
    subject: str
    holds: bool
    data: Mapping[str, Any] = field(default_factory=dict)
    patience: float = 0.0
    mark: str = ""

    @property
    def fingerprint(self) -> str:
        """Of the alert that it makes."""
        return event_type(self.kind).fingerprint(self.dataset, self.data)


def conditions(sight: Sight, contracts: Mapping[str, Contract], limits: Settings) -> Iterator[Condition]:
    """All that is watched, whether it is wrong or not."""
    for standing in sight.standings:
        contract = contracts.get(standing.dataset)
        if contract is not None:
            yield from _service_levels(standing, contract)
        depth = sight.depths[topology.rows_queue(standing.dataset)]
        yield from _queue(depth, contract, limits, waiting=max(depth.messages, standing.pending))
        yield from _progress(depth.queue, standing, contract, limits, read=depth.consumers > 0)
    for queue in SYSTEM_QUEUES:
        depth = sight.depths[queue]
        yield from _queue(depth, None, limits, waiting=depth.messages)
    yield from _parking(sight, limits)


def _service_levels(standing: Standing, contract: Contract) -> Iterator[Condition]:
    levels = (
        ("freshness", standing.fresh_at, standing.fresh_age),
        ("latency", standing.waiting_since, standing.waiting_age or 0.0),
    )
    for level, since, age in levels:
        limit = contract.sla_limit(level)
        if limit is not None and (level != "freshness" or _is_awaited(standing, contract)):
            seconds = limit.total_seconds()
            data = {"level": level, "since": since, "age_seconds": age, "limit_seconds": seconds}
            yield Condition("data.late", standing.dataset, standing.dataset, age > seconds, data)


def _is_awaited(standing: Standing, contract: Contract) -> bool:
    """Whether data should be there: of an API that nobody asked, as its DAG is paused, nothing comes."""
    return contract.source is None or standing.asked or standing.fresh_at is not None


def _queue(depth: Depth, contract: Contract | None, limits: Settings, waiting: int) -> Iterator[Condition]:
    dataset, patience = topology.dataset_of(depth.queue), limits.watch_patience
    data = {"queue": depth.queue, "messages": waiting}
    gone = waiting > 0 and depth.consumers == 0
    yield Condition("consumer.gone", dataset, depth.queue, gone, data, patience)
    limit = (contract and contract.queue_messages) or limits.queue_messages
    deep = {"queue": depth.queue, "messages": depth.messages, "limit": limit}
    yield Condition("queue.deep", dataset, depth.queue, depth.messages > limit, deep, patience)


def _progress(
    queue: str, standing: Standing, contract: Contract | None, limits: Settings, *, read: bool
) -> Iterator[Condition]:
    """By the ledger: a queue that is empty because its messages were lost does not drain either."""
    data = {"queue": queue, "messages": standing.pending}
    stalled = standing.pending > 0 and read
    yield Condition(
        "queue.stalled",
        standing.dataset,
        queue,
        stalled,
        data,
        limits.queue_stalled_seconds,
        mark=str(standing.received),
    )
    age, limit = standing.oldest_age or 0.0, (contract and contract.queue_seconds) or limits.queue_seconds
    old = data | {"oldest_seconds": age, "limit_seconds": limit}
    yield Condition("queue.old", standing.dataset, queue, age > limit, old, limits.watch_patience)


def _parking(sight: Sight, limits: Settings) -> Iterator[Condition]:
    """What the broker itself has parked stands in no table; it is what the others leave over."""
    for dataset, messages in sight.parked.items():
        yield Condition("parking.filled", dataset, topology.PARKING_QUEUE, True, {"messages": messages})
    others = sight.depths[topology.PARKING_QUEUE].messages - sum(sight.parked.values())
    data = {"messages": max(0, others)}
    patience = limits.watch_patience
    yield Condition("parking.filled", SYSTEM, topology.PARKING_QUEUE, others > 0, data, patience)
