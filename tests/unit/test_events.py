"""The catalogue of events and what one becomes on the wire."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator

from headgate import paths
from headgate.cli.app import app
from headgate.errors import Fatal
from headgate.events import CATALOGUE, SYSTEM, Event, EventType, encode
from headgate.events.schema import page, schema

TYPES = pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")  # CloudEvents 1.0.2, "Attribute Naming Convention"


def example(entry: EventType) -> Event:
    """The event of the catalogue's example."""
    return Event(entry.kind, SYSTEM if entry.system else "egrid_plants", "it", entry.example)


@TYPES
def test_an_example_is_a_whole_cloudevent(entry: EventType) -> None:
    cloudevent = example(entry).cloudevent("lab")
    properties, body = encode(cloudevent)
    assert json.loads(body) == cloudevent
    assert all(ATTRIBUTE.fullmatch(name) for name in cloudevent)
    assert properties.message_id == cloudevent["id"]
    assert len(cloudevent["data"]["summary"]) > 10
    assert not re.search(r"[{}]|\bNone\b", cloudevent["data"]["summary"] + cloudevent["data"].get("mend", ""))


@TYPES
def test_the_command_that_mends_is_one(entry: EventType) -> None:
    mend = example(entry).data.get("mend", "")
    assert mend or entry.status != "firing" or entry.kind == "notification.test"
    if mend:
        program, *arguments = shlex.split(mend)
        assert program == "headgate"
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        command.make_context("headgate", arguments)  # parses them, and would refuse an unknown option


@TYPES
def test_an_example_fits_its_schema(entry: EventType) -> None:
    validator = Draft202012Validator(schema(entry))
    cloudevent = example(entry).cloudevent("lab")
    validator.validate(cloudevent)
    assert not validator.is_valid(cloudevent | {"type": "headgate.other"})
    for name in entry.example.keys() & schema(entry)["properties"]["data"]["required"]:
        data = {key: value for key, value in cloudevent["data"].items() if key != name}
        assert not validator.is_valid(cloudevent | {"data": data})


def test_the_page_is_the_one_that_is_generated() -> None:
    written = (paths.CHECKOUT / "docs" / "events.md").read_text(encoding="utf-8")
    assert written == page(), "run: headgate events types --markdown > docs/events.md"


@TYPES
def test_a_type_ends_or_is_ended(entry: EventType) -> None:
    enders = [other for other in CATALOGUE.values() if other.resolves == entry.kind]
    assert (entry.status == "resolved") == (entry.resolves is not None)
    if entry.status == "firing":
        assert len(enders) == 1 or entry.expires is not None
    if entry.resolves:
        assert CATALOGUE[entry.resolves].status == "firing"


def test_an_end_has_the_fingerprint_of_what_it_ends() -> None:
    held = Event("object.held", "plants", "a.csv", {"key": "a.csv", "reason": "no header", "run_id": 1})
    again = Event("object.held", "plants", "a.csv", {"key": "a.csv", "reason": "no key", "run_id": 2})
    released = Event("object.released", "plants", "a.csv", {"key": "a.csv"})
    assert held.fingerprint == again.fingerprint == released.fingerprint
    other_key = Event("object.held", "plants", "b.csv", {"key": "b.csv", "reason": "no header"})
    other_dataset = Event("object.held", "units", "a.csv", {"key": "a.csv", "reason": "no header"})
    assert len({held.fingerprint, other_key.fingerprint, other_dataset.fingerprint}) == 3


def test_the_sentence_and_the_way_out_are_filled_in() -> None:
    event = Event("object.held", "plants", "a.csv", {"key": "a.csv", "reason": "no header"})
    assert event.data["summary"] == "a.csv of plants is held: no header"
    assert event.data["mend"] == "headgate quarantine list -d plants --object a.csv"
    own = Event("object.held", "plants", "a.csv", {"key": "a.csv", "reason": "r", "summary": "{look}"})
    assert own.data["summary"] == "{look}"


@pytest.mark.parametrize(
    ("kind", "data", "problem"),
    [
        ("object.hold", {}, "no event type 'object.hold'"),
        ("object.held", {"key": "a"}, "reason: Field required"),
        ("object.held", {"key": "a", "reason": "r", "row": "x"}, "row: Extra inputs"),
    ],
)
def test_what_the_catalogue_does_not_know_is_refused(kind: str, data: dict[str, str], problem: str) -> None:
    with pytest.raises(Fatal, match=problem):
        Event(kind, "plants", "a", data)


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "90 s"), (120, "2 min"), (12600, "3.5 h"), (90000, "25 h")]
)
def test_time_spans_are_told_in_peoples_units(seconds: float, text: str) -> None:
    gone = {"queue": "headgate.rows.plants", "messages": 3, "seconds": seconds}
    summary = Event("queue.stalled", "plants", "headgate.rows.plants", gone).data["summary"]
    assert summary.endswith(f"none was handled for {text}")


def test_the_command_that_mends_can_be_copied_whatever_the_name() -> None:
    event = Event("object.held", "plants", "it", {"key": "a b';$(reboot).csv", "reason": "no header"})
    assert shlex.split(event.data["mend"])[-1] == "a b';$(reboot).csv"


def test_an_id_must_fit_into_a_message() -> None:
    with pytest.raises(Fatal, match="longer than 255 bytes"):
        Event("notification.test", SYSTEM, "it", event_id="ä" * 128)


def test_a_dataset_that_a_foreign_message_names_is_one_word_of_a_routing_key() -> None:
    names = [Event("notification.test", name, "it").dataset for name in ("plants", "a.b #", "", "x" * 300)]
    assert names == ["plants", "a_b__", SYSTEM, "x" * 63]
