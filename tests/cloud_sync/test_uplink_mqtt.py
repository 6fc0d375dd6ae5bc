from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from cloud_sync.uplink.inbox import Inbox
from cloud_sync.uplink.messages import Carried, Downlink, LinkDown, LinkUp, NewParcels, Parcel, Say
from cloud_sync.uplink.mqtt import Broker, MqttLink, Tls
from cloud_sync.wire.downlink import Kind, Order
from cloud_sync.wire.topics import Up
from hq import certificates
from hq.stream import worker_tls
from tests.cloud_sync.uplink_parts import MemoryOutbox, batch, header, parcel, receipt, word
from tests.cloud_sync.uplink_run import BOX, DEADLINE_S, STRAIGHT, RealClock, running, until
from tests.services import TOPIC_ROOT, BrokerForTests, Files, new_broker


class Hq:
    """An HQ on a thread: hears everything that boxes say, receipts what is a parcel."""

    def __init__(self, broker: BrokerForTests, *, receipts: bool) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._broker = broker
        self._receipts = receipts
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._wait(self._start())

    def send(self, raw: bytes) -> None:
        self._wait(self._send(raw))

    def payloads(self, what: Up) -> list[bytes]:
        return [payload for subject, payload in self.heard if subject == BOX.up(what).replace("/", ".")]

    def close(self) -> None:
        self._wait(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)  # type: ignore[arg-type]

    async def _start(self) -> None:
        self._connection = await nats.connect(
            self._broker.url, tls=worker_tls(self._broker.tls), reconnect_time_wait=0.1, max_reconnect_attempts=-1
        )
        await self._connection.subscribe(f"{TOPIC_ROOT}.>", cb=self._hear)
        await self._connection.flush()

    async def _hear(self, message: nats.aio.msg.Msg) -> None:
        self.heard.append((message.subject, message.data))
        what = message.subject.rpartition(".")[2]
        if self._receipts and what in (Up.BATCH, Up.EPOCH):
            await self._send(receipt([parcel(Up(what), message.data)], time.time_ns() // 1000))

    async def _send(self, raw: bytes) -> None:
        await self._connection.publish(BOX.down().replace("/", "."), raw)
        await self._connection.flush()


@contextlib.contextmanager
def headquarters(broker: BrokerForTests, *, receipts: bool = True) -> Iterator[Hq]:
    hq = Hq(broker, receipts=receipts)
    try:
        yield hq
    finally:
        hq.close()


@pytest.fixture
def files(broker: BrokerForTests) -> Files:
    return broker.box(BOX.store, BOX.box)


def here(broker: BrokerForTests) -> Broker:
    return Broker("127.0.0.1", broker.mqtt_port, None, STRAIGHT)


def test_everything_on_the_disk_reaches_headquarters_and_is_receipted(broker: BrokerForTests, files: Files) -> None:
    """Two hundred parcels, far more than the window holds, go up whole and leave the disk by their receipts."""
    parcels: list[Parcel] = [batch(n, 10_000) for n in range(200)] + [header(n) for n in range(3)]
    outbox = MemoryOutbox(parcels)
    with headquarters(broker) as hq, running([here(broker)], files, outbox) as uplink:
        until(lambda: not outbox.held, "not everything was receipted")
        outbox.add(batch(999))
        uplink.inbox.offer(NewParcels())
        until(lambda: not outbox.held, "what was cut later was not receipted")
        figures = uplink.core.figures

    assert set(hq.payloads(Up.BATCH)) == {each.payload for each in [*parcels[:200], batch(999)]}
    assert set(hq.payloads(Up.EPOCH)) == {each.payload for each in parcels[200:]}
    assert figures.last_receipt_us is not None
    assert figures.skew_ms is not None
    assert 0 <= figures.skew_ms < 60_000
    assert figures.forged == 0


def test_orders_and_heartbeats_pass(broker: BrokerForTests, files: Files) -> None:
    """HQ's command reaches the agent, a forged one does not, and a heartbeat reaches HQ."""
    command = Order(1, 1, "rotate", b"")
    with headquarters(broker) as hq, running([here(broker)], files, MemoryOutbox([])) as uplink:
        until(lambda: uplink.up, "no session")
        hq.send(b"forged")
        hq.send(word(Kind.COMMAND, command))
        uplink.inbox.offer(Say(b"alive"))
        until(lambda: uplink.agent.orders, "the command never arrived")
        until(lambda: hq.payloads(Up.HEARTBEAT), "the heartbeat never arrived")

    assert uplink.agent.orders == [(Kind.COMMAND, command)]
    assert uplink.core.figures.forged == 1
    assert hq.payloads(Up.HEARTBEAT) == [b"alive"]


def test_an_orderly_stop_publishes_no_last_will(broker: BrokerForTests, files: Files) -> None:
    """A box that takes leave is not mourned: the next session's word comes, the first one's will does not."""
    with headquarters(broker) as hq:
        with running([here(broker)], files, MemoryOutbox([])) as first:
            until(lambda: first.up, "no session")
        with running([here(broker)], files, MemoryOutbox([])) as second:
            until(lambda: second.up, "no second session")
            second.inbox.offer(Say(b"alive"))
            until(lambda: hq.payloads(Up.HEARTBEAT), "the heartbeat never arrived")

        assert hq.payloads(Up.HEARTBEAT) == [b"alive"]


def test_a_killed_broker_costs_nothing(tmp_path: Path) -> None:
    """The broker is killed with parcels in flight and started again: the uplink comes back, and nothing is missing."""
    broker = new_broker(tmp_path)
    broker.start()
    try:
        files = broker.box(BOX.store, BOX.box)
        outbox = MemoryOutbox([batch(n) for n in range(50)])
        with running([here(broker)], files, outbox) as uplink:
            until(lambda: uplink.core.figures.in_flight, "nothing was sent")
            assert broker.server.process is not None
            broker.server.process.send_signal(signal.SIGKILL)
            broker.server.process.wait()
            until(lambda: not uplink.up and uplink.core.figures.why, "the loss went unnoticed")
            broker.start()
            with headquarters(broker) as hq:
                until(lambda: not outbox.held, "not everything was receipted")
    finally:
        broker.server.stop()

    assert set(hq.payloads(Up.BATCH)) == {batch(n).payload for n in range(50)}
    assert uplink.core.figures.resends >= 12


class Pipe:
    """A TCP relay to the broker that can be cut without a word, and stopped from carrying while `open` is clear."""

    def __init__(self, port: int) -> None:
        self.open = threading.Event()
        self.open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = port
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def broker(self) -> Broker:
        return Broker("127.0.0.1", self._listener.getsockname()[1], None, STRAIGHT)

    def cut(self) -> None:
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self.open.wait()
                target.sendall(data)


def test_a_cut_socket_publishes_the_last_will(broker: BrokerForTests, files: Files) -> None:
    """When the connection breaks without leave the broker publishes the session's last will on the heartbeat topic."""
    pipe = Pipe(broker.mqtt_port)
    with headquarters(broker) as hq, running([pipe.broker], files, MemoryOutbox([])) as uplink:
        until(lambda: uplink.up, "no session")
        pipe.cut()
        until(lambda: hq.payloads(Up.HEARTBEAT), "the will never arrived")
        until(lambda: not uplink.up, "the cut went unnoticed")

    assert hq.payloads(Up.HEARTBEAT) == [b"last will"]
    assert "closed the connection" in uplink.core.figures.why or "cannot be reached" in uplink.core.figures.why


def test_a_slow_link_carries_every_parcel_once(broker: BrokerForTests, files: Files) -> None:
    """What still waits to leave this box is not queued a second time, however often the core sends it again."""
    pipe = Pipe(broker.mqtt_port)
    outbox = MemoryOutbox([])
    with headquarters(broker) as hq, running([pipe.broker], files, outbox) as uplink:
        until(lambda: uplink.up, "no session")
        pipe.open.clear()
        for number in range(5):
            outbox.add(batch(number, 60_000))
        uplink.inbox.offer(NewParcels())
        until(lambda: uplink.core.figures.resends >= 5, "the core sent nothing again")
        pipe.open.set()
        uplink.inbox.offer(Say(b"the last of the queue"))
        until(lambda: hq.payloads(Up.HEARTBEAT), "the heartbeat never arrived")
        until(lambda: not outbox.held, "not everything was receipted")

    assert sorted(hq.payloads(Up.BATCH)) == [batch(number, 60_000).payload for number in range(5)]


def test_the_next_broker_is_tried(broker: BrokerForTests, files: Files) -> None:
    """Where the first address does not answer the second one serves."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        dead = Broker("127.0.0.1", gone.getsockname()[1], None, STRAIGHT)
    outbox = MemoryOutbox([batch(1)])
    with headquarters(broker), running([dead, here(broker)], files, outbox) as uplink:
        until(lambda: not outbox.held, "the second broker was not used")

    assert "cannot be reached: Connection refused" in uplink.core.figures.why


def first_word(broker: Broker, tls: Tls) -> LinkUp | LinkDown:
    """How a session with that broker begins, or why it does not."""
    inbox = Inbox()
    link = MqttLink(BOX, [broker], tls, lambda: b"will", inbox, RealClock())
    link.connect(1, 0)
    event = inbox.take(DEADLINE_S)
    while isinstance(event, Carried):
        event = inbox.take(DEADLINE_S)
    link.close()
    assert isinstance(event, LinkUp | LinkDown)
    return event


def over_websocket(broker: BrokerForTests) -> Broker:
    return Broker("127.0.0.1", broker.server.listeners.websocket_port, "/mqtt", STRAIGHT)


def test_the_embedded_broker_takes_boxes_over_a_websocket(broker: BrokerForTests, files: Files) -> None:
    """With nothing but its WebSocket everything is receipted."""
    outbox = MemoryOutbox([header(1), *(batch(n, 10_000) for n in range(30))])
    with headquarters(broker), running([over_websocket(broker)], files, outbox):
        until(lambda: not outbox.held, "not everything was receipted")


def test_a_websocket_lets_nobody_in_whom_the_port_does_not(broker: BrokerForTests) -> None:
    """A certificate that is not registered is refused, and one of another box hears nothing of this one."""
    there = over_websocket(broker)
    stranger, other = broker.files("s9.stranger", broker.authority), broker.box("s1", "box-2")
    refused = first_word(there, Tls(stranger.ca, stranger.certificate, stranger.key))
    deaf = first_word(there, Tls(other.ca, other.certificate, other.key))

    assert isinstance(refused, LinkDown)
    assert isinstance(deaf, LinkDown)
    assert "does not let this box listen on se/s1/box-1/down" in deaf.why


def test_a_broker_of_another_authority_is_not_trusted(broker: BrokerForTests, files: Files, tmp_path: Path) -> None:
    """With a wrong CA the link fails closed before a byte of MQTT, and says which file to look at."""
    certificates.new_authority(dt.datetime.now(dt.UTC)).save(tmp_path, "other")
    tls = Tls(tmp_path / "other.crt", files.certificate, files.key)
    event = first_word(here(broker), tls)

    assert isinstance(event, LinkDown)
    assert "is not trusted: unable to get local issuer certificate" in event.why or "self-signed" in event.why
    assert "other.crt" in event.why


def test_a_broker_under_another_name_is_not_trusted(broker: BrokerForTests, files: Files) -> None:
    """A certificate that does not name the host that was asked for is refused."""
    event = first_word(
        Broker("127.0.0.2", broker.mqtt_port, None, STRAIGHT), Tls(files.ca, files.certificate, files.key)
    )

    assert isinstance(event, LinkDown)
    assert "127.0.0.2" in event.why


def test_a_box_unknown_to_the_broker_learns_why(broker: BrokerForTests) -> None:
    """A certificate of the right authority whose name nobody let in ends in a reason that points at it."""
    stranger = broker.files("s9.stranger", broker.authority)
    event = first_word(here(broker), Tls(stranger.ca, stranger.certificate, stranger.key))

    assert isinstance(event, LinkDown)
    assert "does it know this box's certificate?" in event.why or "refused the session" in event.why


def test_a_box_may_not_listen_elsewhere(broker: BrokerForTests) -> None:
    """A certificate of another box connects and is refused the subscription: no session, and the reason names it."""
    other = broker.box("s1", "box-2")
    event = first_word(here(broker), Tls(other.ca, other.certificate, other.key))

    assert isinstance(event, LinkDown)
    assert "does not let this box listen on se/s1/box-1/down" in event.why


def test_missing_files_are_named(broker: BrokerForTests, files: Files, tmp_path: Path) -> None:
    """A key that is not there is a reason for people, not a crash."""
    event = first_word(here(broker), Tls(files.ca, files.certificate, tmp_path / "none.key"))

    assert isinstance(event, LinkDown)
    assert "none.key" in event.why


def test_a_plain_listener_gets_no_session(broker: BrokerForTests, files: Files) -> None:
    """A broker without TLS is never spoken to in clear."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[bytes] = []

        def answer() -> None:
            near, _ = listener.accept()
            taken.append(near.recv(1_000))
            near.sendall(b"\x20\x02\x00\x00")
            near.close()

        thread = threading.Thread(target=answer)
        thread.start()
        event = first_word(
            Broker("127.0.0.1", listener.getsockname()[1], None, STRAIGHT), Tls(files.ca, files.certificate, files.key)
        )
        thread.join()

    assert isinstance(event, LinkDown)
    assert "no TLS with broker" in event.why
    assert taken[0][0] == 0x16  # a TLS handshake record


def test_a_flooded_inbox_spares_the_offered() -> None:
    """Beyond its bound the inbox drops what is offered and keeps what was put."""
    inbox = Inbox()
    for _ in range(256):
        inbox.put(Downlink(b"", 0))
    inbox.offer(NewParcels())
    kept = [inbox.take(0) for _ in range(256)]

    assert kept == [Downlink(b"", 0)] * 256
    assert not isinstance(inbox.take(0), NewParcels)
