"""Sending a text through Apprise, and alerts to an Alertmanager. The only place that knows either."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from headgate.alerts.alert import Alert
from headgate.alerts.routing import Routing
from headgate.errors import Fatal, Retriable

if TYPE_CHECKING:
    from apprise import Apprise

ALERTMANAGER_TIMEOUT: Final = 10.0  # seconds
# An Alertmanager that hears no more of an alert takes it as resolved after so long; we repeat it sooner.
ALERTMANAGER_LASTING: Final = timedelta(minutes=5)
LONGEST_PROBLEM: Final = 200
# Parts of a URL that are no secret even when they are long.
_WORD: Final = re.compile(r"[^/@:?&=#+,]{6,}")

_SILENT: Final = logging.NullHandler()


def check_addresses(routing: Routing) -> None:
    """``Fatal`` names the receiver whose address is missing or none that Apprise knows."""
    for receiver in routing.receivers.values():
        for number, address in enumerate(receiver.apprise):
            if address.is_there:
                _checked(f"receiver {receiver.name}: apprise[{number}]", address.read() or "")
        for number, address in enumerate(receiver.alertmanager):
            url = address.read() if address.is_there else None
            if url and not url.startswith(("http://", "https://")):
                raise Fatal(f"receiver {receiver.name}: alertmanager[{number}] is no http(s) URL")


def _checked(place: str, url: str) -> None:
    try:
        _apprise(url)
    except Fatal as error:
        raise Fatal(f"{place}: {error}") from None


def send(url: str, title: str, body: str, severity: str, *, good: bool) -> None:
    """Send a text to an Apprise URL. ``Retriable`` says what went wrong, without the URL's secrets."""
    from apprise import NotifyFormat, NotifyType

    kinds = {"info": NotifyType.INFO, "warning": NotifyType.WARNING, "critical": NotifyType.FAILURE}
    kind = NotifyType.SUCCESS if good else kinds[severity]
    try:
        result = _apprise(url).notify(body, title, kind, body_format=NotifyFormat.TEXT)
    except Exception as error:  # noqa: BLE001  a hundred services: the fault of one must not silence the others
        raise Retriable(without_secrets(f"{type(error).__name__} {error}", url)) from None
    if not result:
        said = [entry.message for entry in result.logs()] if hasattr(result, "logs") else []
        raise Retriable(without_secrets(said[-1] if said else "not accepted", url))


def feed(url: str, alerts: Iterable[Alert], *, environment: str, link: Mapping[int, str | None]) -> None:
    """Give an Alertmanager the alerts that it is to know. ``Retriable`` when it did not take them.

    ``link``: the page of each alert's run, by its id. https://prometheus.io/docs/alerting/latest/alerts_api/
    """
    import httpx

    address = f"{url.rstrip('/')}/api/v2/alerts"
    documents = alertmanager_alerts(alerts, environment=environment, link=link, now=datetime.now(UTC))
    try:
        response = httpx.post(address, json=documents, timeout=ALERTMANAGER_TIMEOUT, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Retriable(without_secrets(f"{type(error).__name__} {error}", url)) from None
    if response.status_code != 200:
        raise Retriable(without_secrets(f"HTTP {response.status_code}: {response.text}", url))


def alertmanager_alerts(
    alerts: Iterable[Alert], *, environment: str, link: Mapping[int, str | None], now: datetime
) -> list[dict[str, Any]]:
    """The body of Alertmanager's ``POST /api/v2/alerts``."""
    return [
        {
            "labels": {
                "alertname": alert.kind,
                **{name: value for name, value in alert.labels.items() if name != "type" and value},
                "alert_id": str(alert.alert_id),
                "environment": environment,
            },
            "annotations": {
                "summary": alert.summary,
                **({"mend": str(alert.detail["mend"])} if alert.detail.get("mend") else {}),
            },
            "startsAt": alert.raised_at.isoformat(),
            "endsAt": (alert.resolved_at or now + ALERTMANAGER_LASTING).isoformat(),
            **({"generatorURL": page} if (page := link.get(alert.alert_id)) else {}),
        }
        for alert in alerts
    ]


def without_secrets(text: str, url: str) -> str:
    """One line of a text in which no longer part of the URL stands."""
    line = " ".join(text.split())
    parts = sorted({url, *_WORD.findall(url.partition("://")[2])}, key=len, reverse=True)
    for part in parts:
        for form in (part, unquote(part), quote(part, safe="")):
            line = line.replace(form, "***")
    return line[:LONGEST_PROBLEM]


def _apprise(url: str) -> Apprise:
    """``Fatal`` when Apprise cannot make anything of the URL."""
    from apprise import Apprise, AppriseAsset, OverflowMode

    # It logs each failure; we tell of it ourselves, with the receiver's name.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(_SILENT)
    sender = Apprise(asset=AppriseAsset(app_id="Headgate", app_desc="Headgate", async_mode=False))
    if not sender.add(url):
        raise Fatal("not a URL that Apprise knows: see https://github.com/caronc/apprise/wiki")
    if "overflow=" not in url:
        for service in sender:
            service.overflow_mode = OverflowMode.SPLIT  # in parts, where the service refuses long texts
    return sender
