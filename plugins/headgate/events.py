"""Events for people and their alerting: CloudEvents 1.0, structured mode, as JSON.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
Published on the topic exchange ``headgate.events`` as ``headgate.<dataset>.<type>``; whoever
wants to hear of something binds a queue of their own.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pika

CONTENT_TYPE: Final = "application/cloudevents+json"
OBJECT_HELD: Final = "object.held"
RUN_FINISHED: Final = "run.finished"
MESSAGE_PARKED: Final = "message.parked"

Severity = Literal["info", "warning", "critical"]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Event:
    """Something that happened to a dataset. ``kind`` is the type without its prefix, e.g. ``object.held``."""

    kind: str
    dataset: str
    subject: str  # what it happened to: an object key, a run id, a message id
    severity: Severity
    data: Mapping[str, Any] = field(default_factory=dict)
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)
    time: datetime = field(default_factory=_now)

    def cloudevent(self, environment: str) -> dict[str, Any]:
        """The CloudEvents 1.0 object; ``environment`` is the installation's name."""
        return {
            "specversion": "1.0",
            "id": str(self.event_id),
            "source": f"/headgate/{environment}/{self.dataset}",
            "type": f"headgate.{self.kind}",
            "subject": self.subject,
            "time": self.time.isoformat(),
            "datacontenttype": "application/json",
            "dataset": self.dataset,
            "severity": self.severity,
            "data": dict(self.data),
        }


def encode(event: Event, environment: str) -> tuple[pika.BasicProperties, bytes]:
    """Properties and body of an event's message."""
    properties = pika.BasicProperties(
        message_id=str(event.event_id),
        type=f"headgate.{event.kind}",
        content_type=CONTENT_TYPE,
        delivery_mode=2,
        timestamp=int(event.time.timestamp()),
    )
    body = json.dumps(event.cloudevent(environment), default=str, ensure_ascii=False)
    return properties, body.encode()
