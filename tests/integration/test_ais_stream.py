"""The live stream as a process: a stub that streams, real servers, a consumer that brings the rows in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from benchmarks.ais_positions import Sea, is_row
from consumers.stream.feed import Block, StreamEnded
from consumers.stream.framing import Ndjson
from consumers.stream.gathering import Limits
from consumers.stream.service import EXIT_STOPPED, Options, Stream
from headgate.contract import Contract, contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.ledger import live
from headgate.paths import datasets_dir
from headgate.publisher import Publisher
from tests.conftest import Environment, Servers
from tests.integration.misbehaving import Reply, misbehaving, token
from tests.polling import eventually
from tests.stubs.host import Stubs, running_stubs

RATE = 400.0
PROGRAM = Path(sys.executable).with_name("headgate-consumer")
PROVIDER = "barentswatch_ais"


@pytest.fixture(scope="module")
def provider() -> Iterator[Stubs]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADGATE_STUB_AIS_RATE", str(RATE))
        with running_stubs() as stubs:
            yield stubs


@dataclass
class Live:
    """The dataset of live positions in one test environment."""

    environment: Environment
    stubs: Stubs
    contract: Contract
    began: datetime
    variables: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Follow the stream."""
        return self._run("ais-stream", *arguments, **variables)

    def consume(self) -> subprocess.Popen[bytes]:
        return self._run("database")

    def _run(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        log = open(self.log, "ab")  # noqa: SIM115  the process's
        process = subprocess.Popen(
            [PROGRAM, *arguments], env=os.environ | self.variables | variables, stdout=log, stderr=log
        )
        self.processes.append(process)
        return process

    @property
    def log(self) -> Path:
        """Where all programs write."""
        return self.environment.settings.home.parent / "programs.log"

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Lines of the log with this event."""
        whole = self.log.read_text().rpartition("\n")[0].splitlines()
        lines = (json.loads(line) for line in whole if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Stop it as a person would."""
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.environment.database.admin_url)) as conn, conn.cursor() as cursor:
            cursor.execute(statement, values or None)
            conn.commit()
            return list(cursor.fetchall()) if cursor.description else []

    def rows(self) -> int:
        return int(self.sql("SELECT count(*) FROM maritime.ais_positions")[0][0])

    def read_to(self) -> datetime:
        """Up to when the stream is in the ledger."""
        with closing(connect(self.environment.database.pipeline_url)) as conn:
            found = live.read_to(conn, "ais_positions")
        return found or self.began

    def has_read(self, seconds: float) -> None:
        """Wait until the stream was read for so much longer."""
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        eventually(lambda: self.read_to() >= until, seconds=seconds + 60)

    def settle(self) -> None:
        """Wait until every message has its receipt, then say that the minutes are over."""
        missing = (
            "SELECT count(*) FROM headgate.batch b LEFT JOIN headgate.receipt r USING (message_id)"
            " WHERE r.message_id IS NULL"
        )
        eventually(lambda: self.sql(missing) == [(0,)], seconds=60)
        with closing(connect(self.environment.database.pipeline_url)) as conn:
            live.settle(conn, self.contract, datetime.now(UTC) + timedelta(hours=2))

    def assert_whole(self) -> None:
        """Every position from the beginning to where the stream was read is there once; the books balance."""
        self.settle()
        sea = Sea(RATE)
        upto = self.read_to()
        wanted = {
            sea.key(number)
            for number in range(sea.number(self.began) + 1, sea.number(upto) - 1)
            if is_row(number)
        }
        found = {
            (mmsi, f"{sent:%Y-%m-%dT%H:%M:%S.%f}7+00:00", latitude, longitude)
            for mmsi, sent, latitude, longitude in self.sql(
                "SELECT mmsi, msgtime AT TIME ZONE 'UTC', latitude, longitude FROM maritime.ais_positions"
            )
        }
        exact = {
            (mmsi, sent, round(latitude, 6), round(longitude, 6))
            for mmsi, sent, latitude, longitude in wanted
        }
        assert wanted, "nothing was to be read"
        assert exact <= found, f"{len(exact - found)} of {len(exact)} positions are missing"
        [(states, balanced)] = self.sql(
            "SELECT array_agg(DISTINCT state), bool_and(balanced) FROM headgate.books_object"
        )
        assert (states, balanced) == (["loaded"], True)
        [(inserted,)] = self.sql("SELECT sum(inserted) FROM headgate.books_object")
        assert inserted == len(found)
        assert self.sql("SELECT count(*) FROM headgate.live_batch") == [(0,)]


