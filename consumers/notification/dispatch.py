"""Groups that are due: what is to be told is written down, together with the note that it was told.

After the commit a message cannot be lost any more: sending it is the outbox's matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

from consumers.notification.folding import audible, join_groups, lock, wake
from consumers.notification.planning import Group, Member, Message, Plan, plan
from consumers.notification.text import Installation, words
from headgate.alerts.alert import Alert
from headgate.alerts.routing import Receiver, Routing
from headgate.db import query, records

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

GROUP_LIMIT: Final = 500


@dataclass(frozen=True)
class _Due(Group):
    at: datetime  # the database's time


@dataclass(frozen=True)
class _Unresolved(Alert):
    fingerprint: str


@dataclass(frozen=True)
class Dispatch:
    """Writes messages."""

    routing: Routing
    installation: Installation

    def reroute(self, cursor: Cursor) -> None:
        """After a change of the routing file: alerts that are not over go where they belong now."""
        lock(cursor)
        cursor.execute(query("alert_group_drop"), {"routes": list(self.routing.by_key)})
        cursor.execute(query("alerts_unresolved"))
        for alert in records(cursor, _Unresolved):
            routes = audible(self.routing, alert.labels)
            join_groups(cursor, alert.alert_id, routes, alert.labels, alert.fingerprint)

    def expire(self, cursor: Cursor) -> None:
        """End the alerts that have not come again for as long as their type says."""
        lock(cursor)
        cursor.execute(query("alert_expire"))
        wake(cursor, [alert_id for (alert_id,) in cursor.fetchall()])

    def write_due(self, cursor: Cursor) -> int:
        """Write what is due in the caller's transaction; the number of messages."""
        lock(cursor)
        cursor.execute(query("alert_group_due"), {"limit": GROUP_LIMIT})
        groups = [group for group in records(cursor, _Due) if group.route in self.routing.by_key]
        members = self._members(cursor, groups)
        messages: list[Message] = []
        for group in groups:
            decided = self._plan(group, members.get(group.group_id, []))
            self._note(cursor, group, decided, members.get(group.group_id, []))
            messages += decided.messages
        written = _digested(messages)
        for message in written:
            self._write(cursor, message)
        return len(written)

    def _members(self, cursor: Cursor, groups: Sequence[Group]) -> dict[int, list[Member]]:
        cursor.execute(query("alert_group_members"), {"group_ids": [group.group_id for group in groups]})
        found: dict[int, list[Member]] = defaultdict(list)
        for member in records(cursor, Member):
            found[member.group_id].append(member)
        return found

    def _plan(self, group: _Due, members: list[Member]) -> Plan:
        return plan(self.routing.by_key[group.route], self.routing.receivers, group, members, group.at)

    def _note(self, cursor: Cursor, group: Group, decided: Plan, members: list[Member]) -> None:
        """Write down what the group's receivers know after this."""
        if not members and not decided.messages:
            cursor.execute(query("alert_group_end"), {"group_id": group.group_id})
            return
        at = {"group_id": group.group_id}
        for member in decided.told:
            again = member.alert_id in decided.again
            told = {"alert_id": member.alert_id, "count": member.count, "again": again}
            cursor.execute(query("alert_member_told"), at | told)
        for alert_id, steps in decided.escalated.items():
            cursor.execute(query("alert_member_escalated"), at | {"alert_id": alert_id, "steps": steps})
        self._let_go(cursor, group, decided)
        flushed = {"next_at": decided.next_at, "held": decided.held, "sent": bool(decided.messages)}
        cursor.execute(query("alert_group_flushed"), at | flushed)

    def _let_go(self, cursor: Cursor, group: Group, decided: Plan) -> None:
        ids = [member.alert_id for member in decided.leaving]
        cursor.execute(query("alert_member_leave"), {"group_id": group.group_id, "alert_ids": ids})
        news = [member.alert_id for member in decided.leaving if member.news]
        cursor.execute(query("alert_close_told"), {"alert_ids": news})

    def _write(self, cursor: Cursor, message: Message) -> None:
        said = words(message, self.installation)
        values = {
            "receiver": message.receiver,
            "reason": message.reason,
            "severity": said.severity,
            "title": said.title,
            "body": said.body,
            "alert_ids": [alert.alert_id for alert in message.alerts],
            "channels": channels(self.routing.receivers[message.receiver]),
        }
        cursor.execute(query("notification_write"), values)


def channels(receiver: Receiver) -> list[str]:
    """The ways to a receiver, by the names that stand in the table of deliveries."""
    found = [f"apprise[{number}]" for number, address in enumerate(receiver.apprise) if address.is_there]
    return [*found, *(["log"] if receiver.log else [])]


def _digested(messages: Sequence[Message]) -> list[Message]:
    """One digest for each receiver; the other messages as they are."""
    written = [message for message in messages if message.reason != "digest"]
    digests = sorted((m for m in messages if m.reason == "digest"), key=lambda message: message.receiver)
    for _, of_receiver in groupby(digests, key=lambda message: message.receiver):
        written.append(_joined(list(of_receiver)))
    return written


def _joined(messages: list[Message]) -> Message:
    return replace(
        messages[0],
        new=[alert for message in messages for alert in message.new],
        again=[alert for message in messages for alert in message.again],
        over=[alert for message in messages for alert in message.over],
        passed=[alert for message in messages for alert in message.passed],
    )
