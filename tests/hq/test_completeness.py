"""What is missing is named; what is not missing is not."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.spans import size, spans_of
from cloud_sync.wire.heartbeat import LaneState
from hq.complete import BoxReport, _count
from hq.completeness import _object, _text, reports
from records import Lane, Record
from records.types import Loss, Weight
from tests.cloud_sync.ingest.box import NOW, Box
from tests.hq.warehouse.houses import PostgresHouse, told, work


@pytest.fixture
def connection(house: PostgresHouse) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(house.dsn, options="-c timezone=UTC", autocommit=True) as connection:
        yield connection


def weigh(count: int) -> list[Record]:
    return [Record("scale-1", NOW, Weight(kg=Decimal(n))) for n in range(count)]


def report(connection: psycopg.Connection[Any]) -> BoxReport:
    (found,) = reports(connection, None)
    return found


def of(found: BoxReport, lane: Lane) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    (one,) = (one for one in found.lanes if one.lane is lane)
    return one.accepted, one.stored, one.missing


def test_a_box_that_was_never_heard_says_so(connection: psycopg.Connection[Any]) -> None:
    """A registered box without a word is listed, with nothing missing and nothing complete."""
    found = report(connection)
    assert (found.lanes, found.missing, found.complete_to) == ((), 0, None)
    assert list(_text(found)) == ["0214 box-1: never heard of; 0 missing, 0 stored"]


def test_everything_stored_is_complete_to_the_heartbeat(
    connection: psycopg.Connection[Any], house: PostgresHouse, box: Box
) -> None:
    """Batches in any order and packing up to the heartbeat's numbers: complete to its corrected time."""
    batches = [box.batch(weigh(7)) for _ in range(9)]
    Random(1).shuffle(batches)
    house.port.commit(work(box, *batches))
    house.port.commit(told(box, box.heartbeat(1, 1, clock=1, skew_ms=5_000, at_us=int(NOW.timestamp() * 1e6))))

    found = report(connection)
    assert of(found, Lane.NORMAL) == (63, 63, ())
    assert list(_text(found)) == ["0214 box-1: complete to 2026-11-21T11:59:55Z, 0 missing, 63 stored"]


def test_a_gap_is_named_and_what_waits_at_the_store_is_told(
    connection: psycopg.Connection[Any], house: PostgresHouse, box: Box
) -> None:
    """Numbers between stored ones and up to the heartbeat's are missing, by range."""
    batches = [box.batch(weigh(10)) for _ in range(5)]
    house.port.commit(work(box, batches[0], batches[2]))
    lanes = [{"accepted": 0}, {"accepted": 50, "rows": 20}, {"accepted": 0}]
    house.port.commit(told(box, box.heartbeat(1, 1, lanes=tuple(LaneState(**lane) for lane in lanes))))

    found = report(connection)
    assert of(found, Lane.NORMAL) == (50, 20, ((11, 20), (31, 50)))
    assert list(_text(found)) == [
        "0214 box-1: complete to number (normal 10), 30 missing, 20 stored, 20 of them waiting at the store",
        f"  {box.stream.hex()[:8]} normal: missing 11-20, 31-50",
    ]
    assert _object(found)["lanes"][1]["missing"] == ((11, 20), (31, 50))


def test_tombstones_explain_and_stored_outranks_them(
    connection: psycopg.Connection[Any], house: PostgresHouse, box: Box
) -> None:
    """A range that a tombstone names is dropped, not missing; of it what was stored all the same counts as stored."""
    batches = [box.batch(weigh(10)) for _ in range(4)]
    gone = Loss("evicted", 20, {"weight": 20}, box.stream.hex(), box.epoch.epoch.hex(), 1, 11, 30)
    refused = Loss("refused", 3, {"weight": 3})
    tombstones = box.batch([Record("agent", NOW, gone), Record("agent", NOW, refused)])
    house.port.commit(work(box, batches[0], batches[2], batches[3], tombstones))

    found = report(connection)
    assert of(found, Lane.NORMAL) == (40, 30, ())
    assert [lane.dropped for lane in found.lanes] == [0, 10, 0]
    assert found.refused == 3


def test_numbers_run_on_through_epochs(connection: psycopg.Connection[Any], house: PostgresHouse, box: Box) -> None:
    """The header of a later epoch tells that numbers before it were accepted, though none of them came."""
    house.port.commit(work(box, box.batch(weigh(5))))
    box.batch(weigh(5))
    box.new_epoch()
    house.port.commit(work(box))

    assert of(report(connection), Lane.NORMAL) == (10, 5, ((6, 10),))


@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9)).map(lambda p: (p[0], p[0] + p[1])), max_size=5),
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9)).map(lambda p: (p[0], p[0] + p[1])), max_size=5),
)
def test_every_number_is_stored_dropped_or_missing(
    named: int, claims: list[tuple[int, int]], dropped: list[tuple[int, int]]
) -> None:
    """Whatever overlaps, stored, dropped and missing together are the numbers accepted, each once."""
    stored = spans_of(sorted({n for first, last in claims for n in range(first, last + 1)}))
    accepted = max([named, *(last for _, last in [*stored, *dropped])])
    counted = _count((1, accepted), stored, [dropped, claims])
    assert counted.stored + size(counted.explained[0]) + size(counted.missing) == accepted
    assert counted.explained[1] == [], "stored outranks what explains"