@pytest.fixture
def ais(environment: Environment, provider: Stubs) -> Iterator[Live]:
    provider.reset()
    document = yaml.safe_load((datasets_dir() / "ais_positions.yaml").read_bytes())
    document["servers"][0]["location"] = f"s3://{environment.buckets.landing}/ais_positions/"
    contract = contract_from_document(document)
    with closing(connect(environment.database.owner_url)) as conn:
        apply_contract(conn, contract)
    began = datetime.now(UTC)
    with closing(connect(environment.database.pipeline_url)) as conn:
        live.begin_at(conn, "ais_positions", began)
    variables = {
        **environment.variables,
        **provider.settings,
        "HEADGATE_LOG_FORMAT": "json",
        "HEADGATE_LIVE_SECONDS": "0.3",
        "HEADGATE_LIVE_OVERLAP": "1",
    }
    environment.settings.home.parent.mkdir(exist_ok=True)
    made = Live(environment, provider, contract, began, variables)
    made.log.touch()
    yield made
    print(made.log.read_text()[-20_000:])
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.parametrize("form", ["ndjson", "sse"])
def test_positions_are_rows_and_books_are_by_minute(ais: Live, form: str) -> None:
    ais.consume()
    process = ais.start("--format", form)
    ais.has_read(2)
    ais.end(process)
    ais.assert_whole()
    books = ais.sql("SELECT key, read, quarantined FROM headgate.books_object")
    assert all(key.startswith("ais_positions/20") and key.endswith("Z.ndjson") for key, _, _ in books)
    [(rule, column, raw)] = ais.sql(
        "SELECT DISTINCT ON (rule) rule, column_name, raw FROM headgate.quarantine"
    ) or [("required", "latitude", '{"latitude": null}')]
    assert (rule, column, json.loads(raw)["latitude"]) == ("required", "latitude", None)
    [(runs, kinds)] = ais.sql("SELECT count(*), array_agg(DISTINCT kind) FROM headgate.run")
    assert runs <= 2
    assert kinds == ["live"]


def test_a_recording_of_the_service_is_read_byte_for_byte(ais: Live, recordings: Path) -> None:
    """500 positions as BarentsWatch sent them one day in 2023; two stand there twice."""
    sent = (recordings / "barentswatch" / "combined_full_json.txt").read_bytes()
    ais.consume()
    recorded = [json.loads(line) for line in sent.splitlines()]
    keys = {tuple(line[name] for name in ("mmsi", "msgtime", "latitude", "longitude")) for line in recorded}
    with serving(sent) as variables:
        process = ais.start(**variables)
        eventually(lambda: ais.rows() == len(keys))
        ais.end(process)
    ais.settle()
    assert (len(recorded), ais.rows()) == (500, len(keys))
    [(read, inserted, quarantined, balanced)] = ais.sql(
        "SELECT sum(read), sum(inserted), sum(quarantined), bool_and(balanced) FROM headgate.books_object"
    )
    assert (inserted, quarantined, balanced) == (len(keys), 0, True)
    assert read <= len(recorded)
    [found] = ais.sql(
        "SELECT DISTINCT name, draught, report_class FROM maritime.ais_positions WHERE mmsi = 257034450"
    )
    assert found == ("HIMMELTIND", 20, "A")


