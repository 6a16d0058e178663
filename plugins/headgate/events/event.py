"""Events for people and their alerting: CloudEvents 1.0, structured mode, as JSON.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
Published on the topic exchange ``headgate.events`` as ``headgate.<dataset>.<kind>``; whoever
wants to hear of something binds a queue of their own.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pika
from pydantic import ValidationError

from headgate.errors import Fatal
from headgate.events.catalogue import SYSTEM, TYPE_PREFIX, Severity, Status, event_type
from headgate.failures import storable

CONTENT_TYPE: Final = "application/cloudevents+json"
LONGEST_ID: Final = 255  # bytes that AMQP has for a message's id
LONGEST_TEXT: Final = 2000  # characters; a chat takes no more either


class Event:
    """Something that happened. ``Fatal`` when the catalogue does not know it so.

    ``kind`` is a kind of the catalogue, ``dataset`` whom it concerns (``SYSTEM``: the installation),
    ``subject`` what it happened to: an object key, a run, a queue. ``data`` are the fields of the kind's
    model; ``summary`` and ``mend`` are filled in from the catalogue, long texts are cut. An ``event_id`` that
    follows from what happened makes recording it again a no-op; the default is a new one.
    """

    def __init__(
        self,
        kind: str,
        dataset: str,
        subject: str,
        data: Mapping[str, Any] | None = None,
        *,
        severity: Severity | None = None,
        event_id: str | None = None,
        time: datetime | None = None,
        traceparent: str | None = None,
    ) -> None:
        self.type = event_type(kind)
        self.dataset = _word(dataset)
        self.subject = _fit(subject)
        self.data = _complete(kind, self.dataset, data or {})
        self.severity: Severity = severity or self.type.severity
        self.event_id = event_id or str(uuid.uuid4())
        if len(self.event_id.encode()) > LONGEST_ID:
            raise Fatal(f"the id of an event {kind} is longer than {LONGEST_ID} bytes: {self.event_id[:80]}…")
        self.time = (time or datetime.now(UTC)).astimezone(UTC)
        self.traceparent = traceparent

    def __repr__(self) -> str:
        return f"Event({self.kind!r}, {self.dataset!r}, {self.subject!r}, event_id={self.event_id!r})"

    @property
    def kind(self) -> str:
        """The type without its prefix, for example ``object.held``."""
        return self.type.kind

    @property
    def status(self) -> Status:
        """Whether it opens an alert, ends one, or makes none."""
        return self.type.status

    @property
    def fingerprint(self) -> str:
        """Which alert it belongs to."""
        return self.type.fingerprint(self.dataset, self.data)

    def cloudevent(self, environment: str) -> dict[str, Any]:
        """The CloudEvents 1.0 object; ``environment`` is the installation's name."""
        attributes = {
            "specversion": "1.0",
            "id": self.event_id,
            "source": f"/headgate/{environment}/{self.dataset}",
            "type": f"{TYPE_PREFIX}{self.kind}",
            "subject": self.subject,
            "time": self.time.isoformat(),
            "datacontenttype": "application/json",
            "dataset": self.dataset,
            "severity": self.severity,
            "status": self.status,
            "fingerprint": self.fingerprint,
        }
        if self.traceparent:
            attributes["traceparent"] = self.traceparent
        return {**attributes, "data": self.data}


def encode(cloudevent: Mapping[str, Any]) -> tuple[pika.BasicProperties, bytes]:
    """Properties and body of the message that carries a CloudEvent."""
    properties = pika.BasicProperties(
        message_id=cloudevent["id"],
        type=cloudevent["type"],
        content_type=CONTENT_TYPE,
        delivery_mode=2,
        timestamp=int(datetime.fromisoformat(cloudevent["time"]).timestamp()),
    )
    return properties, json.dumps(cloudevent, ensure_ascii=False).encode()


def _word(dataset: str) -> str:
    """One word of a routing key, also where a foreign message named the dataset."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", dataset)[:63] or SYSTEM


def _complete(kind: str, dataset: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data as JSON has it, with its summary and its way out."""
    found = event_type(kind)
    try:
        known = found.model.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Fatal(f"an event {kind} of {dataset} cannot be made: {problems}") from None
    given = known.model_dump(exclude_none=True)
    spans = {name: span(value) for name, value in given.items() if name.endswith("seconds")}
    values = defaultdict(str, given | spans, dataset=dataset)
    texts = {"summary": known.summary or found.summary.format_map(values)}
    quoted = defaultdict(str, {name: shlex.quote(str(value)) for name, value in values.items()})
    if mend := known.mend or found.mend.format_map(quoted):
        texts["mend"] = mend
    whole = known.model_dump(mode="json", exclude_none=True, exclude={"summary", "mend"}) | texts
    return {name: _fit(value) for name, value in whole.items()}


def _fit(value: Any) -> Any:
    """As Postgres takes it in JSON, and no endless texts."""
    if isinstance(value, str):
        text = storable(value)
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {_fit(name): _fit(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_fit(part) for part in value]
    return value


def span(seconds: float) -> str:
    """A time span for people: 90 s, 25 min, 3.5 h, 2 d."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.0f} s"
