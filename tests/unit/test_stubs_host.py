"""The host of the stub providers: a date of its own, faults in line, calls counted."""

from __future__ import annotations

from datetime import date, timedelta

from tests.stubs.world import World


def test_a_world_with_a_date_stays_there_until_days_go_by() -> None:
    world = World(date(2024, 2, 1))
    world.advance(2)
    assert world.today == date(2024, 2, 3)


def test_chance_is_the_same_for_the_same_key() -> None:
    assert World().random("oslo", 1).random() == World().random("oslo", 1).random()
    assert World().random("oslo", 1).random() != World().random("oslo", 2).random()


def test_corrections_change_the_days_they_reach() -> None:
    world = World(date(2024, 2, 1))
    world.correct("noaa_cdo")

    def revision(days_ago: int) -> int:
        return world.revision("noaa_cdo", world.today - timedelta(days=days_ago), reach=14)

    assert [revision(3), revision(14), revision(15), revision(-1)] == [1, 1, 0, 0]
    assert world.revision("ncei") == 0


def test_a_fault_is_met_as_often_as_said_where_said() -> None:
    world = World()
    world.fault("globe", "html", times=2, match="/search", after=1)
    met = [
        world.meets("globe", "html", path) for path in ("/search", "/other", "/search", "/search", "/search")
    ]
    assert met == [False, False, True, True, False]
