"""Events become alerts, and people hear of them: folding, routes, silences, escalation, digests, outages."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pika
import psycopg2
import pytest
import yaml

from consumers.delivery import Delivery, Done, Reject
from consumers.notification.handler import NotificationHandler
from consumers.notification.text import Installation
from headgate import db, events, topology
from headgate.alerts.channels import send
from headgate.alerts.desk import end_silence, get_alert, silence, silences
from headgate.alerts.matcher import Matcher
from headgate.errors import Fatal, Retriable
from headgate.events import Event
from headgate.publisher import Publisher
from headgate.watch import Watch
from tests.integration.listener import Listener, listening
from tests.integration.shell import headgate
from tests.polling import eventually

if TYPE_CHECKING:
    from tests.conftest import Environment

SOON = {"group_wait": "0s", "group_interval": "300ms", "repeat_interval": "1h"}


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as made:
        yield made


@dataclass
class Desk:
    """A notification handler without a broker's queue, and everything around it."""

    environment: Environment
    listener: Listener
    file: Path
    made: list[NotificationHandler] = field(default_factory=list)

    def route(self, route: dict[str, Any] | None = None, **receivers: dict[str, Any]) -> None:
        """Write the routing file: team by default, each receiver hears on a path of its name."""
        names = {"team": {}, **receivers}
        document = {
            "route": {"receiver": "team", **SOON, **(route or {})},
            "receivers": [
                {"name": name, "apprise": [self.listener.url(name)], **more} for name, more in names.items()
            ],
        }
        draft = self.file.with_suffix(".draft")
        draft.write_text(yaml.safe_dump(document))
        draft.replace(self.file)

    def handler(self) -> NotificationHandler:
        """One that runs until the end of the test."""
        database, broker = self.environment.database, self.environment.broker
        handler = NotificationHandler(
            database.loader_url,
            f"desk-{len(self.made)}",
            lambda: self.file,
            installation=Installation("lab", "http://airflow"),
            relay=Publisher(broker.url, deadline=60),
            watch=Watch(lambda: db.connect(database.loader_url), broker.url, self.environment.settings),
        )
        self.made.append(handler)
        return handler

    def record(self, kind: str, dataset: str = "ships", subject: str = "s", **data: Any) -> None:
        """Record an event, as a task does."""
        with closing(db.connect(self.environment.database.pipeline_url)) as conn, db.transaction(conn) as c:
            events.record(c, Event(kind, dataset, subject, data))

    def fail(self, number: int = 1, dataset: str = "ships") -> None:
        self.record("run.failed", dataset, f"run {number}", reason=f"reason {number}", run_id=number)

    def hold(self, key: str) -> None:
        self.record("object.held", "ships", key, key=key, reason="too many bad rows")

    def release(self, key: str) -> None:
        self.record("object.released", "ships", key, key=key)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement as the owner; its rows."""
        with closing(psycopg2.connect(self.environment.database.admin_url)) as conn, conn, conn.cursor() as c:
            c.execute(statement, values or None)
            return list(c.fetchall()) if c.description else []

    def told(self, receiver: str, count: int, *, handler: NotificationHandler | None = None) -> list[str]:
        """Tick until the receiver has so many messages; their titles."""
        ticking = handler or self.made[-1]

        def enough() -> bool:
            ticking.tick()
            return len(self.listener.received(receiver)) >= count

        eventually(enough)
        return self.listener.titles(receiver)

    def nothing_more(self, receiver: str, count: int) -> None:
        """Tick a few intervals long: the receiver has this many messages and gets no other."""
        [(until,)] = self.sql("SELECT clock_timestamp() + interval '1 s'")

        def over() -> bool:
            self.made[-1].tick()
            return bool(self.sql("SELECT clock_timestamp() >= %s", until)[0][0])

        eventually(over)
        assert len(self.listener.received(receiver)) == count, self.listener.titles(receiver)

    def age(self, interval: str) -> None:
        """Let time pass for all that was told."""
        self.sql(
            f"UPDATE headgate.alert_member SET told_at = told_at - interval '{interval}',"
            f" reminded_at = reminded_at - interval '{interval}'"
        )
        self.sql("UPDATE headgate.alert_group SET next_at = now()")


@pytest.fixture
def desk(environment: Environment, listener: Listener, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(environment, listener, tmp_path / "alerts.yaml")
    made.route()
    yield made
    for handler in made.made:
        handler.close()


def test_the_same_failure_many_times_is_one_alert_that_is_told_and_updated_once(desk: Desk) -> None:
    handler = desk.handler()
    desk.fail(1)
    assert desk.told("team", 1) == ["[critical] ships: run.failed run 1"]
    for number in range(2, 30):
        desk.fail(number)
    assert desk.told("team", 2)[1] == "[critical] ships: run.failed run 29, 29 times"
    desk.fail(30)
    desk.nothing_more("team", 2)
    [(count, state)] = desk.sql("SELECT count, state FROM headgate.alerts")
    assert (count, state) == (30, "open")
    body = desk.listener.received("team")[1]["message"]
    assert "reason 29" in body
    assert "29 times, last " in body
    assert "mend: headgate books ships --run 29" in body
    handler.close()


def test_a_reminder_comes_while_nobody_has_acknowledged(desk: Desk) -> None:
    desk.handler()
    desk.fail()
    desk.told("team", 1)
    desk.age("1 hour")
    assert desk.told("team", 2)[1] == "[still critical] ships: run.failed run 1"


def test_the_end_of_a_condition_is_told_to_those_who_heard_of_it(desk: Desk) -> None:
    desk.handler()
    desk.hold("a.csv")
    desk.told("team", 1)
    desk.hold("b.csv")
    desk.release("b.csv")  # before anybody heard of it
    desk.release("a.csv")
    assert desk.told("team", 2)[1] == "[resolved] ships: object.held a.csv"
    desk.nothing_more("team", 2)
    assert desk.sql("SELECT DISTINCT state, resolved_by FROM headgate.alerts") == [("resolved", "event")]
    assert desk.listener.received("team")[1]["type"] == "success"
    body = desk.listener.received("team")[1]["message"]
    assert "a.csv of ships is no longer held" in body
    assert "too many bad rows" not in body
    [alert] = desk.sql("SELECT summary, detail ->> 'ended' FROM headgate.alerts WHERE subject = 'a.csv'")
    assert alert == ("a.csv of ships is held: too many bad rows", "a.csv of ships is no longer held")


def test_events_out_of_order_open_nothing_that_is_over(desk: Desk) -> None:
    handler = desk.handler()
    desk.hold("a.csv")
    desk.sql("UPDATE headgate.event SET folded_at = now()")  # it is on its way
    desk.release("a.csv")
    handler.tick()
    desk.sql("UPDATE headgate.event SET folded_at = NULL WHERE kind = 'object.held'")
    handler.tick()
    assert desk.sql("SELECT count(*) FROM headgate.alert") == [(0,)]
    desk.hold("a.csv")
    desk.told("team", 1)
    desk.hold("a.csv")
    desk.sql("UPDATE headgate.event SET folded_at = now()")  # on its way again, while the end overtakes it
    desk.release("a.csv")
    handler.handle([])
    desk.sql(
        "UPDATE headgate.event SET folded_at = NULL WHERE number ="
        " (SELECT max(number) FROM headgate.event WHERE status = 'firing')"
    )
    handler.handle([])
    assert desk.sql("SELECT state FROM headgate.alerts") == [("resolved",)]


def test_what_comes_back_before_its_end_was_told_is_the_same_alert(desk: Desk) -> None:
    desk.handler()
    desk.hold("a.csv")
    desk.told("team", 1)
    desk.release("a.csv")
    desk.made[-1].handle([])
    desk.hold("a.csv")
    assert desk.told("team", 2)[1] == "[critical] ships: object.held a.csv, 2 times"
    assert desk.sql("SELECT count, state FROM headgate.alerts") == [(2, "open")]


def test_routes_send_alerts_by_their_labels_and_owner_to_one_message_a_group(desk: Desk) -> None:
    team = {"name": "ship-data"}
    desk.sql(
        "INSERT INTO headgate.dataset (dataset, version, contract, sha256, table_schema, table_name)"
        " VALUES ('ships', 1, %s, '', '', '')",
        json.dumps({"team": team}),
    )
    routes = [
        {"matchers": ["owner=ship-data"], "receiver": "ships", "continue": True},
        {"matchers": ["severity=critical"], "receiver": "oncall", "group_by": ["dataset"]},
    ]
    desk.route({"group_by": ["type"], "routes": routes}, ships={}, oncall={})
    handler = desk.handler()
    desk.fail()
    desk.record("run.late")
    desk.hold("a.csv")
    desk.fail(dataset="trains")
    assert sorted(desk.told("oncall", 2)) == [
        "[critical] ships: 2 alerts (run.failed, object.held)",
        "[critical] trains: run.failed run 1",
    ]
    assert sorted(desk.told("ships", 3)) == [
        "[critical] ships: object.held a.csv",
        "[critical] ships: run.failed run 1",
        "[warning] ships: run.late s",
    ]
    handler.tick()
    assert desk.listener.received("team") == []
    assert "owner ship-data" in desk.listener.received("ships")[0]["message"]


def test_news_are_told_to_who_asked_for_them_and_kept_for_nobody_else(desk: Desk) -> None:
    desk.route({"routes": [{"matchers": ["severity=info"], "receiver": "nobody"}]}, nobody={"apprise": []})
    desk.handler()
    desk.record("run.finished", state="success", dag_run_id="manual__1")
    desk.nothing_more("team", 0)
    assert desk.sql("SELECT count(*) FROM headgate.alert") == [(0,)]
    desk.route({"routes": [{"matchers": ["type=run.finished"], "receiver": "news"}]}, news={})
    for number in (2, 3):
        desk.record("run.finished", state="success", dag_run_id=f"manual__{number}", subject=str(number))
    desk.told("news", 1)
    body = desk.listener.received("news")[0]["message"]
    assert "run: http://airflow/dags/ships/runs/manual__2" in body
    assert "manual__3" in body
    assert desk.sql("SELECT DISTINCT state, resolved_by FROM headgate.alerts") == [("resolved", "told")]


def test_a_silence_keeps_people_quiet_and_its_end_tells_what_is_still_wrong(desk: Desk) -> None:
    desk.handler()
    matchers = [
        {"label": "dataset", "op": "=~", "value": "ship.*"},
        {"label": "owner", "op": "!=", "value": "x"},
    ]
    desk.sql(
        "INSERT INTO headgate.silence (matchers, ends_at, created_by)"
        " VALUES (%s, now() + interval '1 h', 'mia')",
        json.dumps(matchers),
    )
    desk.fail()
    desk.fail(dataset="trains")
    assert desk.told("team", 1) == ["[critical] trains: run.failed run 1"]
    desk.nothing_more("team", 1)
    assert desk.sql("SELECT dataset, state FROM headgate.alerts ORDER BY dataset") == [
        ("ships", "silenced"),
        ("trains", "open"),
    ]
    desk.sql("UPDATE headgate.silence SET ends_at = now()")
    desk.sql("UPDATE headgate.alert_group SET next_at = now()")
    assert desk.told("team", 2)[1] == "[critical] ships: run.failed run 1"


def test_nobody_acknowledges_so_the_next_is_called(desk: Desk) -> None:
    desk.route({"escalate": [{"after": "15m", "receiver": "lead"}]}, lead={})
    desk.handler()
    desk.fail()
    desk.hold("a.csv")
    desk.told("team", 1)
    desk.sql("UPDATE headgate.alert SET state = 'acknowledged' WHERE kind = 'object.held'")
    desk.age("15 min")
    assert desk.told("lead", 1) == ["[not acknowledged, critical] ships: run.failed run 1"]
    desk.record("run.recovered")
    assert desk.told("lead", 2)[1] == "[resolved] ships: run.failed run 1"


def hours(start: datetime, end: datetime) -> dict[str, Any]:
    return {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}


def test_in_quiet_hours_a_digest_is_collected(desk: Desk) -> None:
    now = datetime.now(UTC)
    quiet = hours(now - timedelta(hours=2), now + timedelta(hours=2)) | {"unless": ["dataset=trains"]}
    other = hours(now + timedelta(hours=4), now + timedelta(hours=5))
    desk.route({"group_by": ["dataset"]}, team={"quiet_hours": quiet})
    desk.handler()
    desk.fail()
    desk.fail(dataset="planes")
    desk.hold("a.csv")
    desk.release("a.csv")
    desk.fail(dataset="trains")
    assert desk.told("team", 1) == ["[critical] trains: run.failed run 1"]
    desk.route({"group_by": ["dataset"]}, team={"quiet_hours": other})
    desk.sql("UPDATE headgate.alert_group SET next_at = now() WHERE held")
    assert desk.told("team", 2)[1] == "[digest, critical] ships, planes: 3 alerts (run.failed, object.held)"
    assert "CAME AND WENT" in desk.listener.received("team")[1]["message"]


def test_a_receiver_that_is_away_gets_its_messages_later_and_holds_up_nobody(desk: Desk) -> None:
    desk.route({"routes": [{"matchers": ["dataset=ships"], "receiver": "ships"}]}, ships={})
    desk.listener.refusing.add("/ships")
    desk.handler()
    desk.fail()
    desk.fail(dataset="trains")
    desk.told("team", 1)
    [(state, attempts, problem)] = desk.sql(
        "SELECT state, attempts, problem FROM headgate.delivery WHERE sent_at IS NULL"
    )
    assert (state, attempts) == ("pending", 1)
    assert "503" in problem
    desk.listener.refusing.clear()
    desk.sql("UPDATE headgate.delivery SET next_at = now()")
    desk.handler()  # a restart, too
    assert desk.told("ships", 1) == ["[critical] ships: run.failed run 1"]
    assert desk.sql("SELECT DISTINCT state FROM headgate.delivery") == [("sent",)]


def test_a_changed_file_is_taken_and_a_wrong_one_is_not(desk: Desk) -> None:
    handler = desk.handler()
    desk.fail()
    desk.told("team", 1)
    desk.file.write_text("route: [")
    handler.tick()
    desk.fail(dataset="trains")
    assert len(desk.told("team", 2)) == 2
    desk.route({"receiver": "others"}, others={})
    # what is still wrong is told where it belongs now
    assert desk.told("others", 1) == ["[critical] ships, trains: 2 alerts (run.failed)"]


def test_a_file_that_takes_the_place_of_the_one_in_force_is_taken(desk: Desk) -> None:
    desk.handler().tick()
    desk.file = desk.file.with_name("own.yaml")
    desk.route({"receiver": "others"}, others={})
    desk.fail()
    assert desk.told("others", 1) == ["[critical] ships: run.failed run 1"]


def test_an_alertmanager_is_fed_with_what_is_wrong_and_with_its_end(desk: Desk) -> None:
    path = "api/v2/alerts"
    manager = {"apprise": [], "alertmanager": [f"http://{desk.listener.address}/"]}
    desk.route(team=manager)
    handler = desk.handler()
    desk.listener.refusing.add(f"/{path}")
    desk.hold("a.csv")
    handler.tick()
    desk.listener.refusing.clear()

    def newest() -> list[dict[str, Any]]:
        handler.tick()
        return (desk.listener.received(path) or [[]])[-1]

    eventually(lambda: newest() != [])
    [alert] = newest()
    [(alert_id,)] = desk.sql("SELECT alert_id FROM headgate.alert")
    assert alert["labels"] == {
        "alertname": "object.held",
        "dataset": "ships",
        "severity": "critical",
        "owner": "unowned",
        "subject": "a.csv",
        "alert_id": str(alert_id),
        "environment": "lab",
    }
    assert "a.csv" in alert["annotations"]["summary"]
    assert alert["endsAt"] > alert["startsAt"]
    desk.release("a.csv")
    [(ends,)] = desk.sql("SELECT now()")
    eventually(lambda: newest()[0]["endsAt"][:19] <= f"{ends:%Y-%m-%dT%H:%M:59}")


def test_foreign_events_are_folded_and_what_is_none_is_rejected(desk: Desk) -> None:
    handler = desk.handler()

    def message(body: bytes) -> Delivery:
        return Delivery(topology.NOTIFICATIONS_QUEUE, 1, 1, pika.BasicProperties(), body)

    foreign = {
        "specversion": "1.0",
        "id": "1",
        "source": "/meter",
        "type": "org.example.low",
        "subject": "m1",
    }
    firing = foreign | {"status": "firing", "severity": "warning", "data": {"summary": "meter m1 is low"}}
    twice = [message(json.dumps(firing).encode())] * 2
    bad = [
        b"junk",
        b"[]",
        b'{"specversion": "1.0"}',
        json.dumps(firing | {"id": "2", "data": "\x00"}).encode(),
        json.dumps(firing | {"id": "3", "subject": "m\x001"}).encode(),
        json.dumps(firing | {"id": "4\x00"}).encode(),
        b"[" * 100_000,
    ]
    outcomes = handler.handle([*twice, *map(message, bad)])
    assert [type(outcome) for outcome in outcomes] == [Done] * 2 + [Reject] * len(bad)
    assert desk.told("team", 1) == ["[warning] system: org.example.low m1"]
    assert desk.sql("SELECT count, summary FROM headgate.alerts") == [(1, "meter m1 is low")]
    ending = foreign | {"id": "3", "status": "resolved"}
    handler.handle([message(json.dumps(ending).encode())])
    assert desk.told("team", 2)[1] == "[resolved] system: org.example.low m1"


def test_what_does_not_come_again_ends_by_itself_and_quietly(desk: Desk) -> None:
    handler = desk.handler()
    desk.record("consumer.stopped", events.SYSTEM, "c1", role="database", consumer="c1", reason="broken")
    desk.told("team", 1)
    desk.sql("UPDATE headgate.alert SET expires_at = now()")
    handler.tick()
    assert desk.sql("SELECT state, resolved_by FROM headgate.alerts") == [("resolved", "expiry")]
    desk.nothing_more("team", 1)


def test_events_reach_the_queue_and_the_outbox_is_relayed(desk: Desk) -> None:
    """What was recorded while the broker was away is published by the consumer's tick."""
    handler = desk.handler()
    with closing(pika.BlockingConnection(pika.URLParameters(desk.environment.broker.url))) as connection:
        channel = connection.channel()
        handler.declare(channel, handler.queues())
        desk.fail()
        handler.tick()
        found: list[Callable[[], bytes]] = []

        def arrived() -> bool:
            _, _, body = channel.basic_get(topology.NOTIFICATIONS_QUEUE, auto_ack=True)
            found.extend([lambda: body] if body else [])
            return bool(found)

        eventually(arrived)
    body = found[0]()
    [outcome] = handler.handle(
        [
            Delivery(
                topology.NOTIFICATIONS_QUEUE, 1, 1, pika.BasicProperties(message_id=str(uuid.uuid4())), body
            )
        ]
    )
    assert outcome == Done()
    assert desk.sql("SELECT count FROM headgate.alerts") == [(1,)]


