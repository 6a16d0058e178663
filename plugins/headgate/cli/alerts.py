"""``headgate alerts …``: what is wrong, who knows of it, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headgate.cli import routing
from headgate.cli.connection import connect_pipeline, connect_reader
from headgate.cli.options import Json, moment, user
from headgate.cli.output import console, print_json, table
from headgate.cli.routing import matcher, show_sent

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from headgate.alerts.alert import Alert
    from headgate.alerts.matcher import Matcher

Which = Annotated[
    list[str],
    typer.Argument(
        help="Numbers of alerts, or matchers: dataset=plants 'type=~\"run.*\"'.", metavar="ALERT…"
    ),
]
Note = Annotated[str, typer.Option("--note", help="Why; kept with it.")]
State = Literal["unresolved", "open", "acknowledged", "silenced", "resolved", "all"]
Severity = Literal["info", "warning", "critical"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        name="alerts",
        help="What is wrong: look, acknowledge, silence; try who hears of it.",
        no_args_is_help=True,
    )
    group.command("list")(list_alerts)
    group.command("show")(show_alert)
    group.command("ack")(acknowledge_alerts)
    group.command("resolve")(resolve_alerts)
    group.command("silence")(silence_alerts)
    group.command("unsilence")(end_silence)
    group.command("silences")(list_silences)
    routing.register(group)
    app.add_typer(group)


def list_alerts(
    state: Annotated[
        State, typer.Option(help="unresolved: open, acknowledged and silenced ones.")
    ] = "unresolved",
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Only of this dataset, or `system`.")] = "",
    kind: Annotated[str, typer.Option("--type", help="Only of this type, for example object.held.")] = "",
    severity: Annotated[Severity | None, typer.Option(help="Only such ones.")] = None,
    since: Annotated[str, typer.Option(help="Seen since then: 30m, 2h, 3d, or an ISO time.")] = "",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 100,
    json: Json = False,
) -> None:
    """Alerts, what happened last first."""
    from headgate.alerts.desk import Filter, alerts

    wanted = Filter(
        states_of(state), dataset or None, kind or None, severity, moment(since) if since else None
    )
    with closing(connect_reader("headgate-alerts")) as conn:
        found = alerts(conn, wanted, limit=limit)
    if json:
        print_json(found)
        return
    if not found:
        console.print("nothing is wrong" if wanted == Filter() else "no such alerts")
        return
    columns = ("alert", "state", "severity", "type", "what happened", "times", "since (UTC)")
    rows = [
        (a.alert_id, told_state(a), a.severity, a.kind, a.summary, f"{a.count:,}", minute(a.raised_at))
        for a in found
    ]
    table(columns, rows, numeric=("alert", "times"))
    if len(found) == limit:
        console.print(f"there may be more: --limit is {limit}")


def states_of(state: State) -> tuple[str, ...]:
    """The states that an option's word stands for."""
    from headgate.alerts.desk import STATES, UNRESOLVED

    return {"unresolved": UNRESOLVED, "all": STATES}.get(state, (state,))


def told_state(alert: Alert) -> str:
    """The state, with the person or the time where there is one."""
    if alert.state == "silenced" and alert.silenced_until:
        return f"silenced until {minute(alert.silenced_until)}"
    return f"acknowledged by {alert.acknowledged_by}" if alert.state == "acknowledged" else alert.state


