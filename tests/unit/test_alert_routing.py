"""The routing file: where an alert goes, and what is said of a file that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headgate.alerts.duration import format_duration, parse_duration
from headgate.alerts.matcher import Matcher, parse_matcher
from headgate.alerts.quiet import QuietHours
from headgate.alerts.routing import Routing, load_routing, parse_routing
from headgate.errors import Fatal
from headgate.paths import alerts_file

FILE = """
route:
  receiver: team
  group_by: [dataset]
  group_wait: 1m
  escalate: [{after: 30m, receiver: lead}]
  routes:
    - matchers: ['severity="critical"', 'dataset=~"egrid_.*"']
      receiver: energy
      repeat_interval: 30m
      continue: true
      routes:
        - matchers: [type=books.unbalanced]
          escalate: []
    - matchers: [owner!="energy-data"]
      receiver: lead
      group_by: ['...']
    - matchers: [severity="critical"]
      group_wait: 0s
receivers:
  - {name: team, log: true}
  - {name: energy, apprise: [json://localhost/, {url_file: secret.txt}]}
  - {name: lead, send_resolved: false}
"""


@pytest.fixture
def routing() -> Routing:
    return parse_routing(yaml.safe_load(FILE), "file")


def labels(**values: str) -> dict[str, str]:
    usual = {"dataset": "ships", "type": "run.failed", "severity": "warning", "owner": "energy-data"}
    return usual | {"subject": "s"} | values


def receivers(routing: Routing, **values: str) -> list[str]:
    return [route.receiver for route in routing.routes(labels(**values))]


def test_an_alert_goes_to_the_first_child_that_matches_or_stays_with_the_parent(routing: Routing) -> None:
    assert receivers(routing) == ["team"]
    assert receivers(routing, severity="critical") == ["team"]
    assert receivers(routing, owner="ship-data", severity="critical") == ["lead"]


def test_continue_lets_it_go_to_the_next_siblings_too(routing: Routing) -> None:
    assert receivers(routing, dataset="egrid_plants", severity="critical") == ["energy", "team"]
    # a match of the whole value, not of its beginning
    assert receivers(routing, dataset="my_egrid_plants", severity="critical") == ["team"]


def test_a_route_has_from_its_parent_what_it_does_not_say(routing: Routing) -> None:
    [deepest, _] = routing.routes(
        labels(dataset="egrid_plants", severity="critical", type="books.unbalanced")
    )
    assert deepest.receiver == "energy"
    assert deepest.repeat_interval == timedelta(minutes=30)
    assert deepest.group_wait == timedelta(minutes=1)
    assert deepest.group_interval == timedelta(minutes=5)
    assert deepest.escalate == ()
    [other] = routing.routes(labels(severity="critical"))
    assert (other.group_wait, other.escalate[0].receiver) == (timedelta(0), "lead")


def test_groups(routing: Routing) -> None:
    [top] = routing.routes(labels())
    assert top.group_of(labels(), "f") == {"dataset": "ships"}
    [each] = routing.routes(labels(owner="x"))
    assert each.group_of(labels(owner="x"), "f") == labels(owner="x") | {"fingerprint": "f"}


def test_keys_tell_routes_apart_and_stay_the_same(routing: Routing) -> None:
    assert len(routing.by_key) == 5
    assert parse_routing(yaml.safe_load(FILE), "again").by_key.keys() == routing.by_key.keys()


def test_the_shipped_file_is_right_and_sends_news_to_nobody() -> None:
    shipped = load_routing(alerts_file())
    assert receivers(shipped, severity="info", type="run.finished") == ["nobody"]
    assert receivers(shipped, severity="info", type="notification.test") == ["team"]
    assert receivers(shipped, severity="critical") == ["team"]
    # a message that a consumer parked is told of once, by its cause
    assert receivers(shipped, severity="critical", type="message.parked", dataset="plants") == ["team"]
    assert receivers(shipped, severity="critical", type="parking.filled", dataset="plants") == ["nobody"]
    assert receivers(shipped, severity="critical", type="parking.filled", dataset="system") == ["team"]
    assert not shipped.receivers["nobody"].hears


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"route": {}}, "route.receiver: the top route takes what nobody else does"),
    ({"route": {"receiver": "x"}}, "route: no receiver is called 'x': there are team"),
    ({"route": {"receiver": "team", "matchers": ["owner=a"]}}, "no matchers and no continue"),
    ({"route": {"receiver": "team", "color": 1}}, "route.color: no such field"),
    (
        {"route": {"receiver": "team", "group_by": ["alertname"]}},
        "route.group_by[0]: 'alertname' is no label",
    ),
    ({"route": {"receiver": "team", "group_by": ["...", "owner"]}}, "'...' stands alone"),
    ({"route": {"receiver": "team", "group_wait": "5 minutes"}}, "route.group_wait: '5 minutes' is no span"),
    ({"route": {"receiver": "team", "group_interval": "0s"}}, "route.group_interval: must be longer than 0"),
    (
        {"route": {"receiver": "team", "routes": [{"matchers": ["team=a"]}]}},
        "route.routes[0].matchers[0]: 'team' is no label",
    ),
    ({"route": {"receiver": "team", "routes": [{"matchers": ['owner=~"("']}]}}, "not a regular expression"),
    ({"route": {"receiver": "team", "routes": [{"matchers": ["owner"]}]}}, "'owner' is no matcher"),
    ({"route": {"receiver": "team", "escalate": [{"after": "1h", "receiver": "b"}]}}, "called 'b'"),
    ({"route": {"receiver": "team"}, "receivers": []}, "receivers: List should have at least 1 item"),
    ({"route": {"receiver": "team"}, "receivers": [{"name": "team"}] * 2}, "two are called 'team'"),
    (
        {"route": {"receiver": "team"}, "receivers": [{"name": "team", "apprise": [{}]}]},
        "receivers[0].apprise[0]: give one of url, url_file, url_env",
    ),
    (
        {"route": {"receiver": "team"}, "receivers": [{"name": "team", "quiet_hours": {"start": "25:00"}}]},
        "quiet_hours.start: '25:00' is no time of day",
    ),
]


@pytest.mark.parametrize(("changes", "reason"), WRONG, ids=[reason for _, reason in WRONG])
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, Any], reason: str) -> None:
    document = {"receivers": [{"name": "team"}]} | changes
    with pytest.raises(Fatal) as refused:
        parse_routing(document, "alerts.yaml")
    assert str(refused.value).startswith("alerts.yaml: ")
    assert reason in str(refused.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    with pytest.raises(Fatal, match="cannot be read"):
        load_routing(path)
    path.write_text('route:\n  receivers: ["slack://s3cr3t]')
    with pytest.raises(Fatal, match=r"not YAML: .* in line 2") as refused:
        load_routing(path)
    assert "s3cr3t" not in str(refused.value)
    path.write_bytes(b"\xff\x00")
    with pytest.raises(Fatal, match="not YAML: not even text"):
        load_routing(path)
    path.write_text("")
    with pytest.raises(Fatal, match="the file: should be a mapping"):
        load_routing(path)


def test_an_error_never_tells_a_secret() -> None:
    secret = {"url": "slack://s3cr3t", "url_env": "X"}
    with pytest.raises(Fatal) as refused:
        parse_routing({"route": {"receiver": "a"}, "receivers": [{"name": "a", "apprise": [secret]}]}, "f")
    assert "s3cr3t" not in str(refused.value)


def test_addresses_are_read_when_they_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(FILE)
    _, of_file = load_routing(path).receivers["energy"].apprise
    with pytest.raises(Fatal, match=r"secret\.txt holds no URL"):
        of_file.read()
    (tmp_path / "secret.txt").write_text("json://one/\n")
    assert of_file.read() == "json://one/"
    [of_variable] = load_routing(alerts_file()).receivers["team"].apprise
    monkeypatch.delenv("HEADGATE_NOTIFY_URL", raising=False)
    assert of_variable.read() is None
    monkeypatch.setenv("HEADGATE_NOTIFY_URL", "json://two/")
    assert of_variable.read() == "json://two/"
    assert "two" not in repr(of_variable)


@pytest.mark.parametrize(
    ("text", "value", "fulfilled"),
    [
        ('owner="a"', "a", True),
        ("owner=a", "ab", False),
        ("owner != a", "b", True),
        ('owner=~"a|b"', "b", True),
        ('owner=~"a|b"', "bc", False),
        ('owner!~"a.*"', "abc", False),
        ('owner=""', "", True),
        (r'owner="say \"a\""', 'say "a"', True),
        ('owner="a=~b"', "a=~b", True),
    ],
)
def test_matchers(text: str, value: str, fulfilled: bool) -> None:
    matcher = parse_matcher(text)
    assert matcher.matches({"owner": value}) is fulfilled
    assert parse_matcher(str(matcher)) == matcher


@given(st.sampled_from(["=", "!="]), st.text())
def test_a_matcher_reads_what_it_writes(op: str, value: str) -> None:
    assert parse_matcher(str(Matcher("owner", op, value))) == Matcher("owner", op, value)


def test_durations() -> None:
    assert parse_duration("1h30m") == timedelta(minutes=90)
    assert parse_duration("1w2d") == timedelta(days=9)
    assert parse_duration("0") == timedelta(0)
    for text in ("", "5", "1m1h", "-1s", "1.5h"):
        with pytest.raises(ValueError, match="no span of time"):
            parse_duration(text)
    assert [format_duration(parse_duration(text)) for text in ("90s", "25h", "250ms", "0s", "1h0m7s")] == [
        "1m30s",
        "1d1h",
        "250ms",
        "0s",
        "1h7s",
    ]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_quiet_hours_over_midnight_in_their_own_zone() -> None:
    night = QuietHours.model_validate({"start": "22:00", "end": "07:00", "timezone": "Europe/Zurich"})
    assert night.end_of(at("2026-01-10 20:30")) is None
    assert night.end_of(at("2026-01-10 21:30")) == at("2026-01-11 06:00")
    assert night.end_of(at("2026-01-11 05:59")) == at("2026-01-11 06:00")
    assert night.end_of(at("2026-01-11 06:00")) is None
    # the night in which the clocks go forward
    assert night.end_of(at("2026-03-28 23:30")) == at("2026-03-29 05:00")


def test_quiet_days_are_those_on_which_the_quiet_begins() -> None:
    form = {"start": "18:00", "end": "08:00", "weekdays": ["Friday", "saturday"]}
    weekend = QuietHours.model_validate(form)
    assert weekend.end_of(at("2026-11-20 19:00")) == at("2026-11-21 08:00")  # a Friday
    assert weekend.end_of(at("2026-11-22 07:00")) == at("2026-11-22 08:00")
    assert weekend.end_of(at("2026-11-22 19:00")) is None
    assert QuietHours.model_validate({"start": 1320, "end": 420}).start.hour == 22  # 22:00 without quotes
