"""A headquarters restored from an older backup: what came since is taken again, the rest is named."""

from __future__ import annotations

import asyncio
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest

from cloud_sync.ingest.asking import FIRST
from cloud_sync.ingest.work import Beat, Reply, Sender, Work
from cloud_sync.wire.downlink import ANY_EPOCH, Command, Order, Resend
from cloud_sync.wire.heartbeat import Answer
from cloud_sync.wire.topics import Up
from hq import keys, orders
from hq.backup import DUMP, backup, restore, verify
from hq.clerk import Clerk
from hq.data import Data, Failure, free_ports, private_directory
from hq.headquarters import database
from hq.ingest import Worker
from hq.rotation import FILES
from hq.warehouse.columns import TABLES
from hq.warehouse.schema import LaterDatabase
from tests.cloud_sync.ingest.box import Box, batches_of, weigh
from tests.hq.test_clerk import heard
from tests.hq.test_ingest import Store, until, working
from tests.hq.warehouse.houses import PostgresHouse, work
from tests.services import NO_REPLAY, BrokerForTests


@pytest.fixture
def house(own: Data, box: Box) -> PostgresHouse:
    return PostgresHouse(database(own).dsn(), [box])


@pytest.fixture
def place(tmp_path: Path, own: Data) -> Data:
    """Another machine, prepared with ports of its own."""
    bare = Data(private_directory(tmp_path / "restored"))
    bare.save(msgspec.structs.replace(own.settings(), database_port=free_ports(1)[0]))
    return bare


def test_what_the_restored_ledger_lacks_comes_again_and_the_rest_is_named(
    tmp_path: Path, own: Data, house: PostgresHouse, box: Box, place: Data
) -> None:
    """By its heartbeat the box is asked for what it sent since the backup; what it no longer holds is lost by name."""
    sent = [box.batch(weigh(10)) for _ in range(2)]
    house.port.commit(work(box, *sent))
    with psycopg.connect(house.dsn) as connection:
        orders.give(connection, (box.store, box.name), 1, Command.NEW_STREAM, b"x" * 16)
    manifest = backup(own, tmp_path / "backup")
    since = [box.batch(weigh(10)) for _ in range(2)]
    house.port.commit(work(box, *since))

    settings = restore(place, tmp_path / "backup")
    assert settings.generation > manifest.generation
    ring = keys.load(place)
    with database(place).running() as dsn:
        again = PostgresHouse(dsn, [])
        assert len(again.records()) == 20
        now = datetime.now(UTC)
        lanes = box.beat(1, 1, clock=1, at_us=int(now.timestamp() * 1e6))
        again.port.commit(Work(now, (Beat(Sender(box.store, box.name, box.fingerprint), lanes),)))
        clerk = Clerk(dsn, ring, settings.generation)
        clerk.tick(now)
        bodies = [heard(note, ring, box) for note in clerk.tick(now + FIRST)]  # the order of before among them
        assert [body.ranges for body in bodies if isinstance(body, Resend)] == [[(box.stream, ANY_EPOCH, 1, 21, 40)]]

        again.port.commit(work(box, since[0], received=now))
        gone = Answer(box.store, box.name, 0, not_held=((box.stream, ANY_EPOCH, 1, 31, 40),))
        again.port.commit(Work(now, (Reply(Sender(box.store, box.name, box.fingerprint), gone),)))
        assert again.port.commit(work(box, *sent, since[0], received=now)).stored == 0
        assert len(again.records()) == 30
        with psycopg.connect(dsn, autocommit=True) as connection:
            orders.give(connection, (box.store, box.name), settings.generation, Command.NEW_STREAM, b"y" * 16)
            told = [one.order for one in orders.due(connection, now + timedelta(days=1))]
        assert told == [
            Order(settings.generation, n, "new-stream", mark * 16) for n, mark in enumerate([b"x", b"y"], 1)
        ]
        clerk.close()
        again.port.close()


def test_a_restore_deletes_nothing_and_rises_each_time(
    tmp_path: Path, own: Data, house: PostgresHouse, box: Box, place: Data
) -> None:
    """Restoring twice keeps the first database beside the second, and never speaks under one generation twice."""
    house.port.commit(work(box, box.batch(weigh(10))))
    backup(own, tmp_path / "backup")
    first = restore(place, tmp_path / "backup")
    second = restore(place, tmp_path / "backup")

    assert own.settings().generation < first.generation < second.generation
    assert first.database_port == place.settings().database_port != own.settings().database_port
    assert len(list(place.root.glob("pg.before-*"))) == 1
    assert keys.load(place).root.public_bytes_raw() == keys.load(own).root.public_bytes_raw()
    assert not place.offline.exists()
    assert {path.stat().st_mode & 0o077 for path in [place.root, *place.keys.iterdir()]} == {0}


def test_a_backup_is_checked_before_anything_is_touched(tmp_path: Path, own: Data, house: PostgresHouse) -> None:
    """A changed file, a later release's, and no backup at all are refused in words; none is written over."""
    source = tmp_path / "backup"
    manifest = backup(own, source)
    assert verify(source) == manifest
    with pytest.raises(Failure, match="exists; name a new directory"):
        backup(own, source)
    with tarfile.open(source / FILES) as archive:
        assert not [name for name in archive.getnames() if name.startswith(("offline", "pg", "nats"))]
    (source / DUMP).write_bytes((source / DUMP).read_bytes() + b"x")
    with pytest.raises(Failure, match="is not what it was"):
        restore(Data(tmp_path / "new"), source)
    with pytest.raises(Failure, match="is no backup"):
        verify(tmp_path)
    assert not (tmp_path / "new").exists()
    with psycopg.connect(house.dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (999)")
    backup(own, tmp_path / "later")
    with pytest.raises(LaterDatabase, match="install that one first"):
        verify(tmp_path / "later")


def test_the_brokers_stream_is_taken_from_its_beginning(
    broker: BrokerForTests, migrated: str, own: Data, tmp_path: Path
) -> None:
    """What a worker had acknowledged before HQ was restored comes again to the next one, once it is asked to."""
    keyring = keys.load(own)
    box = Box(recipient=keyring.sealing)
    house = PostgresHouse(migrated, [box])
    batches = batches_of(box, 1, 6, 20)
    replay = tmp_path / "replay"

    async def run() -> None:
        connection = await broker.connect()
        store = Store(connection, box, keyring)
        await store.listen()
        await store.send(Up.EPOCH, box.header.raw)
        for batch in batches:
            await store.send(Up.BATCH, batch)
        async with working(Worker(broker.url, broker.tls, "se", keyring, migrated, 1, NO_REPLAY)):
            await until(lambda: len(store.receipted) == 7)
        for table in ("batch", "claim", "coverage", "coverage_delta", "epoch", "stream", "source_claim"):
            house.change(f"DELETE FROM {table}")  # noqa: S608
        for table in TABLES.values():
            house.change(f'DELETE FROM "{table.name}"')  # noqa: S608
        replay.touch()
        async with working(Worker(broker.url, broker.tls, "se", keyring, migrated, 2, replay)):
            await until(lambda: len(house.records()) == 120)
            await until(lambda: not replay.exists())
        await connection.close()

    asyncio.run(run())
