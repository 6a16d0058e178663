"""Fetching from a real HTTP server, landing, and the one road behind it: nothing twice, nothing lost."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headgate.books import RunBooks
from headgate.contract import contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect, transaction
from headgate.errors import Retriable
from headgate.ledger.fetch import wanted_of_lane
from headgate.sources import landing
from headgate.sources.keys import Place
from headgate.sources.landing import manifest_key
from headgate.sources.model import Ask, Page, Want, Window
from headgate.steps import fetch as fetching
from headgate.steps.services import Services
from tests.conftest import Environment
from tests.integration.source_road import SourceRoad
from tests.tiny import TinyServer, contract, tiny, tiny_server

__all__ = ["tiny", "tiny_server"]

FIRST = datetime(2024, 1, 1, tzinfo=UTC)


class TinyRoad(SourceRoad):
    """Of tiny things by place and day."""

    def backfill(self, day: datetime) -> RunBooks:
        self.kind, self.interval = "backfill", (day, day + timedelta(days=1))
        return self.load()

    def amounts(self) -> dict[tuple[str, str, int], float]:
        rows = self.rows("SELECT place, day, id, amount FROM lab.things")
        return {(place, day, number): float(amount) for place, day, number, amount in rows}

    def windows(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT to_char(window_start, 'MM-DD'), state, pages, pages_new FROM headgate.fetch"
            " ORDER BY window_start, folder"
        )


def make(environment: Environment, folder: Path, **terms: Any) -> TinyRoad:
    """A road of tiny things at the places a and b, and no waiting for a provider that is away."""
    made = contract(environment.buckets.landing, **{"each": {"place": ["a", "b"]}, **terms})
    with closing(connect(environment.database.owner_url)) as conn:
        apply_contract(conn, made)
    settings = environment.settings.model_copy(
        update={"sources_attempts": 1, "sources_backoff_seconds": 0.01, "sources_wait_seconds": 1.0}
    )
    (folder / "tiny_things.json").write_text('{"name": "tiny_things", "expectations": []}')
    return TinyRoad(environment, made, Services.of(settings, patience=5.0), suites=folder)


@pytest.fixture
def road(environment: Environment, tiny_server: TinyServer, tmp_path: Path) -> TinyRoad:
    return make(environment, tmp_path)


def rows_of(books: RunBooks) -> dict[str, int]:
    return {name: count for name, count in books.as_json()["rows"].items() if count}


def test_from_nothing_to_rows_and_nothing_is_fetched_twice(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    tiny_server.put("a", "2024-01-01", 1, 2, 3)
    tiny_server.put("b", "2024-01-02", 4)

    books = road.load("2024-01-01", "2024-01-02")

    assert (books.state, books.balanced, rows_of(books)) == ("success", True, {"read": 4, "inserted": 4})
    assert road.amounts() == {
        ("a", "2024-01-01", 1): 1.0,
        ("a", "2024-01-01", 2): 2.0,
        ("a", "2024-01-01", 3): 3.0,
        ("b", "2024-01-02", 1): 4.0,
    }
    assert [key for key in road.landed() if "place=a" in key] == [
        "20240101T000000Z_20240102T000000Z/place=a/page-00001.json.gz",
        "20240101T000000Z_20240102T000000Z/place=a/page-00002.json.gz",
        "20240102T000000Z_20240103T000000Z/place=a/page-00001.json.gz",
    ]
    counts = {"windows": 4, "landed": 4, "failed": 0, "pages": 5, "pages_new": 5}
    assert books.as_json()["fetched"] == counts
    asked = len(tiny_server.asked)

    again = road.load("2024-01-01", "2024-01-02")

    assert (again.state, rows_of(again), again.objects, again.fetched) == ("success", {}, (), ())
    assert len(tiny_server.asked) == asked


def test_a_body_is_landed_as_it_came_with_a_manifest_without_secrets(
    road: TinyRoad, tiny_server: TinyServer
) -> None:
    tiny_server.put("a", "2024-01-01", 1)
    road.fetch(road.request("2024-01-01", "2024-01-01"))

    key = (
        road.contract.prefix
        + Place(Window(FIRST, FIRST + timedelta(days=1)), {"place": "a"}, "page-00001").path
    )
    body = gzip.decompress(road.services.store.read(road.bucket, key))
    assert json.loads(body) == {"things": [{"id": 1, "day": "2024-01-01", "amount": 1}], "more": False}
    manifest = json.loads(road.services.store.read(road.bucket, manifest_key(key)))
    assert manifest["request"]["params"] | {"page": 1} == manifest["request"]["params"]
    assert (manifest["provider"], manifest["status"], manifest["slice"]) == ("tiny", 200, {"place": "a"})
    assert (manifest["size"], manifest["sha256"]) == (len(body), landing.hashlib.sha256(body).hexdigest())
    assert "secret" not in json.dumps(manifest)


def test_corrections_are_updates_and_the_same_answer_is_no_new_version(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    tiny_server.put("a", "2024-01-01", 1, 2, 3)
    days = ("2024-01-01", "2024-01-02")
    first = road.request(*days)
    road.fetch(first)
    road.finish(first)
    first_run = road.scan(first)

    same = road.load(*days, refetch=True)
    assert (rows_of(same), same.objects) == ({}, ())
    assert same.as_json()["fetched"]["pages_new"] == 0
    assert road.books(first_run).as_json()["fetched"]["pages_new"] == 5

    tiny_server.put("a", "2024-01-01", 1, 2.5, 3)
    corrected = road.load(*days, refetch=True)
    assert rows_of(corrected) == {"read": 2, "updated": 1, "unchanged": 1}

    tiny_server.put("a", "2024-01-01", 1, 2, 3)
    taken_back = road.load(*days, refetch=True)
    assert rows_of(taken_back) == {"read": 2, "updated": 1, "unchanged": 1}
    assert road.amounts()["a", "2024-01-01", 2] == 2.0


def test_bodies_that_say_when_they_were_made_are_the_same_when_their_records_are(
    road: TinyRoad, tiny_server: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tiny import Tiny

    monkeypatch.setattr(Tiny, "volatile", True)
    days = ("2024-01-01", "2024-01-01")
    body = '{"made": %d, "things": [{"id": %d}], "more": false}'
    new = []
    for numbers in [(1, 1), (2, 1), (3, 2)]:
        tiny_server.down = (200, body % numbers)
        road.fetch(road.request(*days, refetch=True))
        new.append([pages_new for *_, pages_new in road.windows()])
    assert new == [[1, 1], [0, 0], [1, 1]]


def test_a_page_that_is_no_longer_becomes_an_empty_answer(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    days = ("2024-01-01", "2024-01-01")
    tiny_server.put("a", "2024-01-01", 1, 2, 3)
    road.load(*days)
    tiny_server.put("a", "2024-01-01", 1, 2)

    books = road.load(*days, refetch=True)

    assert books.state == "success"
    [page] = [key for key in road.landed() if "place=a/page-00002" in key]
    assert gzip.decompress(road.services.store.read(road.bucket, road.contract.prefix + page)) == b""
    assert rows_of(road.load(*days, refetch=True)) == {}
    tiny_server.put("a", "2024-01-01", 1, 2, 7)
    assert rows_of(road.load(*days, refetch=True)) == {"read": 3, "updated": 1, "unchanged": 2}


def test_a_row_that_moves_to_an_earlier_page_takes_its_correction_with_it(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    """The page that it was on is newer by a moment, and has it no longer."""
    days = ("2024-01-01", "2024-01-01")
    tiny_server.put("a", "2024-01-01", 1, 2, 3, 4)
    road.load(*days)
    moved = tiny_server.things["a", "2024-01-01"][1:]
    moved[1]["amount"] = 3.5
    tiny_server.things["a", "2024-01-01"] = moved

    books = road.load(*days, refetch=True)

    assert rows_of(books) == {"read": 3, "updated": 1, "unchanged": 2}
    assert road.amounts()["a", "2024-01-01", 3] == 3.5


def test_a_backfill_of_a_week_twice_asks_and_changes_nothing_the_second_time(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    days = [FIRST + timedelta(days=number) for number in range(7)]
    for day in days:
        tiny_server.put("a", f"{day:%Y-%m-%d}", 1, 2)
    for day in days:
        assert road.backfill(day).state == "success"
    asked, rows = len(tiny_server.asked), road.amounts()
    assert (asked, len(rows)) == (14, 14)

    for day in days:
        books = road.backfill(day)
        assert (books.state, rows_of(books)) == ("success", {})

    assert (len(tiny_server.asked), road.amounts()) == (asked, rows)


def test_a_provider_that_is_away_fails_its_windows_and_not_the_run(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    tiny_server.put("a", "2024-01-01", 1)
    tiny_server.put("b", "2024-01-01", 2)
    road.kind, road.interval = "scheduled", (FIRST, FIRST + timedelta(days=1))
    tiny_server.faults = {2: (503, "be patient")}

    books = road.load()

    assert (books.state, rows_of(books)) == ("success", {"read": 1, "inserted": 1})
    assert books.run.reason is not None
    assert "1 of 2 windows were not fetched: Tiny, GET /things: status 503" in books.run.reason
    road.interval = (FIRST + timedelta(days=1), FIRST + timedelta(days=2))
    later = road.load()
    assert (later.run.reason, rows_of(later)) == (None, {"read": 1, "inserted": 1})
    assert road.amounts() == {("a", "2024-01-01", 1): 1.0, ("b", "2024-01-01", 1): 2.0}


def test_a_refused_request_fails_the_run_after_the_rest_is_loaded(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    tiny_server.put("b", "2024-01-01", 2)
    tiny_server.faults = {1: (400, "place a is not known")}

    books = road.load("2024-01-01", "2024-01-01")

    assert (books.state, rows_of(books)) == ("failed", {"read": 1, "inserted": 1})
    assert "place a is not known" in (books.run.reason or "")


def test_pages_that_never_end_fail_their_window(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    tiny_server.down = (200, '{"things": [{"id": 1, "amount": 1}], "more": true}')

    books = road.load("2024-01-01", "2024-01-01")

    assert (books.state, len(tiny_server.asked)) == ("failed", 4)
    assert "sends the page before page-00002 again" in (books.run.reason or "")


def test_what_the_command_line_could_not_have_a_run_still_asks_for(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    from headgate.sources.catalogue import provider

    tiny_server.put("a", "2024-01-01", 1)
    request = road.request("2024-01-01", "2024-01-01")
    [share] = road.plan(request)
    source = road.contract.source
    assert source is not None
    rows = road.services.ledger(wanted_of_lane, share.run_id, share.lane)
    tiny_server.down = (400, "not now")
    by_hand = fetching.Job(road.services, road.contract, provider("tiny"), None, routine=True)
    fetching.fetch_all(by_hand, [fetching.want_of(source, row) for row in rows])
    tiny_server.down = None

    fetching.fetch(road.services, share)

    assert rows_of(road.finish(request)) == {"read": 1, "inserted": 1}


def test_an_answer_that_is_broken_inside_does_not_stop_the_windows_behind_it(
    road: TinyRoad, tiny_server: TinyServer, consuming: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ijson

    from tests.tiny import Tiny

    whole = Tiny.pages

    def pages(self: Tiny, ask: Ask, want: Want) -> Iterator[Page]:
        for page in whole(self, ask, want):
            with page.answer.open() as body:
                list(ijson.items(body, "things.item"))  # as providers do that count what a page has
            yield page

    monkeypatch.setattr(Tiny, "pages", pages)
    tiny_server.put("b", "2024-01-01", 2)
    tiny_server.faults = {1: (200, '{"things": [{"id": 1}}, "more": false}')}

    books = road.load("2024-01-01", "2024-01-01")

    assert (books.state, rows_of(books)) == ("failed", {"read": 1, "inserted": 1})
    assert "Tiny answered what was not expected" in (books.run.reason or "")


def test_a_used_up_quota_stops_asking_and_the_next_run_goes_on(
    road: TinyRoad, tiny_server: TinyServer, consuming: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headgate.sources.model import Answer, QuotaUsed
    from tests.tiny import Tiny

    def problem(self: Tiny, answer: Answer) -> Exception | None:
        return QuotaUsed("10,000 requests a day") if answer.status == 429 else None

    monkeypatch.setattr(Tiny, "problem", problem)
    for day in range(1, 6):
        tiny_server.put("a", f"2024-01-0{day}", day)
    tiny_server.faults = {3: (429, "")}

    books = road.load("2024-01-01", "2024-01-05")

    assert (books.state, len(tiny_server.asked)) == ("failed", 3)
    assert rows_of(books) == {"read": 1, "inserted": 1}
    assert "8 of 10 windows were not fetched: " in (books.run.reason or "")
    with closing(connect(road.environment.database.owner_url)) as conn, conn, conn.cursor() as cursor:
        cursor.execute("UPDATE headgate.source SET held_until = NULL")  # the next day has come
    assert road.load("2024-01-01", "2024-01-05").state == "success"
    assert len(road.amounts()) == 5
    assert len(tiny_server.asked) == 3 + 8


def test_a_lane_that_dies_between_pages_goes_on_without_half_a_window_or_a_double_page(
    road: TinyRoad, tiny_server: TinyServer, consuming: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_server.put("a", "2024-01-01", 1, 2, 3, 4, 5)
    request = road.request("2024-01-01", "2024-01-02")
    [share] = road.plan(request)
    put, puts = road.services.store.put_file, []

    def dying(bucket: str, key: str, path: Path, **more: Any) -> Any:
        if len(puts) == 1:
            raise Retriable("the store is away")
        puts.append(key)
        return put(bucket, key, path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(road.services.store, "put_file", dying)
        with pytest.raises(Retriable):
            fetching.fetch(road.services, share)
    assert [state for _, state, _, _ in road.windows()] == ["wanted"] * 4
    before = road.services.store.stat(road.bucket, puts[0])

    fetching.fetch(road.services, share)

    assert [state for _, state, _, _ in road.windows()] == ["landed"] * 4
    assert road.windows()[0] == ("01-01", "landed", 3, 2)
    assert road.services.store.stat(road.bucket, puts[0]) == before
    asked = len(tiny_server.asked)
    fetching.fetch(road.services, share)
    assert road.plan(request) == []
    assert len(tiny_server.asked) == asked
    assert rows_of(road.finish(request)) == {"read": 5, "inserted": 5}


def test_a_crash_between_a_body_and_its_manifest_loses_and_doubles_nothing(
    road: TinyRoad, tiny_server: TinyServer, consuming: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = ("2024-01-01", "2024-01-01")
    tiny_server.put("a", "2024-01-01", 1)
    road.load(*days)
    tiny_server.put("a", "2024-01-01", 2)
    request = road.request(*days, refetch=True)
    [share] = road.plan(request)

    def crash(*_: Any, **__: Any) -> None:
        raise Retriable("the process was killed here")

    with monkeypatch.context() as patch:
        patch.setattr(road.services.store, "put_bytes", crash)
        with pytest.raises(Retriable):
            fetching.fetch(road.services, share)
    tiny_server.put(
        "a", "2024-01-01", 1
    )  # as the manifest that is left says: the body must be put all the same
    fetching.fetch(road.services, share)

    road.finish(request)
    assert road.amounts() == {("a", "2024-01-01", 1): 1.0}


def test_what_a_run_that_is_alive_has_to_fetch_is_left_to_it_and_a_dead_ones_is_taken_over(
    road: TinyRoad, tiny_server: TinyServer
) -> None:
    days = ("2024-01-01", "2024-01-01")
    first = road.request(*days)
    assert len(road.plan(first)) == 1
    road.alive = {first.dag_run_id}
    assert road.plan(road.request(*days)) == []
    road.alive = set()
    second = road.request(*days)
    [share] = road.plan(second)
    fetching.fetch(road.services, share)
    assert [state for _, state, _, _ in road.windows()] == ["landed", "landed"]


def test_thousands_of_windows_are_few_shares_and_each_is_fetched_once(
    environment: Environment, tiny_server: TinyServer, tmp_path: Path
) -> None:
    road = make(environment, tmp_path, window="hour", each={"place": ["a", "b", "c"]})
    shares = road.plan(road.request("2024-01-01", "2024-03-31"))
    assert [share.as_xcom() for share in shares] == [
        {"run_id": 1, "lane": 0, "lanes": 2},
        {"run_id": 1, "lane": 1, "lanes": 2},
    ]
    counted = road.rows("SELECT lane, count(*) FROM headgate.fetch GROUP BY lane ORDER BY lane")
    assert counted == [(0, 3 * 24 * 91 // 2), (1, 3 * 24 * 91 // 2)]


def test_runs_of_certain_objects_and_of_arrivals_ask_nobody(road: TinyRoad, tiny_server: TinyServer) -> None:
    assert road.plan(road.request(reload=True)) == []
    assert road.plan(replace(road.request(), kind="asset_triggered")) == []
    assert tiny_server.asked == []


def test_rows_in_quarantine_are_replayed_as_json_lines(
    road: TinyRoad, tiny_server: TinyServer, consuming: None
) -> None:
    from headgate.quarantine import Filter, replay

    tiny_server.put("a", "2024-01-01", *range(30), "much")
    books = road.load("2024-01-01", "2024-01-01", accept_rejects=True)
    assert rows_of(books) == {"read": 31, "inserted": 30, "quarantined": 1}
    with closing(connect(road.environment.database.pipeline_url)) as conn:
        done = replay(
            conn,
            road.services.store,
            Filter(dataset=road.contract.dataset),
            prefix_of=lambda _: road.contract.prefix,
            by="me",
        )
    assert done.rows == 1
    again = road.finish(road.request(accept_rejects=True))
    assert rows_of(again) == {"read": 1, "quarantined": 1}


def test_an_answer_without_news_is_fresh_and_what_nobody_asked_for_is_not_late(
    environment: Environment, tiny_server: TinyServer, tmp_path: Path
) -> None:
    from headgate.watch.conditions import conditions
    from headgate.watch.sight import look

    road = make(environment, tmp_path)
    service_level = {"slaProperties": [{"property": "freshness", "value": 1, "unit": "h"}]}
    contract = contract_from_document({**road.contract.document, **service_level})

    def late() -> list[bool]:
        with closing(connect(environment.database.owner_url)) as conn, transaction(conn) as cursor:
            cursor.execute("UPDATE headgate.dataset SET applied_at = now() - interval '3 hours'")
            sight = look(cursor, environment.broker.url)
        told = conditions(sight, {contract.dataset: contract}, environment.settings)
        return [one.holds for one in told if one.kind == "data.late"]

    assert late() == []
    tiny_server.down = (503, "")
    road.fetch(road.request("2024-01-01", "2024-01-01"))
    assert late() == [True]
    with closing(connect(environment.database.owner_url)) as conn, transaction(conn) as cursor:
        cursor.execute("UPDATE headgate.source SET state = 'closed', held_until = NULL")
    tiny_server.down = None
    road.fetch(road.request("2024-01-01", "2024-01-01"))
    assert late() == [False]