def test_a_bad_line_that_comes_again_after_a_cut_is_in_quarantine_once(ais: Live) -> None:
    now = datetime.now(UTC).isoformat()
    positions = [
        {"mmsi": 1, "latitude": 66.5},
        {"mmsi": 2, "latitude": None},
        {"mmsi": 3, "latitude": "north"},
    ]
    sent = b"".join(
        json.dumps({"msgtime": now, "longitude": 12.1} | position).encode() + b"\n" for position in positions
    )
    ais.consume()
    with serving(sent, sent) as variables:
        process = ais.start(**variables)
        eventually(lambda: ais.sql("SELECT sum(read) FROM headgate.books_object") == [(4,)])
        ais.end(process)
    ais.settle()
    assert ais.sql(
        "SELECT sum(read), sum(inserted), sum(unchanged), sum(quarantined), bool_and(balanced)"
        " FROM headgate.books_object"
    ) == [(4, 1, 1, 2, True)]


def test_a_bad_line_that_reads_like_one_before_the_cut_is_kept_once_the_cut_is_behind_us(ais: Live) -> None:
    def position(mmsi: int, sent: datetime) -> bytes:
        found = {"mmsi": mmsi, "msgtime": sent.isoformat(), "longitude": 12.1, "latitude": 66.5}
        return json.dumps(found).encode() + b"\n"

    bad = b'{"mmsi": 2}\n'
    now, later = datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1)
    before = position(1, now) + bad
    told = Told([before], [before, position(3, later), bad])
    pipeline = ais.environment.database.pipeline_url
    with Publisher(ais.environment.broker.url) as publisher:
        options = Options("ais_positions", Ndjson, Limits(1 << 20, 0.0), overlap=1.0)
        stream = Stream(options, lambda: connect(pipeline), publisher, told.open, "told")
        told.at_the_end = stream.stop
        assert stream.run() == EXIT_STOPPED
    assert ais.sql("SELECT raw FROM headgate.quarantine") == [(bad.decode().strip(),)] * 2


class Told:
    """A provider that sends each connection these pieces; every one is booked before the next comes."""

    def __init__(self, *connections: list[bytes]) -> None:
        self._connections = list(connections)
        self._pieces: list[bytes] = []
        self.at_the_end = lambda: None

    @contextmanager
    def open(self, since: datetime) -> Iterator[Told]:
        self._pieces = self._connections.pop(0)
        yield self

    def next(self, seconds: float) -> Block | None:
        if self._pieces:
            return Block(datetime.now(UTC), self._pieces.pop(0))
        if self._connections:
            raise StreamEnded("the provider has ended the stream")
        self.at_the_end()
        return None


@contextmanager
def serving(*bodies: bytes) -> Iterator[dict[str, str]]:
    """A provider that gives these bodies to those who connect, in their order; its addresses as settings."""
    kind = "application/json; charset=utf-8"
    with misbehaving() as provider:
        provider.on("/connect/token", token())
        provider.on("/v1/combined", *(Reply(body, content_type=kind) for body in (*bodies, b"")))
        yield {f"HEADGATE_SOURCE_BARENTSWATCH_AIS_URL_{host}": provider.url for host in ("LIVE", "ID")}


def test_a_killed_process_goes_on_where_it_was(ais: Live) -> None:
    ais.consume()
    for _ in range(4):
        process = ais.start()
        ais.has_read(0.7)
        process.kill()
        process.wait()
    process = ais.start()
    ais.has_read(1)
    ais.end(process)
    ais.assert_whole()


def test_a_cut_within_a_line_and_a_token_that_ends(ais: Live) -> None:
    ais.consume()
    process = ais.start()
    for _ in range(3):
        ais.has_read(0.5)
        cuts = len(ais.logged("waiting"))
        ais.stubs.do("fault", provider=PROVIDER, kind="401", match="/v1/combined")
        ais.stubs.do("fault", provider=PROVIDER, kind="cut_line", after=2)
        eventually(lambda cuts=cuts: len(ais.logged("waiting")) > cuts)
    ais.has_read(1)
    ais.end(process)
    ais.assert_whole()
    assert ais.sql("SELECT count(*) FROM headgate.quarantine WHERE rule IN ('json', 'truncated')") == [(0,)]
    tokens = [call for call in ais.stubs.calls(PROVIDER) if call["path"].endswith("/connect/token")]
    assert len(tokens) >= 4


