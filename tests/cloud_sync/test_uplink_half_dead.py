"""Links that look well and are not, over a real broker: nothing is lost, and the fault has its name."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, StreamConfig
from nats.js.client import JetStreamContext

from cloud_sync.wire.topics import Up
from hq.stream import ANSWER_S, jetstream
from tests.cloud_sync.test_uplink_mqtt import headquarters, here
from tests.cloud_sync.uplink_parts import MemoryOutbox, batch, parcel, receipt
from tests.cloud_sync.uplink_run import BOX, running, until
from tests.services import TOPIC_ROOT, BrokerForTests, Files

SMALL = 5
Puller = JetStreamContext.PullSubscription


@pytest.fixture
def files(broker: BrokerForTests) -> Files:
    return broker.box(BOX.store, BOX.box)


def test_a_broker_that_nobody_listens_at_is_named_and_nothing_is_lost(broker: BrokerForTests, files: Files) -> None:
    """The broker acknowledges all and hands it to nobody: the box says so, and keeps it until there is somebody."""
    outbox = MemoryOutbox([batch(n) for n in range(30)])
    with running([here(broker)], files, outbox) as uplink:
        until(lambda: uplink.core.figures.fault == "no-receipts", "the fault was not named")
        assert uplink.up
        assert len(outbox.held) == 30
        with headquarters(broker) as hq:
            until(lambda: not outbox.held, "not everything was receipted")
        assert uplink.core.figures.fault == ""

    assert {batch(n).payload for n in range(30)} <= set(hq.payloads(Up.BATCH))


class SmallStream:
    """An HQ whose stream holds five messages and refuses what is beyond; it receipts what it finds there."""

    def __init__(self, broker: BrokerForTests) -> None:
        self.taken: list[bytes] = []
        self.opened = threading.Event()
        self._broker = broker
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._ran: Future[None] = Future()
        self._thread = threading.Thread(target=self._live)
        self._made = threading.Event()
        self._thread.start()
        assert self._made.wait(60)

    def _live(self) -> None:
        try:
            self._ran.set_result(self._loop.run_until_complete(self._run()))
        except (OSError, nats.errors.Error) as fault:
            self._ran.set_exception(fault)

    async def _run(self) -> None:
        connection = await self._broker.connect()
        stream = jetstream(connection)
        for name in [each.config.name for each in await stream.streams_info()]:
            if name == "UP":
                await stream.delete_stream(name)
        subjects = [f"{TOPIC_ROOT}.*.*.up.batch"]
        await stream.add_stream(StreamConfig("SMALL", subjects=subjects, max_msgs=SMALL, discard=DiscardPolicy.NEW))
        try:
            await self._serve(connection, stream, await stream.pull_subscribe(subjects[0], durable="small"))
        finally:
            await stream.delete_stream("SMALL")
            await connection.close()

    async def _serve(
        self, connection: Client, stream: JetStreamContext, puller: JetStreamContext.PullSubscription
    ) -> None:
        self._made.set()
        while not self._stop.is_set():
            if not self.opened.is_set():
                await asyncio.sleep(0.05)
                continue
            try:
                messages = await puller.fetch(SMALL, timeout=0.5)
            except TimeoutError:  # asyncio's, or the client's, which is one
                continue
            for message in messages:
                self.taken.append(message.data)
                await message.ack_sync(timeout=ANSWER_S)
                await stream.delete_msg("SMALL", message.metadata.sequence.stream)
                said = receipt([parcel(Up.BATCH, message.data)], 0)
                await connection.publish(BOX.down().replace("/", "."), said)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._ran.result(60)
        self._thread.join()
        self._loop.close()


@contextmanager
def small_stream(broker: BrokerForTests) -> Iterator[SmallStream]:
    hq = SmallStream(broker)
    try:
        yield hq
    finally:
        hq.close()


def test_a_full_stream_is_named_and_nothing_is_lost(broker: BrokerForTests, files: Files) -> None:
    """Of twelve acknowledged batches the stream keeps five: the rest is told of, and sent again once there is room."""
    outbox = MemoryOutbox([batch(n) for n in range(12)])
    with small_stream(broker) as hq, running([here(broker)], files, outbox) as uplink:
        until(lambda: uplink.core.figures.fault, "the fault was not named")
        hq.opened.set()
        until(lambda: not outbox.held, "not everything was receipted")

    assert set(hq.taken) == {batch(n).payload for n in range(12)}
    assert uplink.core.figures.resends >= 12 - SMALL
