"""The notification consumer, put together from the settings."""

from __future__ import annotations

from functools import partial

from consumers.notification.handler import NotificationHandler
from consumers.notification.text import Installation
from headgate import db
from headgate.alerts.routing import routing_file
from headgate.publisher import Publisher
from headgate.settings import Settings, current, url_of
from headgate.watch import Watch


def notification_handler(settings: Settings, name: str) -> NotificationHandler:
    """``Fatal`` when the routing file is wrong."""
    loader_url, amqp_url = current("loader_url"), current("amqp_url")
    title = f"headgate notification consumer {name}"
    return NotificationHandler(
        loader_url,
        name,
        partial(routing_file, settings),
        installation=Installation(settings.environment, settings.airflow_url),
        relay=Publisher(amqp_url, name=f"{title} (events)", deadline=5.0),
        watch=Watch(
            lambda: db.connect(url_of(loader_url), application_name="headgate watch"), amqp_url, settings
        ),
    )
