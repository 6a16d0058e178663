"""The quarantine: rows are found, mended, replayed once, or dismissed; a crash loses and doubles nothing."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headgate import ledger, quarantine, receipts
from headgate.db import connect, transaction
from headgate.errors import DataError, Fatal, Retriable
from headgate.quarantine import Filter, Origin
from headgate.quarantine.texts import columns_of, editable, layout_of, write_rows
from headgate.store import ObjectStore
from tests.integration import staged
from tests.integration.shell import headgate
from tests.integration.staged import DATASET, Road

if TYPE_CHECKING:
    from headgate.ledger import ObjectVersion
    from headgate.quarantine.outbox import Store
    from tests.conftest import Buckets, Database, Environment

PREFIX = f"{DATASET}/"


@pytest.fixture
def landing(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test's landing bucket, which the ledger then speaks of."""
    monkeypatch.setattr(staged, "BUCKET", buckets.landing)
    return buckets.landing


@pytest.fixture
def store(buckets: Buckets) -> ObjectStore:
    return ObjectStore(buckets.endpoint, buckets.access_key, buckets.secret_key, buckets.region)


@pytest.fixture
def bad(road: Road, landing: str) -> list[ObjectVersion]:
    """Two loaded objects with two bad rows each: 4 and 5."""
    _, found = road.loaded(staged.listed("a.csv"), staged.listed("b.csv", minute=1), rejected=2)
    return found


