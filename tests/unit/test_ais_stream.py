"""Lines out of a stream's pieces, rows out of lines; the recordings of the real service."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.stream.framing import LONGEST_LINE, Framing, Ndjson, Sse
from consumers.stream.gathering import Gathering, Limits
from consumers.stream.rows import REPEATED, Layout, booking_of, layout_of
from headgate.contract.document import load_contract
from headgate.errors import Retriable
from headgate.ledger.live import Booking, Minute
from headgate.message import decompress
from headgate.paths import datasets_dir

ARRIVED = datetime(2026, 11, 22, 16, 35, 20, tzinfo=UTC)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data cut at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def fed(framing: Framing, data: bytes, cuts: list[int]) -> list[bytes]:
    return b"".join(framing.feed(piece) for piece in pieces(data, cuts)).splitlines()


DOCUMENTS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.text(max_size=8), min_size=1).map(
        lambda document: json.dumps(document, ensure_ascii=False).encode()
    ),
    max_size=8,
)


@given(
    DOCUMENTS,
    st.lists(st.integers(0, 500), max_size=8),
    st.sampled_from([b"\n", b"\r\n"]),
    st.binary(max_size=9),
)
def test_lines_are_whole_wherever_the_stream_is_cut(
    documents: list[bytes], cuts: list[int], end: bytes, rest: bytes
) -> None:
    rest = rest.replace(b"\n", b"").replace(b"\r", b"")
    data = b"".join(document + end for document in documents) + rest
    assert fed(Ndjson(), data, cuts) == documents


@given(DOCUMENTS, st.lists(st.integers(0, 500), max_size=8), st.sampled_from([b"\n", b"\r\n"]))
def test_events_are_whole_wherever_the_stream_is_cut(
    documents: list[bytes], cuts: list[int], end: bytes
) -> None:
    events = b"".join(
        b": a comment" + end + b"event: position" + end + b"data: " + document + end + end
        for document in documents
    )
    data = b": start" + end * 2 + events + b'data: {"cut": "of' + end
    assert fed(Sse(), data, cuts) == documents


def test_a_line_that_never_ends_is_no_line() -> None:
    framing = Ndjson()
    framing.feed(b"x" * LONGEST_LINE)
    with pytest.raises(Retriable):
        framing.feed(b"x")


def test_what_is_gathered_is_of_one_minute_and_due_by_size_or_time() -> None:
    gathering = Gathering(Limits(bytes=10, seconds=3600))
    gathering.add(b"12345\n", ARRIVED)
    assert not gathering.due()
    assert gathering.is_of(ARRIVED + timedelta(seconds=30))
    assert not gathering.is_of(ARRIVED + timedelta(minutes=1))
    gathering.add(b"6789\n", ARRIVED)
    assert gathering.due()
    assert gathering.take() == b"12345\n6789\n"
    assert not gathering.due()
    late = Gathering(Limits(bytes=10, seconds=0))
    assert not late.due()
    late.add(b"1\n", ARRIVED)
    assert late.due()


@pytest.fixture(scope="module")
def layout() -> Layout:
    return layout_of(load_contract(datasets_dir() / "ais_positions.yaml"), 1, 1 << 20)


def minute(**changes: Any) -> Minute:
    values = {
        "object_id": 7,
        "key": "k",
        "version": 0,
        "state": "published",
        "run_id": 1,
        "contract_version": 1,
        "chunk_id": 3,
        "records": 0,
        "batches": 0,
    }
    return Minute(**values | changes)


def line(**changes: Any) -> bytes:
    """A good position."""
    values = {"mmsi": 257034450, "msgtime": "2026-11-22T16:35:10+00:00", "latitude": 66.5, "longitude": 12.1}
    return json.dumps(values | changes).encode() + b"\n"


def booked(lines: bytes, layout: Layout, **changes: Any) -> Booking:
    return booking_of(lines, ARRIVED, minute(**changes), layout)


def sent(booking: Booking) -> list[list[str]]:
    """The rows of the message."""
    return [row.split(",") for row in decompress(booking.body, 1 << 24).decode().splitlines()]


def test_rows_are_numbered_on_and_bad_lines_are_set_aside(layout: Layout) -> None:
    lines = line() + line(latitude=None) + b"{not json\n" + line(mmsi="ship") + line(mmsi=1)
    booking = booked(lines, layout, records=100, batches=4)
    assert (booking.lines, booking.counts.read, booking.counts.accepted) == (5, 5, 2)
    assert booking.counts.rule_counts == {"required": 1, "json": 1, "type": 1}
    assert booking.batch is not None
    assert (booking.batch.ordinal, booking.batch.first_row, booking.batch.last_row) == (4, 101, 105)
    assert [row[0] for row in sent(booking)] == ["101", "105"]
    assert b"257034450" in booking.rejects


def test_a_static_row_between_positions_is_set_aside(layout: Layout) -> None:
    static = line(type="Staticdata", messageType=5, name="HIMMELTIND", latitude=None, longitude=None)
    booking = booked(line() + static + line(mmsi=1), layout)
    assert booking.counts.rule_counts == {"required": 1}
    assert [row[0] for row in sent(booking)] == ["1", "3"]


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-14:00", "0000-01-01T00:00:00Z"])
def test_times_that_no_calendar_here_has_end_nothing(layout: Layout, time: str) -> None:
    booking = booked(line(msgtime=time), layout)
    assert booking.counts.accepted == 1
    assert booking.read_to in (ARRIVED, datetime.fromtimestamp(0, UTC))


def test_half_a_character_is_a_bad_line(layout: Layout) -> None:
    booking = booked(line(name="\ud83d") + line(), layout)
    assert (booking.counts.accepted, booking.counts.rule_counts) == (1, {"json": 1})


def test_an_echo_is_left_out_and_an_equal_key_that_differs_is_quarantined(layout: Layout) -> None:
    booking = booked(line() + line(latitude=66.6) + line() + line(speedOverGround=3), layout)
    assert booking.counts.accepted == 2
    assert booking.counts.rule_counts == {"unique_key": 1, REPEATED: 1}
    assert booking.counts.read == 3
    assert b"same key as row 1" in booking.rejects


def test_a_bad_line_that_is_in_quarantine_is_left_out_when_it_comes_again(layout: Layout) -> None:
    bad, other = line(latitude=None), line(latitude="north")
    known = frozenset({bad.decode().strip()})
    booking = booking_of(line() + bad + other, ARRIVED, minute(), layout, known)
    assert (booking.counts.read, booking.counts.accepted, booking.counts.rejected) == (2, 1, 1)
    assert booking.counts.rule_counts == {"type": 1, REPEATED: 1}
    assert b"north" in booking.rejects


def test_nothing_accepted_sends_nothing(layout: Layout) -> None:
    booking = booked(line(msgtime=None), layout)
    assert (booking.batch, booking.body, booking.read_to) == (None, b"", None)


def test_a_stream_is_read_to_where_half_of_its_positions_were_sent(layout: Layout) -> None:
    """One clock that is ahead does not move it, and bytes that waited on their way do not either."""
    times = ["2026-11-22T16:30:00Z", "2026-11-22T16:30:01Z", "2026-11-22T18:00:00Z"]
    for unordered in permutations(times):
        booking = booked(b"".join(line(msgtime=time) for time in unordered), layout)
        assert booking.counts.accepted == 3
        assert booking.read_to == datetime(2026, 11, 22, 16, 30, 1, tzinfo=UTC)
    assert booked(line(msgtime="2026-11-22T18:00:00Z"), layout).read_to == ARRIVED


@pytest.mark.parametrize("name", ["combined_full_json.txt", "combined_simple_json.txt"])
def test_recordings_are_read_whole(layout: Layout, recordings: Path, name: str) -> None:
    """500 and 326 lines as they were recorded; two stand there twice."""
    data = (recordings / "barentswatch" / name).read_bytes()
    framing = Ndjson()
    booking = booked(b"".join(framing.feed(data[at : at + 4096]) for at in range(0, len(data), 4096)), layout)
    documents = [json.loads(text) for text in data.splitlines() if text.strip() and is_json(text)]
    distinct = {
        tuple(document[name] for name in ("mmsi", "msgtime", "latitude", "longitude"))
        for document in documents
    }
    assert booking.counts.accepted == len(distinct)
    assert booking.counts.rejected == 0
    assert booking.counts.accepted + booking.counts.rule_counts.get(REPEATED, 0) == len(documents)


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
