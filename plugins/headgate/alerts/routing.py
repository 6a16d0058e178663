"""Who hears of which alert: the routing file, which reads like Alertmanager's.

https://prometheus.io/docs/alerting/latest/configuration/#route-related-settings
Every alert enters at the top route, and goes down into the first child whose matchers it fulfils (and on to
the next ones where that child says ``continue: true``). What a route does not say it has from its parent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from headgate.alerts.address import Address, parse_address
from headgate.alerts.duration import parse_duration
from headgate.alerts.matcher import LABELS, Matcher, parse_matcher
from headgate.alerts.quiet import QuietHours
from headgate.errors import Fatal
from headgate.paths import alerts_file
from headgate.settings import Settings

EACH: Final = "..."  # group by everything: each alert is a group of its own


def _label(name: str) -> str:
    if name != EACH and name not in LABELS:
        raise ValueError(
            f"{name!r} is no label: labels are {', '.join(LABELS)}, or '...' for each alert alone"
        )
    return name


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("must be longer than 0")
    return span


Span = Annotated[timedelta, BeforeValidator(parse_duration)]
PositiveSpan = Annotated[Span, AfterValidator(_positive)]
Matchers = list[Annotated[Matcher, BeforeValidator(parse_matcher)]]
Addresses = Annotated[
    list[Annotated[Address, BeforeValidator(parse_address)]],
    BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Escalation(_Model):
    """Who is told next when nobody has acknowledged an alert so long ``after`` it was first told."""

    after: PositiveSpan
    receiver: str


class Receiver(_Model):
    """People, or a program, and the ways to reach them."""

    name: str = Field(min_length=1)
    apprise: Addresses = []
    alertmanager: Addresses = []
    log: bool = False  # also write it to the consumer's own log
    send_resolved: bool = True
    quiet_hours: QuietHours | None = None

    @property
    def channels(self) -> int:
        """In how many ways it is told by messages (an Alertmanager is fed with alerts instead)."""
        return len(self.apprise) + self.log

    @property
    def hears(self) -> bool:
        """Whether anything is sent there at all."""
        return bool(self.channels or self.alertmanager)


class RouteEntry(_Model):
    """A route as the file has it; ``None``: as the parent."""

    receiver: str | None = None
    matchers: Matchers = []
    group_by: list[Annotated[str, AfterValidator(_label)]] | None = None
    group_wait: Span | None = None
    group_interval: PositiveSpan | None = None
    repeat_interval: PositiveSpan | None = None
    continues: bool = Field(False, alias="continue")
    escalate: list[Escalation] | None = None
    routes: list[RouteEntry] = []


class _File(_Model):
    route: RouteEntry
    receivers: list[Receiver] = Field(min_length=1)


@dataclass(frozen=True)
class Route:
    """A route with all that it has from above. ``key`` tells it from the others, over restarts too."""

    key: str
    receiver: str
    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...]
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    escalate: tuple[Escalation, ...]
    continues: bool
    children: tuple[Route, ...]

    def matching(self, labels: Mapping[str, str]) -> list[Route]:
        """The routes at which an alert with these labels ends; none when this one does not match."""
        if not all(matcher.matches(labels) for matcher in self.matchers):
            return []
        ends: list[Route] = []
        for child in self.children:
            found = child.matching(labels)
            ends += found
            if found and not child.continues:
                break
        return ends or [self]

    def group_of(self, labels: Mapping[str, str], fingerprint: str) -> dict[str, str]:
        """The labels by which alerts are told together here."""
        if self.group_by == (EACH,):
            return {**labels, "fingerprint": fingerprint}
        return {name: labels.get(name, "") for name in self.group_by}

    def walk(self) -> Iterator[Route]:
        """This route and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Routing:
    """A routing file, read and found to be right."""

    root: Route
    receivers: Mapping[str, Receiver]

    def routes(self, labels: Mapping[str, str]) -> list[Route]:
        """Where an alert with these labels goes, each place once."""
        return list({route.key: route for route in self.root.matching(labels)}.values())

    @cached_property
    def by_key(self) -> Mapping[str, Route]:
        """All routes."""
        return {route.key: route for route in self.root.walk()}