def minute(at: datetime | None) -> str:
    """A time for people, in UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def show_alert(
    id: Annotated[int, typer.Argument(help="The alert's number, see `headgate alerts list`.")],
    json: Json = False,
) -> None:
    """One alert: what is known of it, who was told, and what to do."""
    from headgate.alerts.desk import get_alert, messages_of

    with closing(connect_reader("headgate-alerts")) as conn:
        alert, sent = get_alert(conn, id), messages_of(conn, id)
    if json:
        print_json({"alert": alert, "sent": sent})
        return
    table(("", ""), facts(alert), title=f"alert {id}: {alert.summary}")
    show_sent(sent)


def facts(alert: Alert) -> list[tuple[str, object]]:
    """What is known, without what is not."""
    found = {
        "state": told_state(alert),
        "severity": alert.severity,
        "type": alert.kind,
        "dataset": alert.dataset,
        "subject": alert.subject,
        "owner": alert.owner,
        "since": minute(alert.raised_at),
        "times": f"{alert.count:,}, last {minute(alert.last_at)}" if alert.count > 1 else None,
        "resolved": alert.resolved_at and f"{minute(alert.resolved_at)} by {alert.resolved_by}",
        "note": alert.note,
        **{name: value for name, value in alert.detail.items() if name != "summary"},
    }
    return [(name, value) for name, value in found.items() if value not in (None, "")]


def acknowledge_alerts(which: Which, note: Note = "", json: Json = False) -> None:
    """Say that somebody is at it: no reminders and no escalation any more."""
    from headgate.alerts.desk import acknowledge

    change(which, note, json, acknowledge, "acknowledged")


def resolve_alerts(which: Which, note: Note = "", json: Json = False) -> None:
    """Close alerts; who heard of them hears that. What is still wrong comes back with its next event."""
    from headgate.alerts.desk import resolve

    change(which, note, json, resolve, "resolved")


def change(which: list[str], note: str, json: bool, action: Callable[..., list[int]], word: str) -> None:
    """Carry out, and say what was done."""
    with closing(connect_pipeline("headgate-alerts")) as conn:
        wanted = chosen(conn, which)
        changed = action(conn, wanted, by=user(), note=note or None)
    left = [number for number in wanted if number not in changed]
    if json:
        print_json({word: changed, "unchanged": left})
        return
    console.print(f"{len(changed):,} {word}" + (f": {listed(changed)}" if changed else ""), highlight=False)
    if left:
        console.print(f"{len(left):,} left as they are: {listed(left)}", highlight=False)


def listed(numbers: Sequence[int]) -> str:
    """The first ten of them."""
    return ", ".join(map(str, numbers[:10])) + (" …" if len(numbers) > 10 else "")


def chosen(conn: Connection, which: list[str]) -> list[int]:
    """The numbers that were given, or those of unresolved alerts that fulfil all matchers."""
    from headgate.alerts.desk import Filter, alerts, get_alert

    if all(text.isdigit() for text in which):
        return [get_alert(conn, int(text)).alert_id for text in which]
    matchers = [matcher(text) for text in which]
    found = alerts(conn, Filter())
    return [alert.alert_id for alert in found if all(each.matches(alert.labels) for each in matchers)]


def silence_alerts(
    which: Which,
    span: Annotated[str, typer.Option("--for", help="For how long: 30m, 2h, 1d.")],
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    json: Json = False,
) -> None:
    """Tell nobody of such alerts for a while; they are kept all the same."""
    from headgate.alerts.desk import silence
    from headgate.alerts.duration import parse_duration

    try:
        length = parse_duration(span)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    if not length:
        raise typer.BadParameter("a silence lasts longer than 0", param_hint="--for")
    with closing(connect_pipeline("headgate-alerts")) as conn:
        matchers = silenced(conn, which)
        number, ends_at = silence(conn, matchers, length, by=user(), note=note)
    if json:
        print_json({"silence": number, "matchers": list(map(str, matchers)), "ends_at": ends_at})
        return
    console.print(
        f"silence {number} until {minute(ends_at)} UTC: {' '.join(map(str, matchers))}",
        highlight=False,
        markup=False,
    )


def silenced(conn: Connection, which: list[str]) -> list[Matcher]:
    """The matchers that were given, or those of the one alert whose number was."""
    from headgate.alerts.desk import get_alert
    from headgate.alerts.matcher import Matcher

    numbers = [text for text in which if text.isdigit()]
    if not numbers:
        return [matcher(text) for text in which]
    if len(which) > 1:
        raise typer.BadParameter("give one alert's number, or matchers")
    labels = get_alert(conn, int(numbers[0])).labels
    return [Matcher(name, "=", labels[name]) for name in ("dataset", "type", "subject")]


def end_silence(
    id: Annotated[int, typer.Argument(help="The silence's number, see `headgate alerts silences`.")],
) -> None:
    """End a silence; what is still wrong is told."""
    from headgate.alerts import desk

    with closing(connect_pipeline("headgate-alerts")) as conn:
        desk.end_silence(conn, id)
    console.print(f"silence {id} has ended")


def list_silences(
    ended: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    json: Json = False,
) -> None:
    """Silences, those that last."""
    from headgate.alerts.desk import silences

    with closing(connect_reader("headgate-alerts")) as conn:
        found = silences(conn, ended=ended)
    if json:
        print_json(found)
        return
    if not found:
        console.print("no silence lasts")
        return
    rows = [(s.silence_id, s.text, minute(s.ends_at), s.created_by, s.note) for s in found]
    table(("silence", "of alerts", "until (UTC)", "by", "note"), rows)
