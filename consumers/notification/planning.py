"""What is to be told now of a group of alerts, and when to look again. Nothing here talks to a server.

The rules are Alertmanager's, and these: that an alert goes on happening is told once between two reminders,
an acknowledged one is not repeated, and what comes in quiet hours waits for a digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from headgate.alerts.alert import Alert
from headgate.alerts.routing import Receiver, Route

Reason = Literal["new", "update", "repeat", "resolved", "escalation", "digest"]

# Nobody is told that these have ended: they did not, they were only news or have not come again.
_QUIET_ENDS = ("told", "expiry")


@dataclass(frozen=True)
class Group:
    """Alerts that are told together."""

    group_id: int
    route: str
    labels: Mapping[str, str]
    sent_at: datetime | None
    held: bool


@dataclass(frozen=True)
class Member(Alert):
    """An alert in a group, and what its receivers know of it."""

    group_id: int
    told_at: datetime | None  # first
    reminded_at: datetime | None  # last
    told_count: int
    again: bool  # that it goes on was told since the last reminder
    escalation: int  # steps taken


@dataclass(frozen=True)
class Message:
    """What one receiver is told. ``passed``: what came and went while it was not to be disturbed."""

    receiver: str
    reason: Reason
    new: Sequence[Alert] = ()
    again: Sequence[Alert] = ()
    over: Sequence[Alert] = ()
    passed: Sequence[Alert] = ()

    @property
    def alerts(self) -> list[Alert]:
        """All that it speaks of."""
        return [*self.new, *self.again, *self.over, *self.passed]


@dataclass(frozen=True)
class Plan:
    """What becomes of a group: messages, what its members' receivers know then, and when to look again."""

    messages: Sequence[Message] = ()
    told: Sequence[Member] = ()  # with their new count
    again: Sequence[int] = ()  # of these it was told that they go on
    escalated: Mapping[int, int] = field(default_factory=dict)  # steps taken, by alert
    leaving: Sequence[Member] = ()
    next_at: datetime | None = None
    held: bool = False


def plan(
    route: Route, receivers: Mapping[str, Receiver], group: Group, members: Sequence[Member], now: datetime
) -> Plan:
    """Decide about one group that is due. ``now`` is the database's time."""
    receiver = receivers[route.receiver]
    changes = _Changes.of(route, group, members, now)
    levels = {m.alert_id: _level(route, m, now) for m in changes.standing}
    calls = _escalations(route, changes.standing, levels)
    escalated = {
        m.alert_id: levels[m.alert_id] for m in changes.standing if levels[m.alert_id] > m.escalation
    }
    quiet_until = receiver.quiet_hours and receiver.quiet_hours.end_of(now)
    if quiet_until and changes.something and not _urgent(receiver, changes.opened):
        next_at = min([quiet_until, *_next_calls(route, changes.standing, levels, now)])
        return Plan(messages=calls, escalated=escalated, next_at=next_at, held=True)
    is_digest = group.held and not quiet_until
    own = _to_receiver(receiver, "digest" if is_digest else _reason(group, changes), changes)
    return Plan(
        messages=[*own, *_to_escalated(route, receivers, changes), *calls],
        told=[m for m in changes.opened if not _leaves(m)],
        again=[m.alert_id for m in changes.again],
        escalated=escalated,
        leaving=[m for m in members if _leaves(m)],
        next_at=_next_look(route, changes, [m for m in members if not _leaves(m)], levels, now),
    )


