"""Events as they arrive: our own, and those that people publish to ``headgate.events`` themselves."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Final, Literal

from psycopg2.extras import Json
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from headgate.errors import DataError
from headgate.events import SYSTEM, TYPE_PREFIX

# An event is a few lines for people; what is larger is something else.
LARGEST_BODY: Final = 1 << 20
OUR_SOURCE: Final = "/headgate/"

LONGEST_KEY: Final = 500  # bytes; longer ones do not fit into an index

NO_NUL: Final = r"^[^\x00]*$"  # Postgres cannot store it

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]


class CloudEvent(BaseModel):
    """What is needed of a CloudEvent 1.0; other attributes are kept as they are.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#required-attributes
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Name
    subject: str = Field("", max_length=1000, pattern=NO_NUL)
    dataset: Name = SYSTEM
    severity: Literal["info", "warning", "critical"] = "info"
    status: Literal["firing", "resolved", "info"] = "info"
    fingerprint: Text | None = None


def read(body: bytes) -> dict[str, Any]:
    """The row of ``headgate.event`` for a message's body. ``DataError`` when it is no CloudEvent."""
    if len(body) > LARGEST_BODY:
        raise DataError(f"the event has {len(body):,} bytes, {LARGEST_BODY:,} are allowed")
    try:
        document = json.loads(body)
        event = CloudEvent.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"not a CloudEvent 1.0 in JSON: {place} {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}") from None
    return {
        "event_id": _event_id(event),
        "kind": event.type.removeprefix(TYPE_PREFIX),
        "dataset": event.dataset,
        "subject": event.subject,
        "severity": event.severity,
        "status": event.status,
        "fingerprint": _key(event.fingerprint or _identity(event)),
        "body": Json(document),
    }


def _event_id(event: CloudEvent) -> str:
    """Ids are unique within their source; ours everywhere."""
    return _key(event.id if event.source.startswith(OUR_SOURCE) else f"{event.source} {event.id}")


def _identity(event: CloudEvent) -> str:
    """Without a fingerprint: what happens to one subject of one source is one condition."""
    return " ".join((event.source, event.type, event.dataset, event.subject))


def _key(text: str) -> str:
    """The text, or its hash where it is long."""
    octets = text.encode()
    return text if len(octets) <= LONGEST_KEY else hashlib.sha256(octets).hexdigest()
