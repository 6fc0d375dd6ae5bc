"""What HQ sends by itself: re-sends, orders, successions, on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pytest

from cloud_sync.ingest.asking import FIRST
from cloud_sync.ingest.work import Beat, Reply, Sender, Work
from cloud_sync.wire.downlink import ANY_EPOCH, Command, Order, Resend, open_envelope
from cloud_sync.wire.heartbeat import Answer
from hq import keys
from hq.clerk import EVERY, Clerk, Note
from tests.cloud_sync.ingest.box import NOW, Box, weigh
from tests.hq.warehouse.houses import PostgresHouse, work
from tests.hq.warehouse.test_streams import image, next_epoch


@pytest.fixture
def clerk(migrated: str, keyring: keys.Keyring) -> Iterator[Clerk]:
    made = Clerk(migrated, keyring, generation=1)
    yield made
    made.close()


def tell(house: PostgresHouse, box: Box, at: datetime, seq: int) -> None:
    body = box.beat(1, seq, clock=1, at_us=int(at.timestamp() * 1_000_000))
    house.port.commit(Work(at, (Beat(Sender(box.store, box.name, box.fingerprint), body),)))


def forked(house: PostgresHouse, box: Box) -> None:
    """A copy of the box's disk went another way than the box; it speaks last."""
    house.port.commit(work(box, box.batch(weigh(10))))
    copy = next_epoch(image(box))
    next_epoch(box)
    house.port.commit(work(box))
    house.port.commit(work(copy))
    tell(house, copy, NOW, 1)


def heard(note: Note, keyring: keys.Keyring, box: Box) -> object:
    """What the box makes of it."""
    assert (note.store, note.box) == (box.store, box.name)
    envelope = open_envelope(note.envelope, keyring.root, box.fingerprint, 1)
    assert envelope is not None
    return envelope.body


def test_missing_numbers_are_asked_for_and_healed(
    house: PostgresHouse, clerk: Clerk, keyring: keys.Keyring, box: Box
) -> None:
    """A batch that was lost on its way is asked for, comes, and is asked for no more."""
    batches = [box.batch(weigh(10)) for _ in range(3)]
    house.port.commit(work(box, batches[0], batches[2]))
    tell(house, box, NOW, 1)
    assert clerk.tick(NOW) == []
    (note,) = clerk.tick(NOW + FIRST)
    body = heard(note, keyring, box)

    assert isinstance(body, Resend)
    assert body.ranges == [(box.stream, ANY_EPOCH, 1, 11, 20)]
    house.port.commit(work(box, batches[1]))
    assert clerk.tick(NOW + 3 * FIRST) == []


def test_what_the_box_no_longer_holds_is_asked_for_no_more(house: PostgresHouse, clerk: Clerk, box: Box) -> None:
    """Its answer names the range lost; HQ stops asking."""
    box.batch(weigh(10))
    house.port.commit(work(box, box.batch(weigh(10))))
    tell(house, box, NOW, 1)
    clerk.tick(NOW)
    assert len(clerk.tick(NOW + FIRST)) == 1
    gone = Answer(box.store, box.name, 0, not_held=((box.stream, ANY_EPOCH, 1, 1, 10),))
    house.port.commit(Work(NOW, (Reply(Sender(box.store, box.name, box.fingerprint), gone),)))
    assert clerk.tick(NOW + 4 * FIRST) == []


def test_a_box_that_is_away_is_not_asked(house: PostgresHouse, clerk: Clerk, box: Box) -> None:
    """Without a heartbeat for minutes nothing is sent; once it is back, it is asked."""
    box.batch(weigh(10))
    house.port.commit(work(box, box.batch(weigh(10))))
    tell(house, box, NOW - timedelta(hours=1), 1)
    for minutes in range(5):
        assert clerk.tick(NOW + minutes * FIRST) == []
    later = NOW + timedelta(hours=2)
    tell(house, box, later, 2)
    clerk.tick(later)
    assert len(clerk.tick(later + FIRST)) == 1


def test_a_forked_stream_is_left_by_order(house: PostgresHouse, clerk: Clerk, keyring: keys.Keyring, box: Box) -> None:
    """The box in it is told to open a new stream, again until its heartbeat names another one."""
    forked(house, box)

    at, orders = NOW, []
    for _ in range(30):
        orders += [heard(note, keyring, box) for note in clerk.tick(at)]
        at += EVERY
    assert 2 <= len(orders) <= 6
    assert set(map(str, orders)) == {str(Order(1, 1, Command.NEW_STREAM.value, box.stream))}
    fresh = Box(key=box.key)
    house.port.commit(work(fresh))
    tell(house, fresh, at, 1)
    clerk.tick(at)
    assert clerk.tick(at + timedelta(hours=2)) == []


def test_an_answer_ends_an_order(house: PostgresHouse, clerk: Clerk, box: Box) -> None:
    """What the box says it did, or could not, is kept with the order."""
    forked(house, box)
    assert len(clerk.tick(NOW)) == 1
    sender = Sender(box.store, box.name, box.fingerprint)
    answer = Answer(box.store, box.name, 0, order=(1, 1), done=False, why="disk full")
    house.port.commit(Work(NOW, (Reply(sender, answer),)))

    assert house.rows("SELECT answer, done_at IS NULL FROM hq_order ORDER BY counter") == [("disk full", False)]


def test_only_one_clerk_works_at_a_time(migrated: str, clerk: Clerk, keyring: keys.Keyring) -> None:
    """The second finds the lock held and does nothing, until the first has gone."""
    clerk.tick(NOW)
    other = Clerk(migrated, keyring, generation=1)
    other.tick(NOW)
    assert other._connection is None
    clerk.close()
    other.tick(NOW + EVERY)
    assert other._connection is not None
    other.close()


def test_every_number_the_clerk_reads_was_folded(house: PostgresHouse, clerk: Clerk, box: Box) -> None:
    """What ingest appended is moved into one row a lane, and completeness reads the same before and after."""
    for _ in range(5):
        house.port.commit(work(box, box.batch(weigh(3))))
    before = house.standings()
    clerk.tick(NOW)

    with psycopg.connect(house.dsn) as connection:
        assert connection.execute("SELECT count(*) FROM coverage_delta").fetchone() == (0,)
        assert connection.execute("SELECT seqs::text FROM coverage").fetchall() == [("{[1,16)}",)]
    assert house.standings() == before


def test_orders_carry_the_generation(migrated: str, house: PostgresHouse, keyring: keys.Keyring, box: Box) -> None:
    """A restored headquarters speaks above what it may have said before, whatever its counters are."""
    forked(house, box)
    ranks = []
    for generation in (1, 2):
        clerk = Clerk(migrated, keyring, generation)
        for note in clerk.tick(NOW + generation * EVERY):
            body = heard(note, keyring, box)
            assert isinstance(body, Order)
            ranks.append((body.generation, body.counter))
        clerk.close()
    assert ranks == [(1, 1), (2, 1)]
