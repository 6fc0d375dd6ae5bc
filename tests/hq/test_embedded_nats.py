from __future__ import annotations

import asyncio
import datetime as dt
import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import nats
import pytest

from hq import certificates
from hq.stream import CONSUMER, STREAM, ensure_stream, jetstream
from tests.hq.mqtt_box import DEADLINE_S, Box
from tests.services import TOPIC_ROOT, BrokerForTests, Files, new_broker


def box_of(broker: BrokerForTests, store: str, box: str) -> Box:
    """A connected box; the broker may need a moment to learn of it."""
    files = broker.box(store, box)
    deadline = time.monotonic() + DEADLINE_S
    while True:
        client = Box(f"{store}-{box}", broker.tls / "ca.crt", files)
        if client.connect(broker.mqtt_port):
            return client
        client.close()
        assert time.monotonic() < deadline


async def stored_subjects(broker: BrokerForTests) -> list[str]:
    connection = await broker.connect()
    subjects = []
    info = await jetstream(connection).stream_info(STREAM)
    for number in range(info.state.first_seq, info.state.last_seq + 1):
        message = await jetstream(connection).get_msg(STREAM, number)
        subjects.append(message.subject or "")
    await connection.close()
    return subjects


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_a_box_publishes_under_its_own_name_alone(broker: BrokerForTests) -> None:
    """What a box says under another's name is stored by nobody; what it says under its own is."""
    client = box_of(broker, "s1", "box-1")
    for topic in ("se/s2/box-1/up/batch", "se/s1/box-2/up/batch", "se/s1/box-1/down", "$JS/API/STREAM/DELETE/UP"):
        client.publish(topic, b"forged")
    client.publish("se/s1/box-1/up/batch", b"own")
    wait_for(lambda: asyncio.run(stored_subjects(broker)), "the own message never arrived")
    client.close()

    assert asyncio.run(stored_subjects(broker)) == ["se.s1.box-1.up.batch"]


@pytest.mark.parametrize("topic", ["se/s2/box-1/down", "se/#", "#", "se/+/box-1/down", "$SYS/#", "se/s1/box-2/down"])
def test_a_foreign_subscription_is_refused(broker: BrokerForTests, topic: str) -> None:
    """The broker answers 0x80 to every subscription that reaches beyond the box's own name."""
    client = box_of(broker, "s1", "box-1")
    code = client.subscribe(topic)
    client.close()

    assert code == 0x80


def test_headquarters_reaches_a_box(broker: BrokerForTests) -> None:
    """What a worker publishes to a box's down subject arrives at that box under the MQTT topic."""

    async def send() -> None:
        connection = await broker.connect()
        await connection.publish("se.s1.box-1.down", b"receipt")
        await connection.flush()
        await connection.close()

    client = box_of(broker, "s1", "box-1")
    granted = client.subscribe("se/s1/box-1/down")
    asyncio.run(send())
    received = client.messages.get(timeout=DEADLINE_S)
    client.close()

    assert granted == 1
    assert received == ("se/s1/box-1/down", b"receipt")


def test_without_a_certificate_nobody_connects(broker: BrokerForTests) -> None:
    """A client without certificate is refused."""
    client = Box("nobody", broker.tls / "ca.crt", None)
    taken = client.connect(broker.mqtt_port)
    client.close()

    assert not taken


def test_a_certificate_of_another_authority_is_refused(broker: BrokerForTests) -> None:
    """The right name is worth nothing under a wrong authority."""
    box_of(broker, "s1", "box-9").close()
    foreign = certificates.new_authority(dt.datetime.now(dt.UTC))
    client = Box("forger", broker.tls / "ca.crt", broker.files("s1.box-9", foreign))
    taken = client.connect(broker.mqtt_port)
    client.close()

    assert not taken


def test_a_name_that_is_not_registered_is_refused(broker: BrokerForTests) -> None:
    """A certificate of our own authority for a box that was never added, or was revoked, lets nobody in."""
    client = Box("stranger", broker.tls / "ca.crt", broker.files("s1.stranger", broker.authority))
    taken = client.connect(broker.mqtt_port)
    client.close()

    assert not taken


def test_a_worker_certificate_speaks_nats_only(broker: BrokerForTests) -> None:
    """HQ's worker certificate opens no MQTT session."""
    files = Files(broker.tls / "ca.crt", broker.tls / "hq.crt", broker.tls / "hq.key")
    client = Box("worker", broker.tls / "ca.crt", files)
    taken = client.connect(broker.mqtt_port)
    client.close()

    assert not taken


def test_a_box_certificate_opens_no_worker_session(broker: BrokerForTests) -> None:
    """A box's certificate is refused at the workers' listener."""
    box_of(broker, "s1", "box-1").close()
    context = ssl.create_default_context(cafile=broker.tls / "ca.crt")
    context.load_cert_chain(broker.tls / "s1.box-1.crt", broker.tls / "s1.box-1.key")

    async def connect() -> None:
        connection = await nats.connect(broker.url, tls=context, allow_reconnect=False)
        await connection.close()

    with pytest.raises((nats.errors.Error, OSError)):
        asyncio.run(connect())


def test_a_killed_broker_keeps_the_stream(tmp_path: Path) -> None:
    """After kill -9 and a new start every message that a box was acknowledged is still in the stream."""
    broker = new_broker(tmp_path)
    broker.start()
    try:
        asyncio.run(make_stream(broker))
        client = box_of(broker, "s1", "box-1")
        for number in range(50):
            client.publish("se/s1/box-1/up/batch", str(number).encode())
        wait_for(lambda: len(asyncio.run(stored_subjects(broker))) == 50, "the messages never arrived")
        client.close()
        assert broker.server.process is not None
        broker.server.process.send_signal(signal.SIGKILL)
        broker.server.process.wait()
        broker.start()
        kept = asyncio.run(stored_subjects(broker))
    finally:
        broker.server.stop()

    assert kept == ["se.s1.box-1.up.batch"] * 50


def test_a_start_ends_the_broker_that_was_left_over(tmp_path: Path) -> None:
    """A second start takes over the ports and files of a server whose parent is gone."""
    broker = new_broker(tmp_path)
    broker.start()
    left = broker.server.process
    assert left is not None
    try:
        broker.start()
        assert left.wait(DEADLINE_S) is not None
        asyncio.run(make_stream(broker))
    finally:
        broker.server.stop()


def test_the_consumer_gives_everything_once_to_whoever_asks(broker: BrokerForTests) -> None:
    """Workers on the durable consumer share the messages; what they acknowledged is not given again."""

    async def work() -> list[bytes]:
        connection = await broker.connect()
        js = jetstream(connection)
        await ensure_stream(connection, TOPIC_ROOT)
        for number in range(10):
            await js.publish("se.s1.box-1.up.batch", str(number).encode())
        received = []
        for _ in range(2):
            worker = await js.pull_subscribe_bind(CONSUMER, STREAM)
            for message in await worker.fetch(5, timeout=DEADLINE_S):
                received.append(message.data)
                await message.ack_sync()
        info = await js.consumer_info(STREAM, CONSUMER)
        assert (info.num_pending, info.num_ack_pending) == (0, 0)
        await connection.close()
        return received

    assert sorted(asyncio.run(work())) == [str(number).encode() for number in range(10)]


async def make_stream(broker: BrokerForTests) -> None:
    connection = await broker.connect()
    await ensure_stream(connection, TOPIC_ROOT)
    await connection.close()