def routing_file(settings: Settings) -> Path:
    """The file in force: the one that is named, else the one in the stack's home, else the shipped one."""
    if settings.alerts_file:
        return Path(settings.alerts_file)
    own = settings.home / "alerts.yaml"
    return own if own.exists() else alerts_file()


def load_routing(path: Path) -> Routing:
    """The routing of a file. ``Fatal`` names the file, every place in it that is wrong and why."""
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise Fatal(f"{path}: cannot be read: {error.strerror} (HEADGATE_ALERTS_FILE)") from None
    except yaml.YAMLError as error:
        raise Fatal(f"{path}: not YAML: {_broken(error)}") from None
    return parse_routing(document, str(path), path.parent)


def _broken(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the line itself, in which an address may stand."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}" if mark else "not even text"


def parse_routing(document: Any, source: str, folder: Path = Path()) -> Routing:
    """Like `load_routing`, of a document that was read already.

    ``source`` is named in errors; relative paths of ``url_file`` start in ``folder``.
    """
    try:
        file = _File.model_validate(document, context={"folder": folder})
    except ValidationError as error:
        problems = [f"{_place(item['loc'])}: {_reason(item)}" for item in error.errors(include_url=False)]
        raise Fatal(f"{source}: " + "; ".join(problems)) from None
    if problems := list(_problems(file)):
        raise Fatal(f"{source}: " + "; ".join(problems))
    return Routing(_top(file.route), {receiver.name: receiver for receiver in file.receivers})


def _place(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".") or "the file"


def _reason(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "no such field"
    if item["type"] in ("model_type", "model_attributes_type"):
        return "should be a mapping"
    return str(item["msg"]).removeprefix("Value error, ")


def _problems(file: _File) -> Iterator[str]:
    """What one field alone cannot show."""
    names = [receiver.name for receiver in file.receivers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"receivers: two are called {name!r}"
    if file.route.receiver is None:
        yield "route.receiver: the top route takes what nobody else does, so it needs a receiver"
    if file.route.matchers or file.route.continues:
        yield "route: the top route takes every alert: no matchers and no continue"
    for place, route in _entries(file.route, "route"):
        wanted = [route.receiver, *(step.receiver for step in route.escalate or ())]
        for unknown in [name for name in wanted if name is not None and name not in names]:
            yield f"{place}: no receiver is called {unknown!r}: there are {', '.join(names)}"
        if EACH in (route.group_by or ()) and len(route.group_by or ()) > 1:
            yield f"{place}.group_by: '...' stands alone"
        spans = [step.after for step in route.escalate or ()]
        if spans != sorted(set(spans)):
            yield f"{place}.escalate: each step must come later than the one before"


def _entries(route: RouteEntry, place: str) -> Iterator[tuple[str, RouteEntry]]:
    yield place, route
    for number, child in enumerate(route.routes):
        yield from _entries(child, f"{place}.routes[{number}]")


def _top(entry: RouteEntry) -> Route:
    """The tree, with Alertmanager's own defaults at its top."""
    above = Route(
        key="",
        receiver=entry.receiver or "",
        matchers=(),
        group_by=(),
        group_wait=timedelta(seconds=30),
        group_interval=timedelta(minutes=5),
        repeat_interval=timedelta(hours=4),
        escalate=(),
        continues=False,
        children=(),
    )
    return _route(entry, above, "")


def _route(entry: RouteEntry, above: Route, path: str) -> Route:
    path = f"{path}/{{{','.join(map(str, entry.matchers))}}}"
    receiver = entry.receiver or above.receiver
    own = Route(
        key=f"{path}:{receiver}",
        receiver=receiver,
        matchers=tuple(entry.matchers),
        group_by=above.group_by if entry.group_by is None else tuple(entry.group_by),
        group_wait=above.group_wait if entry.group_wait is None else entry.group_wait,
        group_interval=entry.group_interval or above.group_interval,
        repeat_interval=entry.repeat_interval or above.repeat_interval,
        escalate=above.escalate if entry.escalate is None else tuple(entry.escalate),
        continues=entry.continues,
        children=(),
    )
    children = tuple(_route(child, own, path) for child in entry.routes)
    return Route(**{**vars(own), "children": children})
