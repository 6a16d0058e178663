"""Bad input, one kind each: what is said of it, and that nothing else suffers.

Most files go down the road together, in one run over all of them, so that every test also shows that the
bad objects did not stop the others. Each test then looks at what became of one file.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import zstandard
from pydantic import SecretStr

from headgate import ledger
from headgate.books import ObjectRow, RunBooks, rows_of
from headgate.checks import Suite
from headgate.contract import Contract, contract_from_document
from headgate.contract.registry import apply_contract
from headgate.db import connect
from headgate.errors import AccessRefused, Fatal
from headgate.steps.gate import gate
from headgate.steps.inspect import inspect
from headgate.steps.report import report
from headgate.steps.services import Services
from headgate.steps.validate import validate
from tests.integration.road import HEADER, Road, consumer, counts, make_road, many, plant, plants

if TYPE_CHECKING:
    from tests.conftest import Environment

NAMES = HEADER.split(",")
LONG_NAMES = (
    "Plant file sequence number,Data Year,Plant state abbreviation,Plant name,"
    "DOE/EIA ORIS plant or facility code,Plant nameplate capacity (MW),Plant annual net generation (MWh)"
)
REFUSED_NAME = "Refused by Postgres"
LONGEST_RECORD = 2048
CHUNK = 16384


@dataclass(frozen=True)
class Bad:
    """A row that belongs into quarantine."""

    row: int
    line: int
    rule: str
    says: str
    raw: str
    stage: str = "validate"


@dataclass(frozen=True)
class Loaded:
    """A file that passes: the plants that are in the table afterwards, and its bad rows."""

    name: str
    body: bytes
    codes: Sequence[int]
    bad: Sequence[Bad] = ()
    blank: int = 0


@dataclass(frozen=True)
class Held:
    """A file that is stopped: the rule, and what a person must be told."""

    name: str
    body: bytes
    rule: str
    says: tuple[str, ...]


def ten(code: int) -> str:
    """A line with a capacity that is no number."""
    return plant(code, capacity="ten")


def with_ten(first: int) -> list[str]:
    """Four good lines and, as the third of five, a bad one."""
    lines = many(5, first=first)
    lines[2] = ten(first + 2)
    return lines


def ten_is_bad(code: int, line: int, raw: str = "") -> Bad:
    """What becomes of it."""
    return Bad(3, line, "type", "'ten' is not a number", raw or ten(code))


def without(first: int, count: int, *gone: int) -> list[int]:
    """``count`` plant codes from ``first`` on, but for some."""
    return [code for code in range(first, first + count) if code not in gone]


def cells(lines: Sequence[str]) -> list[list[str]]:
    return [line.split(",") for line in lines]


def workbook(*rows: str, sheet: str = "PLNT23") -> bytes:
    """An XLSX file; cells that are numbers are numbers."""
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = sheet
    for row in cells(rows):
        book.active.append([float(cell) if cell.isdigit() else cell for cell in row])
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def parquet(*rows: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(zip(*cells(rows), strict=True)) or [()] * len(NAMES)
    body = io.BytesIO()
    pq.write_table(
        pa.table({name: pa.array(column, pa.string()) for name, column in zip(NAMES, columns, strict=True)}),
        body,
    )
    return body.getvalue()


def json_line(line: str) -> str:
    return json.dumps(dict(zip(NAMES, line.split(","), strict=True)))


def json_lines(*lines: str) -> bytes:
    return "".join(f"{json_line(line)}\n" for line in lines).encode()


def zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(body)


def tabs(line: str) -> str:
    return line.replace(",", "\t")


LOADED = [
    Loaded(
        "ragged.csv",
        plants(*many(3, first=100), "103,2023,TX", f"{plant(104)},more", plant(105)),
        without(100, 6, 103, 104),
        [
            Bad(4, 5, "structure", "has 3 fields, the header has 7", "103,2023,TX"),
            Bad(5, 6, "structure", "has 8 fields, the header has 7", f"{plant(104)},more"),
        ],
    ),
    Loaded(
        "quote_in_the_middle.csv",
        plants(*many(2, first=110), plant(112, name='"Open'), plant(113), plant(114, name='"Fine, quoted"')),
        without(110, 5, 112),
        [Bad(3, 4, "quote", "only this line", plant(112, name='"Open'))],
    ),
    Loaded(
        "quote_never_closed.csv",
        plants(plant(120), plant(121, name='"Two\nlines"'), plant(122, name='"Open'), *many(200, first=123)),
        without(120, 203, 122),
        [Bad(3, 5, "quote", "not rightly closed", plant(122, name='"Open'))],
    ),
    Loaded(
        "quotes_that_meet.csv",
        plants(plant(610), plant(611, name='"Open'), *many(3, first=612), plant(615, name='5"'), plant(616)),
        without(610, 7, 611),
        [Bad(2, 3, "quote", "not rightly closed", plant(611, name='"Open'))],
    ),
    Loaded(
        "text_after_quote.csv",
        plants(plant(330), plant(331, name='"Big" Plant'), plant(332)),
        [330, 332],
        [Bad(2, 3, "quote", "not rightly closed", plant(331, name='"Big" Plant'))],
    ),
    Loaded(
        "truncated.csv",
        plants(*many(3, first=340)) + b"343,2023,T",
        without(340, 3),
        [Bad(4, 5, "truncated", "3 of 7 fields and no line end: the object looks cut off", "343,2023,T")],
    ),
    Loaded(
        "truncated_in_a_quote.csv",
        plants(*many(3, first=350)) + b'353,2023,TX,"Pla',
        without(350, 3),
        [Bad(4, 5, "truncated", "an open quote and no line end", '353,2023,TX,"Pla')],
    ),
    Loaded(
        "nul.csv",
        plants(plant(360), plant(361, name="A\0B"), plant(362)),
        [360, 362],
        [Bad(2, 3, "nul_byte", "NUL byte at byte 14", plant(361, name="A\\x00B"))],
    ),
    Loaded(
        "latin1.csv",
        plants(plant(370)) + plant(371, name="Peñón").encode("latin-1") + b"\n" + plants(header=plant(372)),
        [370, 372],
        [Bad(2, 3, "encoding", "byte 0xF1 at byte 15 of the record is not UTF-8", "Pe\\xf1\\xf3n")],
    ),
    Loaded(
        "too_long.csv",
        plants(plant(380), plant(381, name="x" * LONGEST_RECORD), plant(382)),
        [380, 382],
        [Bad(2, 3, "too_long", "longer than 2,048 bytes", "381,2023,TX,xxx")],
    ),
    Loaded(
        "repeats.csv",
        plants(plant(390), plant(391), plant(390, name="Again"), plant(392)),
        [390, 391, 392],
        [Bad(3, 4, "unique_key", "same key as row 1", plant(390, name="Again"))],
    ),
    Loaded(
        "repeats_far_apart.csv",
        plants(*many(900, first=10_000), plant(10_450, name="Again"), plant(10_000, name="Again")),
        without(10_000, 900),
        [
            Bad(901, 902, "unique_key", "same key as row 451", plant(10_450, name="Again")),
            Bad(902, 903, "unique_key", "same key as row 1", plant(10_000, name="Again")),
        ],
    ),
    Loaded(
        "refused_by_postgres.csv",
        plants(plant(400), plant(401, name=f' "{REFUSED_NAME}" '), plant(402, name=f'" {REFUSED_NAME}"')),
        [400, 401],
        [Bad(3, 4, "sqlstate:23514", "not_refused", plant(402, name=f'" {REFUSED_NAME}"'), "load")],
    ),
    Loaded(
        "nul_escape.ndjson",
        json_lines(plant(410), plant(411, name="A\0B"), plant(412)),
        [410, 412],
        [Bad(2, 2, "json", "the character NUL", json_line(plant(411, name="A\0B")))],
    ),
    Loaded(
        "codes_below_names.csv",
        plants(HEADER, *with_ten(420), header=LONG_NAMES),
        without(420, 5, 422),
        [ten_is_bad(422, 5)],
    ),
    Loaded(
        "names_below_codes.csv",
        plants(LONG_NAMES, *with_ten(430)),
        without(430, 5, 432),
        [ten_is_bad(432, 5)],
    ),
    Loaded(
        "names_above_codes.xlsx",
        workbook(LONG_NAMES, HEADER, *with_ten(440)),
        without(440, 5, 442),
        [ten_is_bad(442, 5)],
    ),
    Loaded("one.csv.gz", gzip.compress(plants(*with_ten(450))), without(450, 5, 452), [ten_is_bad(452, 4)]),
    Loaded("one.csv.zst", zstd(plants(*with_ten(460))), without(460, 5, 462), [ten_is_bad(462, 4)]),
    Loaded(
        "one.tsv",
        plants(*map(tabs, with_ten(470)), header=tabs(HEADER)),
        without(470, 5, 472),
        [ten_is_bad(472, 4, tabs(ten(472)))],
    ),
    Loaded(
        "one.parquet",
        parquet(*with_ten(480)),
        without(480, 5, 482),
        [ten_is_bad(482, 3, "482,2023,TX,Plant 482,482,ten,100")],
    ),
    Loaded(
        "one.ndjson",
        json_lines(*with_ten(490)),
        without(490, 5, 492),
        [ten_is_bad(492, 3, json_line(ten(492)))],
    ),
    Loaded(
        "not_json.ndjson",
        json_lines(*many(2, first=500)) + b'{"ORISPL": 502, \n' + json_lines(plant(503)),
        [500, 501, 503],
        [Bad(3, 3, "json", "not", '{"ORISPL": 502, ')],
    ),
    Loaded(
        "blank.csv",
        b"\xef\xbb\xbf" + plants(plant(510), "", ",,,,,,", ten(511), plant(512)).replace(b"\n", b"\r\n"),
        [510, 512],
        [Bad(4, 5, "type", "'ten' is not a number", ten(511))],
        blank=2,
    ),
]

HELD = [
    Held("empty.csv", b"", "empty", ("the object is empty", "Put the file again")),
    Held("only_blank.csv", b"\n\n", "empty", ("the object is empty",)),
    Held("header_only.csv", plants(), "minimum_rows", ("0 data rows", "at least 1", "minimumRows")),
    Held("blank_rows.csv", plants(",,,,,,", "", ",,,,,,"), "minimum_rows", ("0 data rows", "at least 1")),
    Held("header_only.xlsx", workbook(LONG_NAMES, HEADER), "minimum_rows", ("0 data rows",)),
    Held("no_rows.parquet", parquet(), "minimum_rows", ("0 data rows",)),
    Held("empty.csv.gz", gzip.compress(b""), "empty", ("the object is empty",)),
    Held(
        "no_plant_code.csv",
        b"PSTATABB,PNAME,YEAR\nAL,Bankhead Dam,2023\n",
        "missing_column",
        ("required column missing: plant_code", "'ORISPL'", "header has 'PSTATABB'", "aliases"),
    ),
    Held(
        "no_header.csv",
        plants(header=plant(1)),
        "missing_column",
        ("none of the first 10 records is a header", "'ORISPL'", "first record is '1', '2023'"),
    ),
    Held(
        "name_twice.csv",
        plants(f"{plant(1)},Plant 1", header=f"{HEADER},pname"),
        "duplicate_header",
        ("names 'pname' more than once", "Rename or remove"),
    ),
    Held("utf16.csv", plants(plant(1)).decode().encode("utf-16"), "encoding", ("UTF-16", "Save it as UTF-8")),
    Held("utf16_without_bom.csv", plants(plant(1)).decode().encode("utf-16-le"), "encoding", ("UTF-16",)),
    Held(
        "semicolons.csv",
        plants(plant(1)).replace(b",", b";"),
        "delimiter",
        ("reads with ';'", "contract of egrid_plants says ','", "`delimiter` in the contract"),
    ),
    Held("egrid2023_data_metric.xlsx", workbook(HEADER, plant(1)), "refused", ("US-unit workbook",)),
    Held(
        "sheet.xlsx",
        workbook(HEADER, plant(1), sheet="PLNT23 metric"),
        "refused",
        ("US-unit workbook",),
    ),
    Held(
        "long_names.xlsx",
        workbook(f"{LONG_NAMES},Plant annual CO2 emissions (metric tons)", f"{HEADER},PLCO2AN", plant(1)),
        "refused",
        ("US-unit workbook",),
    ),
    Held("generators.csv", b"ORISPL,GENID,YEAR\n1,G1,2023\n", "refused", ("egrid_generators",)),
    Held(
        "other_sheet.xlsx", workbook(HEADER, plant(1), sheet="UNT23"), "sheet_missing", ("UNT23", "`sheet`")
    ),
    Held(
        "cut.csv.gz",
        gzip.compress(plants(*many(500)))[:-500],
        "truncated_archive",
        ("gzip stream ends in the middle", "Put the whole file again"),
    ),
    Held(
        "cut.csv.zst",
        zstd(plants(*many(500)))[:-100],
        "truncated_archive",
        ("zstd stream ends in the middle", "Put the whole file again"),
    ),
    Held(
        "damaged.csv.gz",
        gzip.compress(plants(*many(500)))[:-8] + bytes(8),
        "truncated_archive",
        ("gzip stream is damaged", "put the file again"),
    ),
    Held(
        "damaged.xlsx",
        workbook(HEADER, plant(1))[:-200],
        "format",
        ("no XLSX workbook",),
    ),
    Held("damaged.parquet", parquet(plant(1))[:-20], "format", ("Parquet", "Write it again")),
    Held("stub.csv.gz", gzip.compress(plants())[:6], "truncated_archive", ("ends in the middle",)),
    Held("old.xls", b"\xd0\xcf\x11\xe0" + bytes(512), "format", ("old Excel", "Save it as .xlsx or CSV")),
    Held("array.json", f"[{json_line(plant(1))}]".encode(), "format", ("JSON array", "NDJSON")),
    Held("named_gz.csv.gz", plants(plant(1)), "format", ("name says gzip, the content does not",)),
    Held("login.csv", b"<!DOCTYPE html><title>Sign in</title>", "format", ("web page", "Fetch it again")),
    Held(
        "too_many.csv",
        plants(*many(900, first=20_000), *(f"{n},2023,TX" for n in range(1100))),
        "too_many_rejects",
        ("1,100 of 2,000 rows are bad (55.0%; 50.0% are allowed)", "structure 1,100", "--accept-rejects"),
    ),
    Held("vanished.csv", plants(plant(1)), "vanished", ("is gone", "Put it back")),
    Held("rewritten.csv", plants(plant(1)), "rewritten", ("was rewritten after the scan", "Run the dataset")),
    Held(
        "rewritten_in_validate.csv",
        plants(*many(900, first=30_000)),
        "rewritten",
        ("was rewritten after the scan", "nothing of it was published"),
    ),
]


CASES: list[Loaded | Held] = [*LOADED, *HELD]


@dataclass
class Together:
    """The run over all the files, and the one after it."""

    road: Road
    first: RunBooks
    second: RunBooks
    small: dict[str, Road]  # by drift mode
    objects: dict[str, ObjectRow] = field(init=False)

    def __post_init__(self) -> None:
        self.objects = {row.key.removeprefix(self.road.contract.prefix): row for row in self.first.objects}

    def codes(self, name: str) -> list[int]:
        """The plants that the object brought into the table, in its order."""
        rows = self.road.rows(
            "SELECT plant_code FROM egrid.plants WHERE _object_id = %s ORDER BY _row_number",
            self.objects[name].object_id,
        )
        return [int(code) for (code,) in rows]

    def quarantine(self, name: str) -> list[tuple[Any, ...]]:
        return self.road.rows(
            "SELECT row_number, line, rule, stage, reason, raw FROM headgate.quarantine"
            " WHERE object_id = %s AND state = 'open' ORDER BY row_number",
            self.objects[name].object_id,
        )


@pytest.fixture(scope="module")
def together(shared_environment: Environment) -> Iterator[Together]:
    settings = shared_environment.settings.model_copy(update={"max_record_bytes": LONGEST_RECORD})
    road = make_road(replace_settings(shared_environment, settings), rejectThreshold=0.5, chunkBytes=CHUNK)
    execute(
        shared_environment,
        "ALTER TABLE egrid.plants ADD CONSTRAINT not_refused CHECK (plant_name <> %s)",
        REFUSED_NAME,
    )
    small = {drift: small_road(shared_environment, f"drift_{drift}", drift=drift) for drift in DRIFTED}
    small["freeze"] = small_road(shared_environment, "drift_freeze", drift="freeze")
    with consumer(shared_environment):
        for case in CASES:
            road.put(case.name, case.body)
        first = run_with_changes(road)
        road.put("vanished.csv", plants(plant(1)))
        yield Together(road, first, road.run(), small)


def replace_settings(environment: Environment, settings: Any) -> Environment:
    return replace(environment, settings=settings)


def execute(environment: Environment, statement: str, *arguments: Any) -> None:
    """As the owner."""
    with closing(connect(environment.database.owner_url)) as conn, conn, conn.cursor() as cursor:
        cursor.execute(statement, arguments)


def run_with_changes(road: Road) -> RunBooks:
    """All steps, while somebody deletes and rewrites objects."""
    run = road.open()
    road.services.store.delete(road.bucket, f"{road.contract.prefix}vanished.csv")
    road.put("rewritten.csv", plants(*many(3, first=29_000)))
    for share in inspect(road.services, run.run_id):
        validate(road.services, share, make_suite=rewriting(road))
    road.publish(run, gate(road.services, run.run_id))
    return report(road.services, run)


def rewriting(road: Road) -> Callable[[Contract], Any]:
    """Suites that rewrite an object once they have seen its first chunk."""

    class Rewriting(Suite):
        def run(self, table: Any) -> Any:
            result = super().run(table)
            if "30000" in table["plant_code"].to_pylist():
                road.put("rewritten_in_validate.csv", plants(*many(3, first=31_000)))
            return result

    from headgate.paths import expectations_dir

    return lambda contract: Rewriting(expectations_dir() / f"{contract.dataset}.json", contract)


def adds_up(row: ObjectRow) -> bool:
    rows = rows_of(row)
    return rows.read == rows.inserted + rows.updated + rows.unchanged + rows.superseded + rows.quarantined


@pytest.mark.parametrize("case", LOADED, ids=lambda case: case.name)
def test_bad_rows_stop_only_themselves(together: Together, case: Loaded) -> None:
    done = together.objects[case.name]
    assert (done.state, done.reason) == ("loaded", None)
    assert together.codes(case.name) == list(case.codes)
    found = together.quarantine(case.name)
    assert [row[:4] for row in found] == [(bad.row, bad.line, bad.rule, bad.stage) for bad in case.bad]
    for (*_, reason, raw), bad in zip(found, case.bad, strict=True):
        assert bad.says in reason
        assert bad.raw in raw
    assert (done.read, done.inserted, done.quarantined, done.blank) == (
        len(case.codes) + len(case.bad),
        len(case.codes),
        len(case.bad),
        case.blank,
    )
    assert done.balanced


@pytest.mark.parametrize("case", HELD, ids=lambda case: case.name)
def test_a_bad_object_is_held_with_a_reason_to_act_on(together: Together, case: Held) -> None:
    held = together.objects[case.name]
    assert held.state == "held"
    for words in case.says:
        assert words in (held.reason or "")
    told = together.road.rows(
        "SELECT kind, body #>> '{data,rule}' FROM headgate.event"
        " WHERE kind LIKE 'object.%%' AND body #> '{data,object_id}' = to_jsonb(%s)",
        held.object_id,
    )
    assert told == [("object.held", case.rule)]
    assert (held.read, together.codes(case.name)) == (0, [])
    assert together.first.run.state == "failed"


def test_the_books_of_a_run_with_all_of_these_balance(together: Together) -> None:
    books = together.first
    assert books.balanced
    assert all(map(adds_up, books.objects))
    counts(
        books,
        read=sum(len(case.codes) + len(case.bad) for case in LOADED),
        inserted=sum(len(case.codes) for case in LOADED),
        quarantined=sum(len(case.bad) for case in LOADED),
        blank=sum(case.blank for case in LOADED),
    )
    assert {row.key.split("/")[-1] for row in books.held} == {case.name for case in HELD}
    assert f"and {len(HELD) - 5} more" in (books.run.reason or "")


def test_what_was_rewritten_or_put_back_meanwhile_is_new_to_the_next_run(together: Together) -> None:
    assert together.second.run.state == "success"
    assert [row.key.split("/")[-1] for row in together.second.objects] == [
        "rewritten.csv",
        "rewritten_in_validate.csv",
        "vanished.csv",
    ]
    counts(together.second, read=7, inserted=7)


def test_a_row_with_several_faults_is_one_row_with_all_of_them(together: Together) -> None:
    road = together.road
    untyped, ruled = ten(601).replace("2023", "MMXX"), plant(602, capacity=-5).replace("TX", "ZZ")
    road.put("faults.csv", plants(plant(600), untyped, ruled, plant(603)))
    counts(road.run(), read=4, inserted=2, quarantined=2)
    rows = road.rows(
        "SELECT raw, violations FROM headgate.quarantine WHERE raw = ANY(%s) ORDER BY 1", [untyped, ruled]
    )
    found = {raw: [(fault["rule"], fault["column"]) for fault in faults] for raw, faults in rows}
    assert found[untyped] == [("type", "year"), ("type", "nameplate_capacity_mw")]
    assert sorted(found[ruled]) == [
        ("nameplate_capacity_not_negative", "nameplate_capacity_mw"),
        ("state_known", "state"),
    ]


def test_a_key_in_two_files_is_the_newer_ones_and_a_late_one_is_superseded(together: Together) -> None:
    road = together.road
    road.put("older.csv", plants(*many(4, first=700, name="Older")))
    road.put("newer.csv", plants(*many(4, first=702, name="Newer")))
    counts(road.run(objects=("newer.csv",)), read=4, inserted=4)
    counts(road.run(objects=("older.csv",)), read=4, inserted=2, superseded=2)
    road.put("newest.csv", plants(*many(2, first=701, name="Newest")))
    counts(road.run(), read=2, updated=2)
    names = road.rows(
        "SELECT plant_name FROM egrid.plants WHERE plant_code BETWEEN '700' AND '705' ORDER BY plant_code"
    )
    assert [name for (name,) in names] == ["Older", "Newest", "Newest", "Newer", "Newer", "Newer"]


def test_an_object_with_too_many_bad_rows_shows_examples_and_passes_when_told_to(together: Together) -> None:
    road = together.road
    body = plants(*many(5, first=800), *(f"{n},2023,TX" for n in range(1100)))
    road.put("accepted.csv", body)
    road.put("all_bad.csv", plants("1,2023,TX"))
    books = road.run()
    assert (books.run.state, [row.state for row in books.objects]) == ("failed", ["held", "held"])
    counts(books)
    object_id = books.objects[0].object_id
    where = "FROM headgate.quarantine WHERE object_id = %s AND state = 'open'"
    assert road.rows(f"SELECT count(*), min(row_number), max(row_number) {where}", object_id) == [
        (1000, 6, 1005)
    ]
    books = road.run(objects=("accepted.csv", "all_bad.csv"), accept_rejects=True)
    counts(books, read=1106, inserted=5, quarantined=1101)
    assert (books.run.state, books.objects[1].state) == ("success", "loaded")
    assert road.rows(f"SELECT count(*), max(line) {where}", books.objects[0].object_id) == [(1100, 1106)]


def test_an_object_that_vanishes_before_repeats_are_set_aside_is_held(together: Together) -> None:
    road = together.road
    key = road.put("repeats_gone.csv", plants(plant(920), plant(921), plant(920, name="Again")))
    run = road.open()
    for share in inspect(road.services, run.run_id):
        validate(road.services, share, make_suite=road.suite)
    road.services.store.delete(road.bucket, key)
    road.publish(run, gate(road.services, run.run_id))
    books = report(road.services, run)
    assert "is gone" in (books.held[0].reason or "")
    assert books.balanced
    counts(books)


def test_a_refused_row_of_an_object_that_vanishes_stays_as_it_was_sent(together: Together) -> None:
    road = together.road
    key = road.put("refused_gone.csv", plants(plant(930), plant(931, name=REFUSED_NAME)))
    run = road.open()
    road.publish(run, road.audit(run))
    road.services.store.delete(road.bucket, key)
    books = report(road.services, run)
    assert books.run.state == "success"
    counts(books, read=2, inserted=1, quarantined=1)
    ((line, raw),) = road.rows(
        "SELECT line, raw FROM headgate.quarantine WHERE object_id = %s", books.objects[0].object_id
    )
    assert line is None
    assert REFUSED_NAME in raw
    assert "931" in raw


def test_wrong_credentials_stop_the_run_and_say_what_to_set(together: Together) -> None:
    for wrong in ({"s3_secret_key": SecretStr("not the secret")}, {"s3_access_key": "nobody"}):
        stranger = with_settings(together.road, wrong)
        with pytest.raises(AccessRefused, match=r"refused access .*HEADGATE_S3_ACCESS_KEY and HEADGATE_S3"):
            stranger.open()
        assert_scan_failed(stranger)


def test_a_wrong_database_password_stops_the_run_and_is_no_outage(together: Together) -> None:
    stranger = with_settings(together.road, {"database_url": without_password(together, "database_url")})
    with pytest.raises(AccessRefused, match=r"(?i)password"):
        stranger.open()


def test_a_wrong_broker_password_loses_nothing(together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.publisher.REFUSED_PATIENCE", 1.0)
    monkeypatch.setattr("headgate.steps.relay.PATIENCE", 0.2)
    road = together.road
    road.put("sent_later.csv", plants(*many(3, first=910)))
    broken = with_settings(road, {"amqp_url": without_password(together, "amqp_url")})
    run = broken.open()
    shares = broken.audit(run)
    with pytest.raises(AccessRefused, match=r"(?i)password"):
        broken.publish(run, shares)
    books = report(broken.services, run, ["stream"])
    assert (books.run.state, books.balanced, books.objects[0].missing) == ("failed", False, 3)
    assert "3 rows in 1 of 1 messages have no receipt" in (books.run.reason or "")
    counts(road.run(), read=3, inserted=3)


def without_password(together: Together, name: str) -> SecretStr:
    """The setting's URL with another password."""
    url = urlsplit(getattr(together.road.services.settings, name).get_secret_value())
    return SecretStr(url._replace(netloc=f"{url.username}:wrong@{url.hostname}:{url.port}").geturl())


