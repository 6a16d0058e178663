"""BarentsWatch on the whole road: client, landing, ledger, queue, tables, books."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.contract import contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.errors import Fatal
from headgate.paths import datasets_dir
from headgate.sources.landing import manifest_key
from headgate.steps.services import Services
from tests.conftest import Environment
from tests.integration.misbehaving import Misbehaving, Reply, misbehaving, token
from tests.integration.road import balanced, consumer
from tests.integration.source_road import SourceRoad, make_source_road
from tests.stubs.barentswatch import CREDENTIALS
from tests.stubs.host import Stubs

TODAY = date(2024, 2, 1)
DAY = (date(2024, 1, 31), date(2024, 1, 31))
WEEKS = (date(2024, 1, 15), date(2024, 1, 28))  # 2024-W03 and W04
LATEST = "/v1/latest/combined"


@pytest.fixture
def world(world: Stubs) -> Stubs:
    """On the first of February 2024."""
    world.reset(TODAY)
    return world


@pytest.fixture
def server(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Misbehaving]:
    """A server that plays all hosts of both providers, and a consumer."""
    with misbehaving() as made, consumer(environment):
        made.on("/connect/token", token())
        for name, hosts in (
            ("BARENTSWATCH", ("", "_GEO", "_ID")),
            ("BARENTSWATCH_AIS", ("_LIVE", "_HISTORIC", "_ID")),
        ):
            for host in hosts:
                monkeypatch.setenv(f"HEADGATE_SOURCE_{name}_URL{host}", made.url)
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture(scope="session")
def recordings(recordings: Path) -> Path:
    """Those of BarentsWatch."""
    return recordings / "barentswatch"


DATASETS = {
    "ais_latest": (DAY, 6),
    "ais_tracks": (DAY, 3 * (96 + 1)),
    "fish_health": (WEEKS, 2 * 6),
    "fish_health_lice": (WEEKS, 2 * 6),
    "aquaculture_capacity": (WEEKS, 2 * 3 * 2),
    "fishing_gear": (DAY, 4),
    "wave_forecast": (DAY, 3 * 20),
    "sea_current": (DAY, 3 * 24),
    "protection_zones": (DAY, 5 + 7 + 3 + 4),
}


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_dataset_is_filled_from_nothing_and_asked_again_for_nothing(
    environment: Environment, world: Stubs, dataset: str
) -> None:
    days, rows = DATASETS[dataset]
    road = make_source_road(environment, dataset)
    provider = str(road.contract.source and road.contract.source.provider)
    books = road.load(*days)
    balanced(books, read=rows, inserted=rows)
    [(stored,)] = road.rows(f"SELECT count(*) FROM maritime.{road.contract.table}")
    assert stored == rows
    calls = len(world.calls(provider))

    balanced(road.load(*days))
    assert len(world.calls(provider)) == calls


def test_late_reports_and_corrections_are_updates(
    environment: Environment, stubs: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stubs.settings.items():
        monkeypatch.setenv(name, value)
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday())
    past = (monday - timedelta(weeks=2), monday - timedelta(days=1))
    lice = (
        "SELECT (locality_no, week)::text, avg_adult_female_lice FROM maritime.fish_health "
        "WHERE week_start < %s"
    )
    with consumer(environment):
        road = make_source_road(environment, "fish_health", since=str(past[0]))
        balanced(road.load(*past), read=12, inserted=12)
        before = dict(road.rows(lice, monday))
        stubs.do("correct", provider="barentswatch")
        books = road.load()  # the weeks that may still change, and the one that has begun
        after = dict(road.rows(lice, monday))
    changed = {site for site, count in before.items() if after[site] != count}
    assert changed
    assert all(after[site] == pytest.approx(before[site] + 1) for site in changed)
    found = books.as_json()["rows"]
    assert (books.state, found["inserted"], found["updated"]) == ("success", 6, len(changed))


def test_typing_errors_are_loaded_and_counted(environment: Environment, world: Stubs) -> None:
    road = make_source_road(environment, "fish_health_lice")
    balanced(road.load(*WEEKS), read=12, inserted=12)
    assert [name.rpartition("/")[2] for name in road.landed()] == ["page-00001.csv.gz"] * 2
    temperatures = road.rows(
        "SELECT week, municipality_no FROM maritime.fish_health_lice WHERE sea_temperature > 25"
    )
    assert temperatures == [(4, "0301")]
    [(warnings,)] = road.rows(
        "SELECT sum((rule_counts ->> 'warning:sea_temperature_plausible')::int) FROM headgate.chunk"
    )
    assert warnings == 1


def test_no_point_of_the_model_is_an_empty_answer(environment: Environment, world: Stubs) -> None:
    road = make_source_road(environment, "wave_forecast", each={"point": ["10.75,61.00", "5.10,62.25"]})
    balanced(road.load(*DAY), read=20, inserted=20)
    bodies = road.landed()
    assert sorted(len(body) > 0 for body in bodies.values()) == [False, True]
    assert any("point=10.75,61.00" in name for name, body in bodies.items() if not body)
    [row] = road.rows(
        "SELECT mean_wave_direction, significant_wave_height, peak_period FROM maritime.wave_forecast "
        "ORDER BY forecast_time DESC LIMIT 1"
    )
    assert row == (None, None, None)


def test_weeks_before_the_data_are_empty(environment: Environment, world: Stubs) -> None:
    road = make_source_road(environment, "fish_health", since="2010-01-01")
    balanced(road.load(date(2011, 1, 3), date(2011, 1, 9)))
    [body] = road.landed().values()
    assert json.loads(body)["localities"] == []


def test_sites_without_a_report_give_no_rows_and_all_sites_can_be_asked_for(
    environment: Environment, world: Stubs
) -> None:
    road = make_source_road(environment, "aquaculture_capacity", each={"locality": ["10029", "99999"]})
    balanced(road.load(date(2024, 1, 22), date(2024, 1, 28)), read=2, inserted=2)
    everywhere = make_source_road(environment, "aquaculture_capacity", each={})
    everywhere.runs = road.runs
    balanced(everywhere.load(date(2024, 1, 15), date(2024, 1, 21)), read=12, inserted=12)
    assert sum("2024/3" in call["path"] for call in world.calls("barentswatch")) == 6
    endless = "SELECT DISTINCT license_key, expiration_date FROM maritime.aquaculture_capacity ORDER BY 1"
    assert road.rows(endless) == [("HAV0011", None), ("RKM0025", date(2031, 7, 1))]


def test_a_last_page_of_zones_that_is_full_ends_the_layer(environment: Environment, world: Stubs) -> None:
    terms = {"each": {"layer": ["pdsurveillancezone"]}, "parameters": {"count": 2}}  # of four zones
    road = make_source_road(environment, "protection_zones", **terms)
    balanced(road.load(*DAY), read=4, inserted=4)
    assert len(road.landed()) == 3
    assert all(not call["query"].count("token") for call in world.calls("barentswatch"))
    assert not world.calls("barentswatch", "connect/token")
    days = road.rows("SELECT zone_id, valid_from, valid_to FROM maritime.protection_zones ORDER BY 1 LIMIT 2")
    assert days == [(0, date(2024, 1, 9), date(2025, 1, 1)), (1, date(2024, 5, 1), None)]


@pytest.mark.parametrize("dataset", ["protection_zones", "fishing_gear"])
def test_a_body_that_only_names_another_time_is_no_new_version(
    environment: Environment, world: Stubs, dataset: str
) -> None:
    road = make_source_road(environment, dataset)
    first = road.load(*DAY).as_json()["rows"]["inserted"]
    before = road.landed()
    balanced(road.load(*DAY, refetch=True))
    assert (first > 0, road.landed()) == (True, before)


def test_an_exception_of_the_map_server_is_the_windows_reason(environment: Environment, world: Stubs) -> None:
    world.do("fault", provider="barentswatch", kind="wfs_exception")
    road = make_source_road(environment, "protection_zones", each={"layer": ["pdprotectionzone"]})
    books = road.load(*DAY)
    assert books.state == "failed"
    assert "Could not parse CQL filter" in str(books.as_json()["reason"])
    balanced(road.load(*DAY), read=3, inserted=3)


def test_a_token_that_ends_in_the_middle_is_renewed_once(environment: Environment, world: Stubs) -> None:
    world.do("fault", provider="barentswatch", kind="401", match="fishhealth", after=1)
    road = make_source_road(environment, "fish_health")
    balanced(road.load(*WEEKS), read=12, inserted=12)
    tokens = [call["status"] for call in world.calls("barentswatch", "connect/token")]
    asked = [call["status"] for call in world.calls("barentswatch", "fishhealth")]
    assert (tokens, asked) == ([200, 200], [200, 401, 200])


def test_a_client_that_is_refused_is_told_what_to_set_and_no_secret(
    environment: Environment, world: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_SOURCE_BARENTSWATCH_AIS_CLIENT_SECRET", "not+this/one")
    road = make_source_road(environment, "ais_latest")
    with pytest.raises(Fatal, match="HEADGATE_SOURCE_BARENTSWATCH_AIS_CLIENT_ID") as refused:
        road.load(*DAY)
    assert "invalid_client" in str(refused.value)
    assert "not+this/one" not in str(refused.value)
    assert [call["status"] for call in world.calls("barentswatch_ais")] == [400]


def test_html_in_place_of_data_is_asked_for_again(environment: Environment, world: Stubs) -> None:
    world.do("fault", provider="barentswatch_ais", kind="html", match="latest")
    world.do("fault", provider="barentswatch_ais", kind="cut", match="latest")
    road = make_source_road(environment, "ais_latest")
    balanced(road.load(*DAY), read=6, inserted=6)
    assert len(world.calls("barentswatch_ais", "latest")) == 3


def test_echoes_are_one_row_and_two_places_in_one_second_are_two(
    environment: Environment, world: Stubs
) -> None:
    road = make_source_road(environment, "ais_tracks", each={"mmsi": ["257034450"]})
    balanced(road.load(*DAY), read=97, inserted=97)
    [body] = road.landed().values()
    assert len(json.loads(body)) == 97 + 5
    [(noon,)] = road.rows("SELECT count(*) FROM maritime.ais_tracks WHERE msgtime = '2024-01-31T12:00Z'")
    assert noon == 2


def test_tracks_are_kept_for_two_weeks_only(environment: Environment, world: Stubs) -> None:
    road = make_source_road(environment, "ais_tracks", each={"mmsi": ["257034450"]})
    balanced(road.load(date(2024, 1, 16), date(2024, 1, 16)))
    assert list(road.landed().values()) == [b"[]"]


# Recorded answers, byte for byte


def body_and_manifest(road: SourceRoad) -> tuple[bytes, dict[str, Any]]:
    """The one body that was landed and what is written of it."""
    [(name, body)] = road.landed().items()
    manifest = road.services.store.read(road.bucket, manifest_key(road.contract.prefix + name))
    return body, json.loads(manifest)


def served(text: bytes) -> tuple[Reply, bytes]:
    """A recording with its head as a reply, and the body."""
    head, _, body = text.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    fields = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
    kind = fields.pop("Content-Type")
    fields = {name: value for name, value in fields.items() if name not in ("Connection", "Date")}
    return Reply(body, status, fields, kind), body


def messages_road(environment: Environment) -> SourceRoad:
    """The latest messages, a row for each kind and ship, as a contract over the dataset of ships."""
    document = yaml.safe_load((datasets_dir() / "ais_latest.yaml").read_bytes())
    document["servers"][0]["location"] = f"s3://{environment.buckets.landing}/ais_latest/"
    for entry in document["customProperties"]:
        if entry["property"] == "source":
            entry["value"]["endpoint"] = "latest_messages"
    kind = {"name": "kind", "physicalType": "text", "logicalType": "string", "primaryKey": True}
    aliases = [{"property": "aliases", "value": ["type"]}]
    document["schema"][0]["properties"].append(kind | {"primaryKeyPosition": 2, "customProperties": aliases})
    contract = contract_from_document(document)
    with closing(connect(environment.database.owner_url)) as conn:
        apply_contract(conn, contract)
    return SourceRoad(environment, contract, Services.of(environment.settings, patience=5.0))


def test_recorded_latest_messages(environment: Environment, server: Misbehaving, recordings: Path) -> None:
    reply, body = served((recordings / "get_latest_ais.txt").read_bytes())
    server.on("/v1/latest/ais", reply)
    road = messages_road(environment)

    balanced(road.load(*DAY), read=1472, inserted=1472)

    stored, manifest = body_and_manifest(road)
    assert stored == body
    assert manifest["headers"]["content-type"] == "application/json; charset=utf-8"
    assert CREDENTIALS["HEADGATE_SOURCE_BARENTSWATCH_AIS_CLIENT_SECRET"] not in json.dumps(manifest)
    kinds = road.rows("SELECT kind, count(*) FROM maritime.ais_latest GROUP BY kind ORDER BY kind")
    assert kinds == [("Aton", 37), ("Position", 1359), ("Staticdata", 76)]
    [birgerson] = road.rows(
        "SELECT name, draught, eta, ship_length FROM maritime.ais_latest "
        "WHERE mmsi = 259102000 AND kind = 'Staticdata'"
    )
    assert birgerson == ("BIRGERSON", 40, "08170030", 21)


@pytest.mark.parametrize(
    ("name", "rows"), [("combined_full_json.txt", 498), ("combined_simple_json.txt", 324)]
)
def test_recorded_positions(
    environment: Environment, server: Misbehaving, recordings: Path, name: str, rows: int
) -> None:
    body = (recordings / name).read_bytes()
    server.on("/v1/historic/tracks/0/2024-01-31T00:00:00Z/2024-02-01T00:00:00Z", Reply(body))
    road = make_source_road(environment, "ais_tracks", each={"mmsi": ["0"]})

    balanced(road.load(*DAY), read=rows, inserted=rows)

    assert body_and_manifest(road)[0] == body
    if "full" in name:
        [(positions,)] = road.rows(
            "SELECT count(*) FROM maritime.ais_tracks "
            "WHERE mmsi = 258505000 AND msgtime = '2023-02-17T11:38:40Z'"
        )
        assert positions == 2
    heading, rescued = "true_heading = 511", "_rescued ? 'name'"
    assert road.rows(f"SELECT 1 FROM maritime.ais_tracks WHERE {heading} OR {rescued}") == []


def test_recorded_refusal(environment: Environment, server: Misbehaving, recordings: Path) -> None:
    server.on(LATEST, served((recordings / "post_ais_none_included_all.txt").read_bytes())[0])
    books = make_source_road(environment, "ais_latest").load(*DAY)
    assert books.state == "failed"
    assert "Atleast one of IncludePosition" in str(books.as_json()["reason"])


def test_recorded_lice(environment: Environment, server: Misbehaving, recordings: Path) -> None:
    body = (recordings / "lice_2020_13035.csv").read_bytes()
    server.on("/v1/geodata/download/fishhealth", Reply(body, content_type="text/csv"))
    road = make_source_road(environment, "fish_health_lice", window="month")

    balanced(road.load(date(2020, 1, 1), date(2020, 1, 31)), read=4, inserted=4)

    assert body_and_manifest(road)[0] == body
    [row] = road.rows(
        "SELECT week_start, adult_female_lice, sea_temperature, above_lice_limit, probably_fallow, "
        "municipality, production_area, _rescued FROM maritime.fish_health_lice WHERE week = 1"
    )
    assert row == (date(2019, 12, 30), 1.22, 8.6, True, False, "AUSTEVOLL", "Karmøy til Sotra", None)


def test_recorded_site(environment: Environment, server: Misbehaving, recordings: Path) -> None:
    site = (recordings / "fishhealth_locality_week30_2026.one-row.json").read_bytes()
    body = b'{"year":2026,"week":30,"localities":[' + site + b"]}"
    server.on("/v1/geodata/fishhealth/locality/2026/30", Reply(body))
    road = make_source_road(environment, "fish_health")

    balanced(road.load(date(2026, 7, 20), date(2026, 7, 26)), read=1, inserted=1)

    assert body_and_manifest(road)[0] == body
    columns = (
        "locality_no, week_start, name, avg_adult_female_lice, municipality_no, has_reported_lice, _rescued"
    )
    [row] = road.rows(f"SELECT {columns} FROM maritime.fish_health")
    assert row == (10029, date(2026, 7, 20), "Tuholmane Ø", 0.02, "1149", True, None)