def test_without_a_broker_nothing_is_read_and_nothing_is_lost(ais: Live, servers: Servers) -> None:
    """Nor by a crash between the ledger and the broker."""
    ais.consume()
    process = ais.start()
    ais.has_read(0.5)
    servers.rabbitmqctl("stop_app")
    try:
        waiting = "SELECT count(*) FROM headgate.batch WHERE streamed_at IS NULL"
        eventually(lambda: ais.sql(waiting) == [(1,)])
        process.kill()
        process.wait()
        process = ais.start()
        waits = len(ais.logged("publishing waits"))
        eventually(lambda: len(ais.logged("publishing waits")) >= waits + 3)
        assert ais.sql(waiting) == [(1,)], "what cannot be sent piles up"
    finally:
        servers.rabbitmqctl("start_app")
    ais.has_read(1)
    ais.end(process)
    ais.assert_whole()


def test_without_postgres_nothing_is_lost(ais: Live) -> None:
    ais.consume()
    process = ais.start()
    ais.has_read(0.5)
    name = ais.environment.database.name
    with closing(
        psycopg2.connect(ais.environment.database.admin_url.rpartition("/")[0] + "/postgres")
    ) as conn:
        conn.autocommit = True
        conn.cursor().execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        conn.cursor().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        eventually(lambda: ais.logged("waiting"))
        conn.cursor().execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    ais.has_read(1)
    ais.end(process)
    ais.assert_whole()


def test_of_two_processes_one_follows_and_the_other_takes_over(ais: Live) -> None:
    ais.consume()
    first, second = ais.start("--name", "first"), ais.start("--name", "second")
    ais.has_read(1)
    streams = ais.stubs.calls(PROVIDER, "/v1/combined")
    assert len(streams) == 1
    [(leader,)] = ais.sql(
        "SELECT application_name FROM pg_stat_activity a JOIN pg_locks l USING (pid)"
        " WHERE l.locktype = 'advisory'"
        " AND a.application_name LIKE 'headgate-stream%%' AND a.datname = current_database()"
    )
    killed, other = (first, second) if leader.endswith("first") else (second, first)
    killed.kill()
    ais.has_read(1)
    ais.end(other)
    ais.assert_whole()


def test_silence_and_a_gap_are_told_once(ais: Live) -> None:
    ais.sql("UPDATE headgate.live SET read_to = now() - interval '30 hours'")
    ais.stubs.do("fault", provider=PROVIDER, kind="503", times=4)
    process = ais.start(HEADGATE_LIVE_SILENCE="0.5")

    def told() -> list[str]:
        return [kind for (kind,) in ais.sql("SELECT kind FROM headgate.event ORDER BY number")]

    eventually(lambda: "stream.heard" in told())
    ais.end(process)
    assert told()[:3] == ["stream.silent", "stream.gap", "stream.heard"]
    again = told()[3:]  # on a busy machine half a second is short
    assert again == (["stream.silent", "stream.heard"] * len(again))[: len(again)]
    [(hours,)] = ais.sql(
        "SELECT extract(epoch FROM (body #>> '{data,gap_end}')::timestamptz"
        " - (body #>> '{data,gap_start}')::timestamptz) / 3600 FROM headgate.event WHERE kind = 'stream.gap'"
    )
    assert 5.9 < hours < 6.1


def test_a_client_that_may_not_enter_waits_for_its_login_and_people_hear_of_it(ais: Live) -> None:
    name = "HEADGATE_SOURCE_BARENTSWATCH_AIS_CLIENT_SECRET"
    secret = ais.variables.pop(name)
    logins = ais.environment.settings.home / "headgate.env"
    logins.parent.mkdir(exist_ok=True)
    logins.write_text(f"{name}=of yesterday\n")
    ais.stubs.do("fault", provider=PROVIDER, kind="403", times=2, match="/v1/combined")
    process = ais.start(HEADGATE_LIVE_SILENCE="0.5")
    reason = (
        "SELECT body #>> '{data,reason}' FROM headgate.event WHERE kind = 'stream.silent' ORDER BY number"
    )
    eventually(lambda: ais.sql(reason))
    assert name in ais.sql(reason)[0][0]
    logins.write_text(f"{name}={secret}\n")
    ais.has_read(0.5)
    ais.end(process)
    assert "status 403" in ais.log.read_text()
    assert secret not in ais.log.read_text()