def test_a_bucket_that_does_not_exist_stops_the_run_and_is_named(together: Together) -> None:
    nowhere = small_road(together.road.environment, "nowhere", bucket="no-such-bucket")
    with pytest.raises(Fatal, match=r"bucket no-such-bucket does not exist .*contract's server"):
        nowhere.open()
    assert_scan_failed(nowhere)


def test_a_staging_bucket_that_does_not_exist_loses_nothing(together: Together) -> None:
    road = together.road
    road.put("staged_later.csv", plants(*many(3, first=900)))
    broken = with_settings(road, {"staging_bucket": "no-such-bucket"})
    run = broken.open()
    with pytest.raises(Fatal, match=r"no-such-bucket does not exist .*HEADGATE_STAGING_BUCKET"):
        broken.audit(run)
    books = report(broken.services, run, ["validate"])
    assert (books.run.state, books.balanced) == ("failed", False)
    assert "step validate failed" in (books.run.reason or "")
    road.runs = broken.runs
    counts(road.run(), read=3, inserted=3)


def with_settings(road: Road, changes: dict[str, Any]) -> Road:
    """The same road with other settings."""
    settings = road.services.settings.model_copy(update=changes)
    return Road(road.environment, road.contract, Services.of(settings, patience=1.0), runs=road.runs + 1000)