@dataclass(frozen=True)
class _Changes:
    """The members of a group by what there is to tell of them."""

    new: list[Member]  # open, never told
    again: list[Member]  # open, told, and happened more often since
    reminders: list[Member]  # open, and told long ago
    over: list[Member]  # told, and has ended
    passed: list[Member]  # ended before it was told, in quiet hours
    standing: list[Member]  # open and told before

    @classmethod
    def of(cls, route: Route, group: Group, members: Sequence[Member], now: datetime) -> _Changes:
        """Sort them."""
        opened = [m for m in members if m.state == "open"]
        ended = [m for m in members if m.state == "resolved" and m.silenced_until is None]
        new = [m for m in opened if m.told_at is None]
        standing = [m for m in opened if m.told_at is not None]
        over = [m for m in ended if m.told_at is not None and m.resolved_by not in _QUIET_ENDS]
        passed = [m for m in ended if m.told_at is None and group.held]
        # One reminder for all of a group.
        due = any(_reminded_at(m, now) + route.repeat_interval <= now for m in standing)
        again = [m for m in standing if m.count > m.told_count and not m.again and not due]
        return cls(new, again, standing if due else [], over, passed, standing)

    @property
    def opened(self) -> list[Member]:
        """What is wrong and to be told."""
        return [*self.new, *self.again, *self.reminders]

    @property
    def something(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.opened or self.over or self.passed)


def _leaves(member: Member) -> bool:
    """What is over leaves its group, and so do news that are told now."""
    return member.state == "resolved" or (member.news and member.state == "open")


def _reminded_at(member: Member, now: datetime) -> datetime:
    """When it was told last; what is told only now, now."""
    return member.reminded_at or now


def _urgent(receiver: Receiver, alerts: Iterable[Alert]) -> bool:
    """Whether one of them is to be told in quiet hours too."""
    unless = receiver.quiet_hours.unless if receiver.quiet_hours else []
    return bool(unless) and any(all(m.matches(alert.labels) for m in unless) for alert in alerts)


def _to_receiver(receiver: Receiver, reason: Reason, changes: _Changes) -> list[Message]:
    message = Message(
        receiver.name,
        reason,
        new=changes.new,
        again=[*changes.again, *changes.reminders],
        over=changes.over if receiver.send_resolved else [],
        passed=changes.passed,
    )
    return [message] if message.alerts else []


def _reason(group: Group, changes: _Changes) -> Reason:
    if changes.new and group.sent_at is None:
        return "new"
    if changes.new or changes.again:
        return "update"
    return "repeat" if changes.reminders else "resolved"


def _to_escalated(route: Route, receivers: Mapping[str, Receiver], changes: _Changes) -> list[Message]:
    """Who was called by an escalation hears how it goes on, too."""
    messages = []
    for index, step in enumerate(route.escalate):
        again = [m for m in (*changes.again, *changes.reminders) if m.escalation > index]
        over = [m for m in changes.over if m.escalation > index and receivers[step.receiver].send_resolved]
        if again or over:
            messages.append(Message(step.receiver, "repeat" if again else "resolved", again=again, over=over))
    return messages


def _escalations(route: Route, standing: Sequence[Member], levels: Mapping[int, int]) -> list[Message]:
    """The steps that are due, each with the alerts that nobody has acknowledged in time."""
    messages = []
    for index, step in enumerate(route.escalate):
        if late := [m for m in standing if m.escalation <= index < levels[m.alert_id]]:
            messages.append(Message(step.receiver, "escalation", new=late))
    return messages


def _level(route: Route, member: Member, now: datetime) -> int:
    """The steps of escalation that should have been taken by now."""
    told_at = member.told_at or now
    return sum(told_at + step.after <= now for step in route.escalate)


def _next_calls(
    route: Route, members: Sequence[Member], levels: Mapping[int, int], now: datetime
) -> list[datetime]:
    """When the next step of each is due."""
    waiting = [(m.told_at or now, levels.get(m.alert_id, 0)) for m in members]
    return [told + route.escalate[level].after for told, level in waiting if level < len(route.escalate)]


def _next_look(
    route: Route, changes: _Changes, staying: Sequence[Member], levels: Mapping[int, int], now: datetime
) -> datetime | None:
    """The first moment at which something is to be told even if nothing happens."""
    if not staying:  # the group stays for its interval: what flaps is not told more often than that
        return now + route.group_interval
    told = {m.alert_id for m in changes.opened}
    opened = [m for m in staying if m.state == "open"]
    ends = [m.silenced_until for m in staying if m.state == "silenced" and m.silenced_until is not None]
    reminders = [
        (now if m.alert_id in told else _reminded_at(m, now)) + route.repeat_interval for m in opened
    ]
    return min([*ends, *reminders, *_next_calls(route, opened, levels, now)], default=None)
