"""The road over Mosquitto: the uplink, a shared subscription of two workers, PostgreSQL, the ACL by certificate."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

from cloud_sync.uplink.hearing import Pin
from cloud_sync.uplink.messages import LinkDown, LinkUp, Parcel
from cloud_sync.uplink.mqtt import Broker, Tls
from cloud_sync.wire.topics import Address, Up
from hq import keys
from hq.ingest import Worker
from tests.cloud_sync.ingest.box import Box, batches_of
from tests.cloud_sync.test_uplink_mqtt import first_word
from tests.cloud_sync.uplink_parts import MemoryOutbox, parcel
from tests.cloud_sync.uplink_run import DEADLINE_S, STRAIGHT, running, until
from tests.hq.mqtt_box import Box as Client
from tests.hq.warehouse.houses import PostgresHouse
from tests.mosquitto import Mosquitto, mosquitto, needs_mosquitto
from tests.services import NO_REPLAY, Files

pytestmark = needs_mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "mosquitto") as running_broker:
        yield running_broker


@contextmanager
def working(make: Callable[[], Worker]) -> Iterator[Worker]:
    """A worker on a thread of its own."""
    loop = asyncio.new_event_loop()
    worker = make()
    thread = threading.Thread(target=lambda: loop.run_until_complete(worker.run()))
    thread.start()
    try:
        yield worker
    finally:
        loop.call_soon_threadsafe(worker.stopping.set)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        loop.close()


def parcels(box: Box, count: int) -> list[Parcel]:
    return [parcel(Up.EPOCH, box.header.raw), *(parcel(Up.BATCH, raw) for raw in batches_of(box, 1, count, 30))]


def outbox_of(box: Box, held: list[Parcel]) -> MemoryOutbox:
    outbox = MemoryOutbox(held)
    outbox.all_headers = {box.epoch.epoch: held[0]}
    return outbox


def straight(broker: Mosquitto) -> Broker:
    return Broker("127.0.0.1", broker.port, None, STRAIGHT)


def test_everything_is_stored_once_over_a_shared_subscription(
    broker: Mosquitto, migrated: str, keyring: keys.Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    """Two workers share what boxes send; one of them leaves half way, the broker restarts, and nothing is missing nor
    stored twice.
    """
    box = Box(recipient=keyring.sealing)
    house = PostgresHouse(migrated, [box])
    address, pin = Address("se", box.store, box.name), Pin(keyring.root, box.fingerprint, 0)
    held = parcels(box, 60)
    files = broker.box(box.store, box.name)
    later = outbox_of(box, held[31:])
    later.all_headers = {box.epoch.epoch: held[0]}

    def make() -> Worker:
        return Worker(broker.url, broker.tls, "se", keyring, migrated, 1, NO_REPLAY)

    with caplog.at_level("INFO"), working(make):
        with working(make), running([straight(broker)], files, outbox_of(box, held[:31]), pin, address) as up:
            until(lambda: up.core.figures.last_receipt_us, "nothing was receipted")
            until(lambda: not up.core.figures.in_flight, "not everything was receipted")
        with running([straight(broker)], files, later, pin, address) as up:
            until(lambda: len(later.held) < 25, "nothing was receipted")
            broker.stop()
            broker.start()
            until(lambda: not later.held, "not everything was receipted")

    assert len(house.records()) == 60 * 30
    shares = [said for said in caplog.messages if "event=counts" in said and "stored=" in said]
    assert len(shares) >= 3, "both workers had a share, and the second again on its new connection"


class Intruder(Client):
    """A box that writes where it may not: this Mosquitto ends its session for that."""

    def __init__(self, broker: Mosquitto, files: Files) -> None:
        super().__init__("intruder", files.ca, files)
        assert self.connect(broker.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, topic: str, payload: bytes) -> None:
        with suppress(RuntimeError):
            super().publish(topic, payload)


def test_a_box_writes_and_reads_below_its_own_name_alone(broker: Mosquitto) -> None:
    """Under another store's topic nothing arrives, nothing is heard, and a foreign subscription hears nobody."""
    worker = Files(broker.tls / "ca.crt", broker.tls / "hq.crt", broker.tls / "hq.key")
    users = {"one": broker.box("s1", "box-1"), "other": broker.box("s2", "box-1"), "hq": worker}
    one, other, hq = (Client(name, files.ca, files) for name, files in users.items())
    assert all(client.connect(broker.port) for client in (one, other, hq))
    hq.subscribe("se/+/+/up/#")
    other.subscribe("se/s2/box-1/down")
    other.subscribe("se/s1/box-1/down")
    other.subscribe("se/#")
    for topic in ("se/s1/box-1/up/batch", "se/s1/box-1/down", "se/s2/box-1/down"):
        with Intruder(broker, users["other"]) as intruder:
            intruder.publish(topic, b"by an intruder")
    other.publish("se/s2/box-1/up/batch", b"by other")
    one.publish("se/s1/box-1/up/batch", b"by one")
    hq.publish("se/s1/box-1/down", b"to one")
    hq.publish("se/s2/box-1/down", b"to other")

    assert [hq.messages.get(timeout=DEADLINE_S) for _ in range(2)] == [
        ("se/s2/box-1/up/batch", b"by other"),
        ("se/s1/box-1/up/batch", b"by one"),
    ]
    assert other.messages.get(timeout=DEADLINE_S) == ("se/s2/box-1/down", b"to other")
    assert hq.messages.empty()
    assert other.messages.empty()
    for client in (one, other, hq):
        client.close()


def test_without_a_certificate_nobody_gets_in(broker: Mosquitto) -> None:
    """A connection that shows none ends before MQTT."""
    assert not Client("nobody", broker.tls / "ca.crt", None).connect(broker.port)


def test_the_road_leads_over_a_websocket_too(broker: Mosquitto, migrated: str, keyring: keys.Keyring) -> None:
    """With nothing but a WebSocket to the broker everything is receipted."""
    box = Box(recipient=keyring.sealing)
    house = PostgresHouse(migrated, [box])
    address, pin = Address("se", box.store, box.name), Pin(keyring.root, box.fingerprint, 0)
    outbox = outbox_of(box, parcels(box, 10))
    broker_there = Broker("127.0.0.1", broker.websocket_port, "/mqtt", STRAIGHT)
    with (
        working(lambda: Worker(broker.url, broker.tls, "se", keyring, migrated, 1, NO_REPLAY)),
        running([broker_there], broker.box(box.store, box.name), outbox, pin, address) as uplink,
    ):
        until(lambda: not outbox.held, "not everything was receipted")
        until(lambda: uplink.core.figures.sent > 10_000, "the connection's bytes were not counted")

    assert len(house.records()) == 300


def test_a_websocket_of_another_authority_is_not_trusted(broker: Mosquitto, tmp_path: Path) -> None:
    """Over a WebSocket the broker's certificate counts as it does without."""
    files = broker.box("s1", "box-1")
    there = Broker("localhost", broker.websocket_port, "/mqtt", STRAIGHT)
    with mosquitto(tmp_path / "other") as other:
        refused = first_word(there, Tls(other.tls / "ca.crt", files.certificate, files.key))
    taken = first_word(there, Tls(files.ca, files.certificate, files.key))

    assert isinstance(refused, LinkDown)
    assert "is not trusted" in refused.why
    assert taken == LinkUp(1)