def test_people_look_acknowledge_silence_and_resolve_by_the_command_line(desk: Desk) -> None:
    handler = desk.handler()
    desk.fail()
    desk.hold("a.csv")
    desk.hold("b.csv")
    desk.told("team", 1)

    def alerts(*arguments: object, code: int = 0) -> str:
        return headgate(desk.environment, "alerts", *arguments, code=code)

    listed = {entry["subject"]: entry for entry in json.loads(alerts("list", "--json"))}
    assert {name: entry["state"] for name, entry in listed.items()} == dict.fromkeys(
        ("run 1", "a.csv", "b.csv"), "open"
    )
    failed = listed["run 1"]["alert_id"]
    shown = json.loads(alerts("show", failed, "--json"))
    assert shown["alert"]["detail"]["reason"] == "reason 1"
    assert [sent["state"] for sent in shown["sent"]] == ["sent"]
    assert f"1 acknowledged: {failed}" in alerts("ack", failed, "--note", "on it")
    assert f"1 left as they are: {failed}" in alerts("ack", failed)
    assert "acknowledged by" in alerts("list", "--type", "run.failed")
    silenced = json.loads(alerts("silence", listed["a.csv"]["alert_id"], "--for", "2h", "--json"))
    assert silenced["matchers"] == ['dataset="ships"', 'type="object.held"', 'subject="a.csv"']
    assert "2 resolved" in alerts("resolve", 'subject=~".*csv"', "--note", "withdrawn")
    desk.told("team", 2)
    # the silenced one has ended quietly
    assert desk.listener.titles("team")[1] == "[resolved] ships: object.held b.csv"
    alerts("unsilence", silenced["silence"])
    [(state, by, note)] = desk.sql(
        "SELECT state, resolved_by, note FROM headgate.alerts WHERE subject = 'b.csv'"
    )
    assert (state, note) == ("resolved", "withdrawn")
    assert by
    handler.close()


