"""What is told of a group of alerts, and when: rules that need no server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from consumers.notification.planning import Group, Member, Message, Plan, plan
from consumers.notification.text import LONGEST_LIST, Installation, words
from headgate.alerts.routing import parse_routing

ROUTING = parse_routing(
    yaml.safe_load("""
route:
  receiver: team
  group_interval: 5m
  repeat_interval: 4h
  escalate: [{after: 15m, receiver: lead}, {after: 1h, receiver: boss}]
  routes:
    - {matchers: [owner=night], receiver: sleeper, escalate: []}
receivers:
  - {name: team, log: true}
  - {name: lead, log: true}
  - {name: boss, log: true, send_resolved: false}
  - name: sleeper
    log: true
    quiet_hours: {start: "22:00", end: "06:00", unless: [severity=critical]}
"""),
    "file",
)
TOP, NIGHT = ROUTING.root, ROUTING.root.children[0]
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
GROUP = Group(1, TOP.key, {}, None, False)


def member(number: int = 1, **values: Any) -> Member:
    """An open alert that nobody has heard of."""
    usual: dict[str, Any] = dict.fromkeys(Member.__dataclass_fields__)
    usual |= {"alert_id": number, "group_id": 1, "kind": "run.failed", "severity": "warning"}
    usual |= {"dataset": "ships", "subject": f"run {number}", "owner": "ship-data", "state": "open"}
    usual |= {"summary": f"run {number} failed", "detail": {}, "count": 1, "news": False}
    usual |= {"raised_at": NOW, "last_at": NOW, "told_count": 0, "again": False, "escalation": 0}
    return Member(**usual | values)


def told(number: int = 1, *, minutes: float = 1, **values: Any) -> Member:
    """An open alert that was told so long ago, when it had happened once, and not since."""
    at = NOW - timedelta(minutes=minutes)
    return member(number, **{"told_at": at, "reminded_at": at, "told_count": 1} | values)


def planned(*members: Member, sent: float | None = None, now: datetime = NOW, **values: Any) -> Plan:
    """``sent``: minutes since something was sent to the group."""
    at = None if sent is None else now - timedelta(minutes=sent)
    group = replace(GROUP, sent_at=at, **values)
    route = NIGHT if values.get("route") == NIGHT.key else TOP
    return plan(route, ROUTING.receivers, group, members, now)


def said(decided: Plan) -> list[tuple[str, str, list[int]]]:
    """Receiver, reason and alerts of each message."""
    return [(m.receiver, m.reason, [alert.alert_id for alert in m.alerts]) for m in decided.messages]


def test_what_is_new_is_told_once_and_looked_at_again_when_it_would_escalate() -> None:
    decided = planned(member(1), member(2))
    assert said(decided) == [("team", "new", [1, 2])]
    assert [m.alert_id for m in decided.told] == [1, 2]
    assert decided.next_at == NOW + timedelta(minutes=15)
    assert planned(told(1), sent=1).messages == []


def test_that_it_goes_on_is_told_once_between_two_reminders() -> None:
    decided = planned(replace(told(), count=9), sent=5)
    assert said(decided) == [("team", "update", [1])]
    assert decided.again == [1]
    assert planned(replace(told(), count=99, again=True), sent=5).messages == []
    reminded = planned(replace(told(minutes=240), count=99, again=True, escalation=2), sent=5)
    assert said(reminded)[0] == ("team", "repeat", [1])
    assert reminded.again == []


def test_a_reminder_is_one_for_the_group_and_comes_however_busy_it_is() -> None:
    decided = planned(told(1, minutes=240), told(2, minutes=200), member(3), sent=1)
    assert said(decided)[0] == ("team", "update", [3, 1, 2])
    assert [m.alert_id for m in decided.told] == [3, 1, 2]


def test_a_new_alert_in_a_group_is_an_update() -> None:
    assert said(planned(told(1), member(2), sent=5)) == [("team", "update", [2])]


def test_who_heard_of_it_hears_that_it_has_ended_and_nobody_else() -> None:
    over = told(1, state="resolved", resolved_by="event", resolved_at=NOW)
    decided = planned(over, sent=5)
    assert said(decided) == [("team", "resolved", [1])]
    assert [m.alert_id for m in decided.leaving] == [1]
    assert decided.next_at == NOW + TOP.group_interval
    unheard = planned(member(1, state="resolved", resolved_by="event", resolved_at=NOW))
    assert unheard.messages == []
    assert len(unheard.leaving) == 1


def test_what_has_only_not_come_again_has_not_ended_for_people() -> None:
    assert planned(told(1, state="resolved", resolved_by="expiry", resolved_at=NOW), sent=5).messages == []


def test_an_acknowledged_or_silenced_alert_is_left_alone() -> None:
    for state in ("acknowledged", "silenced"):
        quiet = told(1, minutes=300, state=state)
        assert planned(quiet, sent=300).messages == []
    until = NOW + timedelta(hours=2)
    assert planned(member(1, state="silenced", silenced_until=until)).next_at == until
    assert planned(told(1, state="acknowledged"), sent=1).next_at is None


def test_an_escalation_calls_the_next_receiver_when_nobody_acknowledges() -> None:
    decided = planned(told(1, minutes=15), told(2, minutes=5), sent=5)
    assert said(decided) == [("lead", "escalation", [1])]
    assert decided.escalated == {1: 1}
    assert decided.next_at == NOW + timedelta(minutes=10)  # the second alert's turn
    # the consumer was away for both steps
    both = planned(told(1, minutes=90), sent=5)
    assert said(both) == [("lead", "escalation", [1]), ("boss", "escalation", [1])]
    assert both.escalated == {1: 2}
    assert planned(told(1, minutes=90, escalation=2), sent=5).messages == []


def test_who_was_called_hears_how_it_goes_on() -> None:
    over = told(1, minutes=90, escalation=2, state="resolved", resolved_by="mia", resolved_at=NOW)
    assert said(planned(over, sent=5)) == [("team", "resolved", [1]), ("lead", "resolved", [1])]
    reminded = planned(told(1, minutes=300, escalation=1), sent=240)
    assert said(reminded)[:2] == [("team", "repeat", [1]), ("lead", "repeat", [1])]


def test_news_are_told_and_leave() -> None:
    decided = planned(member(1, news=True))
    assert said(decided) == [("team", "new", [1])]
    assert [m.alert_id for m in decided.leaving] == [1]
    assert decided.told == []


def test_in_quiet_hours_it_waits_for_the_digest_unless_it_is_urgent() -> None:
    night = NOW.replace(hour=23)
    held = planned(member(1), now=night, route=NIGHT.key)
    assert (held.messages, held.told, held.held) == ([], (), True)
    assert held.next_at == datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    urgent = planned(member(1), member(2, severity="critical"), now=night, route=NIGHT.key, held=True)
    assert said(urgent) == [("sleeper", "new", [1, 2])]


def test_quiet_hours_of_one_do_not_keep_the_next_from_being_called() -> None:
    night = NOW.replace(hour=23)
    nightly = replace(NIGHT, escalate=TOP.escalate)
    long_ago = member(1, told_at=night - timedelta(minutes=20), reminded_at=night, told_count=1)
    decided = plan(nightly, ROUTING.receivers, GROUP, [long_ago, member(2)], night)
    assert said(decided) == [("lead", "escalation", [1])]
    assert decided.held
    assert decided.next_at == night + timedelta(minutes=40)


def test_the_digest_tells_what_came_and_went_too() -> None:
    morning = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    gone = member(2, state="resolved", resolved_by="event", resolved_at=NOW)
    decided = planned(member(1), gone, now=morning, route=NIGHT.key, held=True)
    [message] = decided.messages
    assert (message.reason, message.receiver) == ("digest", "sleeper")
    assert [alert.alert_id for alert in message.new] == [1]
    assert [alert.alert_id for alert in message.passed] == [2]
    assert decided.held is False


def test_a_message_says_what_to_what_how_bad_since_when_and_what_to_do() -> None:
    detail = {
        "dag_run_id": "manual__2026-11-22T10:00:00+00:00",
        "mend": "headgate books ships",
        "added": ["A"],
    }
    alert = member(7, severity="critical", count=1200, detail=detail, last_at=NOW + timedelta(minutes=3))
    text = words(Message("team", "new", new=[alert]), Installation("prod", "http://airflow:8080/"))
    assert text.severity == "critical"
    assert text.title == "[critical] ships: run.failed run 7, 1,200 times"
    assert text.body.splitlines() == [
        "run 7 failed",
        "  critical run.failed, ships / run 7, owner ship-data",
        "  since 2026-11-22 12:00:00 UTC, 1,200 times, last 2026-11-22 12:03:00 UTC",
        "  added: A",
        "  run: http://airflow:8080/dags/ships/runs/manual__2026-11-22T10:00:00+00:00",
        "  mend: headgate books ships",
        "  acknowledge: headgate alerts ack 7",
        "",
        "Headgate, prod",
    ]


def test_a_message_of_many_names_the_first_and_counts_the_rest() -> None:
    alerts = [member(number, severity="info" if number else "critical") for number in range(100)]
    over = [member(200, state="resolved", resolved_by="mia", resolved_at=NOW)]
    text = words(Message("team", "update", new=alerts, over=over), Installation("e"))
    assert text.title == "[critical] ships: 101 alerts (run.failed)"
    assert text.body.count("acknowledge:") == LONGEST_LIST
    assert f"… and {100 - LONGEST_LIST} more: headgate alerts list" in text.body
    assert text.body.index("NEW") < text.body.index("RESOLVED")
