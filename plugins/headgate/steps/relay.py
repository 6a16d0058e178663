"""Events to people and their alerting. They help and are never in the way."""

from __future__ import annotations

from headgate import events
from headgate.steps.services import Services

PATIENCE = 5.0  # seconds: what is not published now is published by the next relay


def relay(services: Services) -> None:
    """Publish what this step has recorded, where there is a broker and it answers."""
    from headgate.publisher import Publisher

    if not services.settings.amqp_url.get_secret_value():
        return
    with Publisher(services.amqp_url, name="headgate events", deadline=PATIENCE) as publisher:
        services.ledger(events.try_relay, publisher)
