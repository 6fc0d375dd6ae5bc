"""The ingest worker between a real broker and a real database."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import pytest
from nats.aio.client import Client

from cloud_sync.wire.downlink import Hold, Receipt, open_envelope
from cloud_sync.wire.topics import Up
from hq import keys
from hq.data import Data, Settings, free_ports, private_directory
from hq.embedded.postgres import Postgres
from hq.ingest import Worker
from hq.stream import CONSUMER, STREAM, jetstream
from hq.warehouse import migrate
from records import Record
from tests.cloud_sync.ingest.box import Box, batches_of, sales
from tests.hq.warehouse.houses import PostgresHouse
from tests.services import NO_REPLAY, BrokerForTests

DEADLINE_S = 60.0


class Store:
    """A box's side of the link, over the broker: sends, and hears what comes down."""

    def __init__(self, connection: Client, box: Box, keyring: keys.Keyring) -> None:
        self.connection = connection
        self.box = box
        self.keyring = keyring
        self.receipted: set[bytes] = set()
        self.held: set[bytes] = set()

    async def listen(self) -> None:
        await self.connection.subscribe(f"se.{self.box.store}.{self.box.name}.down", cb=self._down)

    async def _down(self, message: object) -> None:
        envelope = open_envelope(message.data, self.keyring.root, self.box.fingerprint, 1)  # type: ignore[attr-defined]
        assert envelope is not None
        if isinstance(envelope.body, Receipt):
            self.receipted.update(envelope.body.each())
        if isinstance(envelope.body, Hold):
            self.held.update(envelope.body.each())

    async def send(self, what: Up, payload: bytes) -> None:
        message = self.box.send(what, payload)
        await jetstream(self.connection).publish(message.topic.replace("/", "."), message.payload)


async def until(true: object, deadline_s: float = DEADLINE_S) -> None:
    """Polls a condition."""
    end = asyncio.get_running_loop().time() + deadline_s
    while not true():  # type: ignore[operator]
        assert asyncio.get_running_loop().time() < end, "waited in vain"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stopping.set()
        await task


def test_records_sent_are_stored_and_receipted(broker: BrokerForTests, migrated: str, keyring: keys.Keyring) -> None:
    """What reaches the broker comes out as rows and receipts; the stream is left with nothing unacknowledged."""
    box = Box(recipient=keyring.sealing)
    house = PostgresHouse(migrated, [box])

    async def run() -> None:
        connection = await broker.connect()
        store = Store(connection, box, keyring)
        await store.listen()
        batches = batches_of(box, 1, 10, 30)
        async with working(Worker(broker.url, broker.tls, "se", keyring, migrated, 1, NO_REPLAY)):
            await store.send(Up.BATCH, batches[0])
            await until(lambda: store.held == {box.epoch.epoch})
            await store.send(Up.EPOCH, box.header.raw)
            for batch in batches:
                await store.send(Up.BATCH, batch)
            await store.send(Up.HEARTBEAT, box.heartbeat(1, 1))
            await until(lambda: len(store.receipted) == 11)
            await until(lambda: house.heard(box) == (1, 1, True))
        assert (await jetstream(connection).consumer_info(STREAM, CONSUMER)).num_ack_pending == 0
        await connection.close()

    asyncio.run(run())
    assert len(house.records()) == 300


def test_a_database_that_is_away_delays_and_loses_nothing(
    broker: BrokerForTests, database: str, keyring: keys.Keyring
) -> None:
    """Batches that come before the tables exist are taken once they do, without being sent again."""
    box = Box(recipient=keyring.sealing)

    async def run() -> None:
        connection = await broker.connect()
        store = Store(connection, box, keyring)
        await store.listen()
        async with working(Worker(broker.url, broker.tls, "se", keyring, database, 1, NO_REPLAY)) as _:
            await store.send(Up.EPOCH, box.header.raw)
            await store.send(Up.BATCH, box.batch(sales(1, 40)))
            stream = jetstream(connection)

            async def delivered() -> int:
                return (await stream.consumer_info(STREAM, CONSUMER)).delivered.consumer_seq

            while await delivered() < 2:
                await asyncio.sleep(0.02)
            assert not store.receipted
            migrate(database)
            PostgresHouse(database, [box])
            await until(lambda: len(store.receipted) == 2)
        await connection.close()

    asyncio.run(run())
    assert len(PostgresHouse(database, []).records()) == 40