class DeadStore:
    """A store that is away."""

    def put_bytes(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> None:
        raise Retriable("the store is away")


def replay(road: Road, store: Store, wanted: Filter) -> quarantine.Replayed:
    return quarantine.replay(road.pipeline, store, wanted, prefix_of=lambda _: PREFIX, by="tester")


def rows(road: Road, state: str | None = None) -> list[quarantine.Entry]:
    return list(quarantine.entries(road.pipeline, Filter(state=state)))


def landed(store: ObjectStore, bucket: str) -> dict[str, bytes]:
    return {item.key: store.read(bucket, item.key) for item in store.listing(bucket)}


def test_filters_choose_rows(road: Road, bad: list[ObjectVersion]) -> None:
    def chosen(**options: object) -> int:
        return quarantine.count(road.pipeline, replace(Filter(), **options))

    assert chosen() == 4
    assert chosen(dataset=DATASET) == 4
    assert chosen(dataset="else") == 0
    assert chosen(object="plants/a.csv") == chosen(object="a.csv") == 2
    assert chosen(rules=("type",), column="name") == 4
    assert chosen(rules=("required", "type")) == 4
    assert chosen(rules=("required",)) == 0
    assert chosen(run=bad[0].run_id) == 4
    assert chosen(since=datetime.now(UTC) - timedelta(minutes=5)) == 4
    assert chosen(since=datetime.now(UTC) + timedelta(minutes=5)) == 0
    assert chosen(state="dismissed") == 0
    assert chosen(ids=(rows(road)[0].id,)) == 1


def test_entries_are_read_in_pages(
    road: Road, bad: list[ObjectVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.quarantine.entry.PAGE", 3)
    assert len(rows(road)) == 4
    assert len(list(quarantine.entries(road.pipeline, Filter(), 2))) == 2


def test_a_replay_is_a_landing_object_with_header_and_raw_rows(
    road: Road, bad: list[ObjectVersion], store: ObjectStore, landing: str
) -> None:
    done = replay(road, store, Filter(object="a.csv"))
    assert (done.rows, done.skipped) == (2, 0)
    (key,) = done.objects
    assert key.startswith("plants/replay/")
    assert key.endswith("/a.csv")
    assert landed(store, landing) == {key: b"id,name\n4,x\n5,x\n"}
    assert {(entry.state, entry.replay_key) for entry in rows(road) if entry.object == "plants/a.csv"} == {
        ("replayed", key)
    }


def test_rows_are_replayed_once_only(road: Road, bad: list[ObjectVersion], store: ObjectStore) -> None:
    assert replay(road, store, Filter()).rows == 4
    assert replay(road, store, Filter()) == quarantine.Replayed(0, 0, ())


def test_replays_side_by_side_take_each_row_once(
    database: Database, bad: list[ObjectVersion], store: ObjectStore, landing: str
) -> None:
    def one(_: int) -> int:
        with closing(connect(database.pipeline_url)) as conn:
            return quarantine.replay(conn, store, Filter(), prefix_of=lambda _: PREFIX, by="tester").rows

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(4))) == 4
    assert sorted(body for body in landed(store, landing).values()) == [b"id,name\n4,x\n5,x\n"] * 2


def test_a_crash_before_the_commit_changes_nothing(
    road: Road, bad: list[ObjectVersion], store: ObjectStore, monkeypatch: pytest.MonkeyPatch, landing: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("headgate.quarantine.outbox.replay_key", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            replay(road, store, Filter())
    assert {entry.state for entry in rows(road)} == {"open"}
    assert landed(store, landing) == {}


def test_a_crash_after_the_commit_is_made_good_by_the_next_scan(
    road: Road, bad: list[ObjectVersion], store: ObjectStore, landing: str
) -> None:
    # given a replay that died before it could put its objects
    with pytest.raises(Retriable):
        replay(road, DeadStore(), Filter())
    assert {entry.state for entry in rows(road)} == {"replayed"}
    assert landed(store, landing) == {}
    # when the next scan looks
    assert quarantine.flush_replays(road.pipeline, store, DATASET) == 2
    # then nothing is lost, and nothing is put twice
    assert sorted(landed(store, landing).values()) == [b"id,name\n4,x\n5,x\n"] * 2
    assert quarantine.flush_replays(road.pipeline, store, DATASET) == 0


def test_a_crash_between_putting_and_noting_it_is_one_object_version(
    road: Road, bad: list[ObjectVersion], store: ObjectStore, landing: str
) -> None:
    class DyingStore:
        def put_bytes(
            self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
        ) -> None:
            store.put_bytes(bucket, key, body, metadata)
            raise Retriable("died right after")

    with pytest.raises(Retriable):
        replay(road, DyingStore(), Filter(object="a.csv"))
    run = road.run()
    assert ledger.record_objects(road.pipeline, run, landing, store.listing(landing)) == 1
    quarantine.flush_replays(road.pipeline, store, DATASET)
    assert ledger.record_objects(road.pipeline, run, landing, store.listing(landing)) == 0


def test_a_replay_stands_in_its_origins_succession(
    road: Road, bad: list[ObjectVersion], store: ObjectStore, landing: str
) -> None:
    (key,) = replay(road, store, Filter(object="a.csv")).objects
    run = road.run()
    (found,) = road.record(run, staged.listed(key.removeprefix(PREFIX), etag="r", minute=600))
    origin = bad[0]
    assert (found.replay_of, found.lineage, found.version) == (
        origin.object_id,
        origin.lineage,
        origin.version,
    )
    # its rows can be bad again, and be replayed again
    road.publish(found, rejected=2, chunks=[2])
    again = replay(road, store, Filter(run=run.run_id))
    assert again.rows == 2
    # and the way of the row can be told through both
    from headgate.cli.books import follow

    told = [
        (where, number, fate.outcome) for where, number, fate in follow(road.pipeline, DATASET, origin.key, 5)
    ]
    assert told == [("plants/a.csv", 5, "quarantined"), (key, 2, "quarantined")]


def test_examples_of_held_objects_and_unfinished_rows_are_not_replayed(
    road: Road, landing: str, store: ObjectStore
) -> None:
    run = road.run()
    held, refused = road.record(run, staged.listed("h.csv"), staged.listed("r.csv", minute=1))
    road.inspect(held)
    (chunk,) = ledger.chunk_work(road.pipeline, run.run_id, 0, 1)
    road.stage(chunk, rejected=5)
    ledger.hold_object(road.pipeline, held.object_id, "bad", [road.rejects(held.object_id)])
    road.publish(refused)
    (batch,) = ledger.batches_to_stream(road.pipeline, run.run_id, 0, 1)
    with transaction(road.loader) as cursor:
        receipts.quarantine_rows(
            cursor,
            dataset=DATASET,
            object_id=refused.object_id,
            chunk_id=batch.chunk_id,
            message_id=batch.message_id,
            rows=[receipts.RefusedRow(3, "sqlstate:22003", "out of range", "3,9e999")],
        )
    assert replay(road, store, Filter()) == quarantine.Replayed(0, 6, ())
    (reject,) = ledger.load_rejects(road.pipeline, run.run_id)
    ledger.complete_rejects(road.pipeline, {reject.quarantine_id: (4, "3,9e999")})
    assert replay(road, store, Filter()).rows == 1


def test_large_replays_are_cut(
    road: Road, bad: list[ObjectVersion], store: ObjectStore, landing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.quarantine.outbox.BYTES", 4)
    done = replay(road, store, Filter())
    assert (done.rows, len(done.objects)) == (4, 4)
    assert sorted(landed(store, landing).values()) == [b"id,name\n4,x\n"] * 2 + [b"id,name\n5,x\n"] * 2


def exported(road: Road, path: Path, wanted: Filter, form: str = "csv") -> None:
    layouts = {origin.object_id: layout_of(origin) for origin in quarantine.origins(road.pipeline, wanted)}
    made = (editable(entry, layouts[entry.object_id]) for entry in quarantine.entries(road.pipeline, wanted))
    with path.open("w", newline="", encoding="utf-8") as file:
        write_rows(file, made, columns_of(layouts.values()), form)


def replay_file(road: Road, store: ObjectStore, path: Path) -> quarantine.Replayed:
    return quarantine.replay_file(
        road.pipeline, store, path, dataset=None, prefix_of=lambda _: PREFIX, by="tester"
    )


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_mended_export_is_replayed(
    road: Road, bad: list[ObjectVersion], store: ObjectStore, landing: str, tmp_path: Path, delimiter: str
) -> None:
    # given an export in which a person mended one row, saved as spreadsheets do
    path = tmp_path / "bad.csv"
    exported(road, path, Filter(object="a.csv"))
    with path.open(newline="", encoding="utf-8") as file:
        mended = list(csv.DictReader(file))
    assert [row["_reason"] for row in mended] == ["name: not a name, row 4", "name: not a name, row 5"]
    mended[1]["name"] = 'Big, "old" plant'
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(mended[0])[::-1], delimiter=delimiter)
        writer.writeheader()
        writer.writerow(mended[1])
    # when it is replayed, and once more
    done = replay_file(road, store, path)
    # then only that row goes, as it was mended
    assert (done.rows, done.skipped) == (1, 0)
    assert landed(store, landing) == {done.objects[0]: b'id,name\n5,"Big, ""old"" plant"\n'}
    assert replay_file(road, store, path) == quarantine.Replayed(0, 1, ())


def test_a_mended_ndjson_export_is_replayed(
    road: Road, bad: list[ObjectVersion], store: ObjectStore, landing: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.ndjson"
    exported(road, path, Filter(), "ndjson")
    lines = [json.loads(line) | {"name": "mended"} for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert replay_file(road, store, path).rows == 4
    assert sorted(landed(store, landing).values()) == [b"id,name\n4,mended\n5,mended\n"] * 2


def test_a_file_that_is_no_export_is_refused(road: Road, store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "else.csv"
    path.write_text("id,name\n1,a\n", encoding="utf-8")
    with pytest.raises(DataError, match="_quarantine_id"):
        replay_file(road, store, path)


def test_a_file_without_a_column_is_refused_and_nothing_is_marked(
    road: Road, bad: list[ObjectVersion], store: ObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"_quarantine_id,id\n{rows(road)[0].id},4\n", encoding="utf-8")
    with pytest.raises(DataError, match="lacks the column 'name'"):
        replay_file(road, store, path)
    assert {entry.state for entry in rows(road)} == {"open"}


def test_dismissed_rows_stay_counted(road: Road, bad: list[ObjectVersion], store: ObjectStore) -> None:
    assert quarantine.dismiss(road.pipeline, Filter(object="a.csv"), "test plants", "tester") == 2
    assert quarantine.dismiss(road.pipeline, Filter(object="a.csv"), "test plants", "tester") == 0
    dismissed = [entry for entry in rows(road) if entry.state == "dismissed"]
    assert [(entry.note, entry.resolved_by) for entry in dismissed] == [("test plants", "tester")] * 2
    assert replay(road, store, Filter(object="a.csv")).rows == 0
    from headgate.books import run_books

    books = run_books(road.pipeline, ledger.get_run(road.pipeline, bad[0].run_id))
    assert (books.balanced, books.run.quarantined) == (True, 4)


def test_an_unknown_row_is_told(road: Road) -> None:
    with pytest.raises(Fatal, match="no row 77"):
        quarantine.get_entry(road.pipeline, 77)


def origin(key: str, form: str, delimiter: str = ",", encoding: str = "utf-8") -> Origin:
    inspection = {"format": form, "delimiter": delimiter, "encoding": encoding, "header": ["id", "näme"]}
    return Origin(1, DATASET, "b", key, inspection, 1, 1)


@pytest.mark.parametrize(
    ("found", "name", "body"),
    [
        (origin("p/a.csv", "csv"), "a.csv", "id,näme\n1,ü\n".encode()),
        (origin("p/a.tsv.gz", "csv", "\t"), "a.tsv", "id\tnäme\n1,ü\n".encode()),
        (origin("p/a.csv.zst", "csv", ",", "latin-1"), "a.csv", "id,näme\n1,ü\n".encode("latin-1")),
        (origin("p/egrid2022.xlsx", "xlsx"), "egrid2022.xlsx.csv", "id,näme\n1,ü\n".encode()),
        (origin("p/a.parquet", "parquet"), "a.parquet.csv", "id,näme\n1,ü\n".encode()),
        (origin("p/a.ndjson.gz", "ndjson"), "a.ndjson", "1,ü\n".encode()),
    ],
)
def test_a_replay_is_plain_text_of_its_origins_kind(found: Origin, name: str, body: bytes) -> None:
    layout = layout_of(found)
    assert (layout.file_name, layout.document(["1,ü\r\n"])) == (name, body)


def test_a_row_that_its_encoding_cannot_write_is_told() -> None:
    with pytest.raises(DataError, match="latin-1 cannot write"):
        layout_of(origin("a.csv", "csv", ",", "latin-1")).document(["1,\u20ac"])


def test_the_command_line_lists_shows_and_dismisses(
    environment: Environment, bad: list[ObjectVersion]
) -> None:
    listing = json.loads(headgate(environment, "quarantine", "list", "--json", "-d", DATASET))
    assert len(listing) == 4
    first = listing[0]
    assert {
        key: first[key] for key in ("dataset", "object", "row_number", "line", "rule", "column", "state")
    } == {
        "dataset": DATASET,
        "object": "plants/a.csv",
        "row_number": 5,
        "line": 6,
        "rule": "type",
        "column": "name",
        "state": "open",
    } | {"row_number": first["row_number"], "line": first["row_number"] + 1}
    assert {"reason", "raw", "value", "id"} <= set(first)
    assert "not a name" in headgate(environment, "quarantine", "show", str(first["id"]))
    assert headgate(environment, "quarantine", "export", "--id", str(first["id"])).startswith(
        "_quarantine_id,"
    )
    plan = json.loads(headgate(environment, "quarantine", "replay", "-d", DATASET, "--dry-run", "--json"))
    assert (plan["rows"], plan["dry_run"]) == (4, True)
    chosen = ("quarantine", "list", "--json", "--rule", "required", "--rule")
    assert [len(json.loads(headgate(environment, *chosen, rule))) for rule in ("type", "json")] == [4, 0]
    headgate(environment, "quarantine", "replay", code=2)
    told = headgate(
        environment, "quarantine", "dismiss", "--note", "n", "--id", str(first["id"]), "--dry-run"
    )
    assert "1 rows would be dismissed" in told
    headgate(environment, "quarantine", "dismiss", "--note", "n", "--id", str(first["id"]))
    assert len(json.loads(headgate(environment, "quarantine", "list", "--json"))) == 3
    assert len(json.loads(headgate(environment, "quarantine", "list", "--json", "--state", "all"))) == 4


def test_the_command_line_shows_the_books(environment: Environment, bad: list[ObjectVersion]) -> None:
    books = json.loads(headgate(environment, "books", DATASET, "--json"))
    assert (books["dataset"], books["state"], books["balanced"]) == (DATASET, "success", True)
    assert books["rows"]["read"] == books["rows"]["inserted"] + books["rows"]["quarantined"] == 10
    assert [entry["dataset"] for entry in json.loads(headgate(environment, "books", "--json"))] == [DATASET]
    assert "The books balance" in headgate(environment, "books", DATASET)
    assert (
        json.loads(headgate(environment, "row", DATASET, "a.csv", "5", "--json"))[0]["outcome"]
        == "quarantined"
    )


def test_the_command_line_queries_as_reader(environment: Environment, bad: list[ObjectVersion]) -> None:
    question = (
        "SELECT 1.10::numeric AS n, 2 AS i, true AS b, NULL AS u, '2026-01-02'::date AS d, "
        "'{\"x\": 1.50}'::jsonb AS j"
    )
    answer = headgate(environment, "sql", question, "--json")
    assert '"n": 1.10' in answer
    assert json.loads(answer) == [
        {"n": 1.1, "i": 2, "b": True, "u": None, "d": "2026-01-02", "j": {"x": 1.5}}
    ]
    assert "read-only" in headgate(environment, "sql", "DELETE FROM headgate.run", code=1)
    mistake = headgate(environment, "sql", "SELEC 1", code=1)
    assert "syntax error" in mistake
    assert "LINE 1" in mistake
    assert "Traceback" not in mistake
