"""Old claims in one row a lane: what they claimed stays claimed."""

from __future__ import annotations

import threading
from datetime import timedelta

import psycopg
import pytest

from hq.complete import report
from hq.warehouse.folding import AFTER, fold
from hq.warehouse.postgres import PostgresWarehouse
from tests.cloud_sync.ingest.box import NOW, Box, weigh
from tests.hq.warehouse.houses import PostgresHouse, work

LATER = NOW + AFTER + timedelta(days=2)


def folded(house: PostgresHouse) -> int:
    with psycopg.connect(house.dsn, autocommit=True) as connection:
        return fold(connection, LATER)


def old_epoch(house: PostgresHouse, box: Box) -> list[bytes]:
    """Ten batches of an epoch, the seventh of them lost; the next epoch followed. All is a month old."""
    batches = [box.batch(weigh(10)) for _ in range(10)]
    house.port.commit(work(box, *batches[:6], *batches[7:]))
    ended = box.epoch, box.header
    box.new_epoch()
    house.port.commit(work(box, box.batch(weigh(5))))
    box.epoch, box.header = ended
    return batches


def test_only_epochs_that_ended_long_ago_are_folded(house: PostgresHouse, box: Box) -> None:
    """A month after it ended an epoch is one row a lane; the epoch that may go on keeps its claims."""
    old_epoch(house, box)
    with psycopg.connect(house.dsn, autocommit=True) as connection:
        assert fold(connection, NOW + AFTER - timedelta(days=1)) == 0
    assert folded(house) == 1
    assert folded(house) == 0

    assert house.rows("SELECT seqs::text FROM claim_folded") == [("{[1,61),[71,101)}",)]
    assert house.rows("SELECT count(*), min(lower(seqs)) FROM claim") == [(1, 101)]
    assert house.rows("SELECT count(*) FROM batch") == [(1,)]


def test_what_was_folded_is_stored_once_for_ever(house: PostgresHouse, box: Box) -> None:
    """The same batches, their re-packings and the lost one a month later: only what was never stored is."""
    batches = old_epoch(house, box)
    before = house.standings()
    folded(house)
    assert house.standings() == before

    assert house.port.commit(work(box, batches[0], received=LATER)).stored == 0
    assert house.port.commit(work(box, batches[0], received=LATER)).repeated == 2
    assert house.port.commit(work(box, box.batch(weigh(25), 50), received=LATER)).stored == 10
    assert house.port.commit(work(box, batches[6], received=LATER)).stored == 0
    assert len(house.records()) == 105
    (found,) = map(report, house.standings())
    assert (found.missing, sum(lane.stored for lane in found.lanes)) == (0, 105)


def test_folding_and_storing_at_the_same_time_store_once(house: PostgresHouse, box: Box) -> None:
    """A worker that re-packs an old epoch while it is folded brings nothing twice."""
    batches = old_epoch(house, box)
    with psycopg.connect(house.dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM batch")
    stored: list[int] = []

    def store() -> None:
        port = PostgresWarehouse(house.dsn)
        stored.extend(port.commit(work(box, batch, received=LATER)).stored for batch in batches)
        port.close()

    threads = [threading.Thread(target=store), threading.Thread(target=folded, args=[house])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    folded(house)  # what the store was at
    assert sum(stored) == 10
    assert len(house.records()) == 105
    assert house.rows("SELECT count(*) FROM claim_folded") == [(1,)]


@pytest.mark.parametrize(
    "lock",
    [
        "SELECT 1 FROM epoch FOR UPDATE",
        "SELECT pg_advisory_xact_lock_shared(7301994, hashtext(encode(epoch, 'hex'))) FROM epoch",
    ],
)
def test_an_epoch_that_ingest_is_at_is_folded_the_next_time(house: PostgresHouse, box: Box, lock: str) -> None:
    """Folding waits for nobody, so that ingest and it never wait for each other."""
    old_epoch(house, box)
    with psycopg.connect(house.dsn) as ingest:
        ingest.execute(lock)
        assert folded(house) == 0

    assert folded(house) == 1