def test_a_broker_that_comes_later_is_found(
    broker: BrokerForTests, database: str, keyring: keys.Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that starts before its broker connects once it is there."""
    migrate(database)
    box = Box(recipient=keyring.sealing)
    PostgresHouse(database, [box])
    broker.server.stop()

    async def run() -> None:
        async with working(Worker(broker.url, broker.tls, "se", keyring, database, 1, NO_REPLAY)):
            await until(lambda: "event=broker-away" in caplog.text)
            broker.start()  # here and not in a thread, with whose end the kernel would end the server
            connection = await broker.connect()
            store = Store(connection, box, keyring)
            await store.listen()
            await store.send(Up.EPOCH, box.header.raw)
            await until(lambda: len(store.receipted) == 1)
            await connection.close()

    asyncio.run(run())


# --- the whole process ---


@pytest.fixture
def data(tmp_path: Path, broker: BrokerForTests, emptied: Postgres) -> Data:
    """A data directory whose broker and database are the session's."""
    place = Data(private_directory(tmp_path / "hq"))
    listeners = broker.server.listeners
    ports = (listeners.mqtt_port, listeners.nats_port, emptied.port, *free_ports(1))
    place.save(Settings(("localhost",), "127.0.0.1", *ports))
    keys.ensure(place)
    place.password_file.write_bytes(emptied.password_file.read_bytes())
    (tmp_path / "hq" / "tls").symlink_to(broker.tls)
    return place


@contextmanager
def process(data: Data) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(
        [sys.executable, "-m", "hq", "ingest", "--data", str(data.root)], stderr=subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def test_killed_at_any_moment_every_record_is_stored_once(
    broker: BrokerForTests, data: Data, session_database: Postgres
) -> None:
    """A worker killed four times while batches move leaves every record stored once, and all receipted in the end."""
    keyring = keys.load(data)
    box = Box(recipient=keyring.sealing)
    house = PostgresHouse(session_database.dsn(), [box])
    records: list[Record] = sales(2, 3_000)
    batches = [box.batch(records[at : at + 10]) for at in range(0, 3_000, 10)]
    stored_at_kill: list[int] = []

    def stored() -> int:
        return int(str(house.rows("SELECT coalesce(sum(stored), 0) FROM batch")[0][0]))

    async def run() -> None:
        connection = await broker.connect()
        store = Store(connection, box, keyring)
        await store.listen()
        await store.send(Up.EPOCH, box.header.raw)
        for part in range(5):
            before = stored()
            with process(data) as worker:
                for batch in batches[60 * part : 60 * part + 60]:
                    await store.send(Up.BATCH, batch)
                if part < 4:
                    await until(lambda before=before: stored() > before)
                    stored_at_kill.append(stored())
                    worker.send_signal(signal.SIGKILL)
                    continue
                await resend(store)
                worker.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(worker.wait, 30) == 0
        await connection.close()

    async def resend(store: Store) -> None:
        """As a store does: what has no receipt comes again."""
        missing = {box.send(Up.BATCH, batch).payload for batch in batches}
        while missing := {batch for batch in missing if name(batch) not in store.receipted}:
            for batch in missing:
                await store.send(Up.BATCH, batch)
            with suppress(AssertionError):
                await until(lambda: all(name(batch) in store.receipted for batch in missing), 3.0)

    asyncio.run(run())
    assert len(stored_at_kill) == 4
    assert stored_at_kill == sorted(set(stored_at_kill)), "every kill came while records moved"
    assert len(house.records()) == 3_000


def name(batch: bytes) -> bytes:
    return sha256(batch).digest()[:16]
