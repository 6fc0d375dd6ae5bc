"""The states of stores, and what their heartbeats tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.wire.heartbeat import DeviceState, Heartbeat
from hq import fleet
from hq.fleet import Heard, State, state_of
from records import Lane
from records.types import DoorCount, PosSale, Weight
from tests.hq.chain import Chain, record

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BODY = Heartbeat("0001", "box-1", 1, 1, 0, "0.1.0", b"s", b"e", b"b", ())


@pytest.fixture
def chain(migrated: str) -> Iterator[Chain]:
    chain = Chain(migrated)
    yield chain
    chain.close()


def heard(ago: timedelta, *, connected: bool = True) -> Heard:
    return Heard("box-1", NOW - ago, connected, BODY, None)


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (None, State.NEVER),
        (heard(timedelta(0)), State.ONLINE),
        (heard(2.5 * MINUTE), State.ONLINE),
        (heard(2.51 * MINUTE), State.LATE),
        (heard(10 * MINUTE), State.LATE),
        (heard(10.01 * MINUTE), State.LOST),
        (heard(timedelta(seconds=3), connected=False), State.LATE),
        (heard(11 * MINUTE, connected=False), State.LOST),
        (heard(-MINUTE), State.ONLINE),
    ],
)
def test_state_follows_from_silence_and_the_last_will(last: Heard | None, state: State) -> None:
    """Silence of 2.5 and 10 intervals, or a broken link, make a store late and lost; a heartbeat makes it online."""
    assert state_of(last, NOW, MINUTE) is state


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_longer_silence_never_looks_better(first: int, second: int, connected: bool) -> None:
    """A store's state only worsens while it is silent."""
    order = [State.ONLINE, State.LATE, State.LOST]
    short, long = sorted((first, second))
    states = [state_of(heard(timedelta(seconds=s), connected=connected), NOW, MINUTE) for s in (short, long)]
    assert order.index(states[0]) <= order.index(states[1])


def test_every_store_is_told_heard_or_not(chain: Chain) -> None:
    """A store that was never heard stands beside the others, without numbers that nobody knows."""
    chain.add_store("0001", "Europe/London", "Riverside")
    chain.add_store("0002")
    chain.beat("0001", NOW, waiting=3, oldest_s=90)

    with psycopg.connect(chain.dsn) as connection:
        one, two = fleet.stores(connection)

    assert (one.store, one.name, one.zone.key) == ("0001", "Riverside", "Europe/London")
    assert one.state(NOW) is State.ONLINE
    assert one.backlog == 9
    assert one.oldest_unsent(NOW + MINUTE) == timedelta(seconds=150)
    assert (two.state(NOW), two.backlog, two.oldest_unsent(NOW), two.devices) == (State.NEVER, None, None, [])


def test_a_last_will_makes_a_store_late_at_once(chain: Chain) -> None:
    """A link that the broker saw break is told before a heartbeat is missed."""
    chain.add_store("0001")
    chain.beat("0001", NOW)
    chain.will("0001", NOW)

    with psycopg.connect(chain.dsn) as connection:
        (store,) = fleet.stores(connection)

    assert store.state(NOW) is State.LATE


def test_devices_stay_visible_between_full_heartbeats(chain: Chain) -> None:
    """A small heartbeat names no devices; those of the last full one stand, and their readings grow older."""
    chain.add_store("0001")
    chain.beat("0001", NOW, devices=[DeviceState("door-1", "hikvision-count", "up", age_s=5, today=7)])
    chain.beat("0001", NOW + MINUTE)

    with psycopg.connect(chain.dsn) as connection:
        (store,) = fleet.stores(connection)

    (told,) = store.devices
    assert told.device.id == "door-1"
    assert told.reading_at == NOW - timedelta(seconds=5, milliseconds=40)  # the box is 40 ms fast


def test_boxes_that_were_revoked_no_longer_count(chain: Chain) -> None:
    """The heartbeat of a box that was shut out says nothing about its store."""
    chain.add_store("0001")
    chain.beat("0001", NOW)
    with psycopg.connect(chain.dsn) as connection:
        connection.execute("UPDATE box SET revoked_at = now()")
        (store,) = fleet.stores(connection)

    assert store.state(NOW) is State.NEVER


def test_lanes_tell_accepted_stored_waiting_and_missing(chain: Chain) -> None:
    """What a store accepted is stored, waits for its receipt, or is missing."""
    chain.add_store("0001")
    sale = PosSale(source_id="1", transaction_id="1", total=Decimal(5))
    chain.store_records("0001", NOW, record("till-1", NOW, sale), record("scale-1", NOW, Weight(kg=Decimal(1))))
    chain.beat("0001", NOW, waiting=4)
    chain.store_records("0001", NOW, record("door-1", NOW, DoorCount(in_=1, out=0)))

    with psycopg.connect(chain.dsn) as connection:
        (store,) = fleet.stores(connection)
        lanes = {count.lane: count for count in fleet.lane_counts(connection, store)}
        connection.execute("DELETE FROM coverage_delta WHERE lane = %s", [Lane.VITAL])
        holed = fleet.lane_counts(connection, store)[Lane.VITAL]

    vital, normal = lanes[Lane.VITAL], lanes[Lane.NORMAL]
    assert (vital.accepted, vital.stored, vital.waiting, vital.missing) == (5, 1, 4, 0)
    assert (normal.accepted, normal.stored, normal.waiting, normal.missing) == (5, 2, 3, 0)
    assert (holed.accepted, holed.stored, holed.missing) == (5, 0, 1)


def test_one_store_can_be_asked_for(chain: Chain) -> None:
    """Only the store of that name is given, and none where there is none."""
    chain.add_store("0001")
    chain.add_store("0002")

    with psycopg.connect(chain.dsn) as connection:
        assert [store.store for store in fleet.stores(connection, only="0002")] == ["0002"]
        assert fleet.stores(connection, only="0003") == []
