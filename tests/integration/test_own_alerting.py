"""The documented listener of one's own: it runs as it stands in the page, with a client other than pika."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import amqp
import pika
import pytest

from headgate import topology
from headgate.events import Event
from headgate.publisher import Publisher
from tests.conftest import CHECKOUT, Broker
from tests.polling import eventually

PAGE = (CHECKOUT / "docs" / "own-alerting.md").read_text(encoding="utf-8")
QUEUE = "data-team.needs-a-person"


@dataclass(frozen=True)
class Login:
    """Of somebody who may do no more than the page says."""

    name: str
    password: str
    url: str


@pytest.fixture
def login(broker: Broker) -> Iterator[Login]:
    [rights] = re.findall(r"set_permissions -p / data-team '(.*)' '(.*)' '(.*)'", PAGE)
    name, password = f"data-team-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    with broker.user(name, password, rights) as url:
        yield Login(name, password, url)


@contextmanager
def listener(login: Login, folder: Path) -> Iterator[Path]:
    """The page's program as a process; the file that it prints to."""
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    script, heard = folder / "listen.py", folder / "heard.txt"
    script.write_text(program, encoding="utf-8")
    with open(heard, "a") as output:
        environment = {"PATH": os.environ["PATH"], "AMQP_URL": login.url}
        process = subprocess.Popen([sys.executable, script], env=environment, stdout=output, stderr=output)
        try:
            yield heard
        finally:
            process.kill()
            process.wait()


def held(key: str) -> dict[str, Any]:
    return Event("object.held", "plants", key, {"key": key, "reason": "no header"}).cloudevent("lab")


def finished(run: str) -> dict[str, Any]:
    return Event("run.finished", "plants", run, {"state": "success"}).cloudevent("lab")


def test_the_listener_of_the_page_hears_what_it_asked_for(
    broker: Broker, login: Login, tmp_path: Path
) -> None:
    with Publisher(broker.url) as publisher:
        publisher.emit(finished("7"))  # makes the exchange
        with listener(login, tmp_path) as heard:
            eventually(lambda: bound(broker))
            first = held("a.csv")
            publisher.emit(finished("8"))
            publisher.emit(first)
            publisher.emit(first)  # a relay that crashed sends it again
            publisher.emit(Event("parking.filled", "units", "parking", {"messages": 2}).cloudevent("lab"))
            eventually(lambda: "2 messages of units are parked" in heard.read_text())
        before = told(heard)
        publisher.emit(held("b.csv"))  # nobody listens just now
        with listener(login, tmp_path) as heard:
            eventually(lambda: "b.csv" in heard.read_text())
    parked = "2 messages of units are parked headgate replay --where dataset=units --dry-run"
    assert before == [
        "a.csv of plants is held: no header headgate quarantine list -d plants --object a.csv",
        parked,
    ]
    *again, last = told(heard)[len(before) :]
    assert last == "b.csv of plants is held: no header headgate quarantine list -d plants --object b.csv"
    assert again in ([], [parked])  # it was ended when it had told this one, and not acknowledged it yet


def told(heard: Path) -> list[str]:
    """Its lines, without time and severity."""
    return [line.split(" ", 2)[2] for line in heard.read_text().splitlines()]


def bound(broker: Broker) -> bool:
    """Whether all of its patterns are."""
    with broker.api() as api:
        found = api.get(f"/api/queues/{broker.vhost}/{QUEUE}/bindings").json()
        return isinstance(found, list) and len([item for item in found if item["source"]]) == 3


def test_its_login_may_read_nothing_else(broker: Broker, login: Login) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(broker.url))) as connection:
        topology.declare(connection.channel(), ["plants"])
    parts = urlsplit(login.url)
    with amqp.Connection(
        f"{parts.hostname}:{parts.port}", login.name, login.password, virtual_host=broker.vhost
    ) as connection:
        for queue in (topology.PARKING_QUEUE, topology.rows_queue("plants")):
            with pytest.raises(amqp.exceptions.AccessRefused):
                connection.channel().basic_get(queue)