def assert_scan_failed(road: Road) -> None:
    """The run is in the ledger, is closed as failed and has no objects."""
    run = road.services.ledger(ledger.find_run, road.contract.dataset, f"test__{road.runs}")
    assert run is not None
    books = report(road.services, run, ["scan"])
    assert (books.run.state, books.objects) == ("failed", ())
    assert "step scan failed" in (books.run.reason or "")


# Drift: a small contract in each mode.

PARCELS = b"id,name,Colour,Size (cm)\n1,One,red,\n2,Two,,\n3,Three,blue,30\nx,Four,green,40\n"


class SmallRoad(Road):
    """A road whose suite has one rule."""

    def suite(self, contract: Contract) -> Suite:
        rule = {
            "type": "expect_column_values_to_not_be_null",
            "kwargs": {"column": "id"},
            "severity": "critical",
            "meta": {"rule": "id_present", "reason": "There is no id"},
        }
        return Suite({"name": contract.dataset, "expectations": [rule]}, contract)


def small_road(environment: Environment, dataset: str, *, drift: str = "rescue", bucket: str = "") -> Road:
    """Apply a contract of two columns."""
    columns = [
        {"name": "id", "logicalType": "integer", "physicalType": "integer", "primaryKey": True},
        {"name": "name", "logicalType": "string", "physicalType": "text"},
    ]
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": dataset,
        "name": dataset,
        "version": "1.0.0",
        "status": "active",
        "servers": [
            {"type": "s3", "location": f"s3://{bucket or environment.buckets.landing}/{dataset}/"},
        ],
        "customProperties": [
            {"property": "drift", "value": drift},
            {"property": "rejectThreshold", "value": 0.5},
        ],
        "schema": [{"name": dataset, "physicalName": f"parcels.{dataset}", "properties": columns}],
    }
    contract = contract_from_document(document)
    with closing(connect(environment.database.owner_url)) as conn:
        apply_contract(conn, contract)
    return SmallRoad(environment, contract, Services.of(environment.settings, patience=5.0))


