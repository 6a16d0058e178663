"""Programs of the stack that run while they are wanted: stub providers, and who follows the live stream."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate import paths
from headgate.errors import Fatal
from headgate.settings import settings_files
from headgate.stack import Stack, catalogue, consumers, stubs
from headgate.stack.layout import Layout
from headgate.stack.ports import Ports
from headgate.stack.secrets import load_or_make

PORTS = Ports(*range(20_001, 20_009))


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("HEADGATE_HOME", str(tmp_path))
    made = Stack(tmp_path).layout
    made.create()
    return made


def names(layout: Layout) -> set[str]:
    return {program.name for program in catalogue.catalogue(layout, PORTS, load_or_make(layout))}


def test_stubs_are_a_program_until_they_are_not_wanted(layout: Layout) -> None:
    assert "stubs" not in names(layout)
    stubs.switch(layout, on=True)
    assert "stubs" in names(layout)
    stubs.switch(layout, on=False)
    assert "stubs" not in names(layout)


def test_their_settings_are_read_last_and_leave_those_of_the_user_alone(layout: Layout) -> None:
    layout.settings_file.write_text("HEADGATE_SOURCE_NOAA_CDO_TOKEN=the user's own\n")
    stubs.switch(layout, on=True)
    stubs.write_settings(layout, PORTS)
    assert f"=http://127.0.0.1:{PORTS.stubs}/" in layout.stubs_file.read_text()
    assert settings_files() == (layout.settings_file, layout.stubs_file)
    stubs.switch(layout, on=False)
    assert not layout.stubs_file.exists()
    assert "the user's own" in layout.settings_file.read_text()


def test_there_are_none_outside_a_checkout(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "CHECKOUT", tmp_path)
    with pytest.raises(Fatal, match="source tree"):
        stubs.switch(layout, on=True)
    assert not stubs.wanted(layout)


def test_the_live_stream_is_followed_until_it_is_not_wanted(layout: Layout) -> None:
    assert "consumer-ais-stream" not in names(layout)
    with pytest.raises(Fatal, match="HEADGATE_SOURCE_BARENTSWATCH_AIS_CLIENT_ID"):
        consumers.switch_stream(layout, on=True)
    assert "consumer-ais-stream" not in names(layout)
    variable = "HEADGATE_SOURCE_BARENTSWATCH_AIS_CLIENT"
    layout.settings_file.write_text(f"{variable}_ID=me\n{variable}_SECRET=s\n")
    consumers.switch_stream(layout, on=True)
    assert "consumer-ais-stream" in names(layout)
    consumers.switch_stream(layout, on=False)
    assert "consumer-ais-stream" not in names(layout)


def test_the_stream_of_the_stubs_is_followed_without_credentials(layout: Layout) -> None:
    stubs.switch(layout, on=True)
    consumers.switch_stream(layout, on=True)
    assert "consumer-ais-stream" in names(layout)
