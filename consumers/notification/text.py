"""What people read: what happened, to what, how bad, since when, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from consumers.notification.planning import Message
from headgate.alerts.alert import Alert
from headgate.events import SYSTEM

# More of them in one message nobody reads; `headgate alerts list` has them all.
LONGEST_LIST = 25
LONGEST_DETAIL = 300
LONGEST_TITLE = 150

SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True)
class Installation:
    """Where messages come from: its name, and Airflow's address (empty: there are no links to runs)."""

    environment: str
    airflow_url: str = ""


@dataclass(frozen=True)
class Words:
    """A message in words. ``severity`` is the worst of what is still wrong, else info."""

    title: str
    body: str
    severity: str


def words(message: Message, installation: Installation) -> Words:
    """Put a message into words."""
    wrong = [*message.new, *message.again]
    severity = max((alert.severity for alert in wrong), key=SEVERITIES.index, default="info")
    parts: list[str] = []
    room = LONGEST_LIST
    for heading, alerts in _sections(message):
        shown = alerts[: max(room, 0)]
        room -= len(shown)
        parts += [heading] if heading else []
        parts += [_paragraph(alert, _said(alert, message), installation) for alert in shown]
        if left := len(alerts) - len(shown):
            parts.append(f"… and {left:,} more: headgate alerts list")
    parts.append(f"Headgate, {installation.environment}")
    return Words(_title(message, severity), "\n\n".join(parts), severity)


def _sections(message: Message) -> list[tuple[str, Sequence[Alert]]]:
    """With headings where there is more than one thing to say."""
    sections = [
        ("NEW", message.new),
        ("STILL THERE", message.again),
        ("RESOLVED", message.over),
        ("CAME AND WENT", message.passed),
    ]
    filled = [(heading, alerts) for heading, alerts in sections if alerts]
    return filled if len(filled) > 1 else [("", alerts) for _, alerts in filled]


def _title(message: Message, severity: str) -> str:
    mark = {
        "resolved": "resolved",
        "repeat": f"still {severity}",
        "escalation": f"not acknowledged, {severity}",
        "digest": f"digest, {severity}",
    }.get(message.reason, severity)
    alerts = message.alerts
    datasets = _listed(alert.dataset for alert in alerts)
    kinds = _listed(alert.kind for alert in alerts)
    if len(alerts) > 1:
        text = f"[{mark}] {datasets}: {len(alerts):,} alerts ({kinds})"
    else:
        [alert] = alerts
        times = f", {alert.count:,} times" if alert.count > 1 else ""
        text = f"[{mark}] {datasets}: {kinds} {alert.subject}{times}"
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1] + "…"


def _listed(values: Iterable[str]) -> str:
    """The first three different ones."""
    different = list(dict.fromkeys(values))
    more = f" and {len(different) - 3:,} more" if len(different) > 3 else ""
    return ", ".join(different[:3]) + more


def _said(alert: Alert, message: Message) -> str:
    """Of what is over, how it ended. Who hears of it only now needs to know what it was."""
    ended = alert.detail.get("ended") if alert in message.over else None
    return str(ended or alert.summary)


def _paragraph(alert: Alert, said: str, installation: Installation) -> str:
    where = " / ".join(filter(None, (alert.dataset, alert.subject)))
    lines = [
        said,
        f"  {alert.severity} {alert.kind}, {where}, owner {alert.owner}",
        f"  {_since(alert)}",
        *(f"  {name}: {text}" for name, text in _details(alert)),
        *(f"  {name}: {text}" for name, text in _ways_out(alert, installation)),
    ]
    return "\n".join(lines)


def _since(alert: Alert) -> str:
    if alert.news:
        return _moment(alert.last_at)
    times = f", {alert.count:,} times, last {_moment(alert.last_at)}" if alert.count > 1 else ""
    if alert.resolved_at is None:
        return f"since {_moment(alert.raised_at)}{times}"
    by = "" if alert.resolved_by in (None, "event") else f" by {alert.resolved_by}"
    return f"from {_moment(alert.raised_at)} to {_moment(alert.resolved_at)}{by}{times}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _details(alert: Alert) -> list[tuple[str, str]]:
    """What the one-line summary cannot hold: the lists and tables of the event, e.g. columns that are new."""
    found = []
    for name, value in alert.detail.items():
        if isinstance(value, list) and value:
            found.append((name, ", ".join(map(str, value))))
        elif isinstance(value, dict) and value:
            found.append((name, ", ".join(_pair(key, other) for key, other in value.items())))
    return [
        (name, text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "…") for name, text in found
    ]


def _pair(name: str, value: object) -> str:
    """An old name and a new one, or a name and its number."""
    return f"{name} → {value}" if isinstance(value, str) else f"{name} {value}"


def _ways_out(alert: Alert, installation: Installation) -> list[tuple[str, str]]:
    """Link to the run, the command that mends it, and the one that says somebody is at it."""
    ways = []
    if link := run_link(alert, installation):
        ways.append(("run", link))
    if alert.state != "resolved" and (mend := alert.detail.get("mend")):
        ways.append(("mend", str(mend)))
    if alert.state != "resolved" and not alert.news:
        ways.append(("acknowledge", f"headgate alerts ack {alert.alert_id}"))
    return ways


def run_link(alert: Alert, installation: Installation) -> str | None:
    """The Airflow page of the run that it is about."""
    run = alert.detail.get("dag_run_id")
    airflow = installation.airflow_url.rstrip("/")
    if not (airflow and run) or alert.dataset == SYSTEM:
        return None
    return f"{airflow}/dags/{quote(alert.dataset)}/runs/{quote(str(run), safe=':+')}"