DRIFTED = {
    "evolve": (
        ["id", "name", "colour", "size_cm"],
        [(1, "One", "red", None), (2, "Two", None, None), (3, "Three", "blue", "30")],
    ),
    "discard": (["id", "name"], [(1, "One"), (2, "Two"), (3, "Three")]),
    "rescue": (
        ["id", "name", "_rescued"],
        [
            (1, "One", {"Colour": "red"}),
            (2, "Two", None),
            (3, "Three", {"Colour": "blue", "Size (cm)": "30"}),
        ],
    ),
}


@pytest.mark.parametrize("drift", DRIFTED)
def test_unknown_columns_are_dealt_with_as_the_contract_says(together: Together, drift: str) -> None:
    road = together.small[drift]
    road.put("parcels.csv", PARCELS)
    books = road.run()
    assert books.run.state == "success"
    counts(books, read=4, inserted=3, quarantined=1)
    columns, rows = DRIFTED[drift]
    stored = road.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
        " AND (column_name !~ '^_' OR column_name = '_rescued')",
        f"drift_{drift}",
    )
    assert {name for (name,) in stored} == set(columns)
    assert road.rows(f"SELECT {', '.join(columns)} FROM parcels.drift_{drift} ORDER BY id") == rows
    assert road.rows(
        "SELECT row_number, line, rule, raw FROM headgate.quarantine WHERE dataset = %s", f"drift_{drift}"
    ) == [(4, 5, "type", "x,Four,green,40")]


def test_unknown_columns_hold_an_object_of_a_frozen_contract(together: Together) -> None:
    road = together.small["freeze"]
    road.put("parcels.csv", PARCELS)
    road.put("fine.csv", b"id,name\n1,One\n")
    books = road.run()
    assert {row.key.split("/")[-1]: row.state for row in books.objects} == {
        "parcels.csv": "held",
        "fine.csv": "loaded",
    }
    reason = books.held[0].reason or ""
    assert "does not know 'Colour', 'Size (cm)' and is frozen" in reason
    assert "Add the columns to the contract" in reason
    counts(books, read=1, inserted=1)