def test_what_people_may_not_do_is_said(desk: Desk) -> None:
    with closing(db.connect(desk.environment.database.pipeline_url)) as conn:
        with pytest.raises(Fatal, match=r"there is no alert 4711: see `headgate alerts list"):
            get_alert(conn, 4711)
        with pytest.raises(Fatal, match="no silence 4711 lasts"):
            end_silence(conn, 4711)
        of_python = Matcher("subject", "=~", "(?P<name>a)")
        fine = Matcher("dataset", "=", "ships")
        for matchers in ([of_python], [fine, of_python]):
            with pytest.raises(Fatal, match="Postgres does not take a regular expression"):
                silence(conn, matchers, timedelta(hours=1), by="mia", note="")
        assert silences(conn, ended=True) == []


def test_long_texts_are_sent_in_parts_and_problems_tell_no_secret(listener: Listener) -> None:
    url = f"mmost://{listener.address}/s3cr3ttoken"  # Mattermost takes 4,000 characters
    send(url, "title", "ten chars " * 1000, "warning", good=False)
    parts = [document["text"] for document in listener.received("hooks/s3cr3ttoken")]
    assert max(map(len, parts)) <= 4000
    assert " ".join(parts).count("ten") == 1000
    listener.refusing.add("/hooks/s3cr3ttoken")
    with pytest.raises(Retriable, match="503") as refused:
        send(url, "title", "text", "warning", good=False)
    assert "s3cr3ttoken" not in str(refused.value)


def test_a_test_notification_takes_the_whole_road_and_says_so(desk: Desk) -> None:
    handler = desk.handler()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(headgate, desk.environment, "alerts", "test", "--text", "hello", "--json")
        eventually(lambda: handler.tick() or answer.done())
    [sent] = json.loads(answer.result())
    assert (sent["receiver"], sent["channel"], sent["state"]) == ("team", "apprise[0]", "sent")
    [message] = desk.listener.received("team")
    assert "test notification: hello" in message["message"]
    refused = headgate(desk.environment, "alerts", "test", "--timeout", "0.5", code=1)
    assert "headgate-consumer notification" in refused
