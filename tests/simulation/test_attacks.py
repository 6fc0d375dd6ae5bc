"""What attackers at the broker can do: leave dead letters. Honest records of every store go on arriving."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import nats
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nats.aio.msg import Msg

from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import certificate
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import Kind, Receipt, Refusal, Signer, open_envelope
from hq import boxes, keys
from hq.data import Data
from hq.stream import worker_tls
from simulation.feeds import Feed, simulated
from simulation.processes import wait_for
from simulation.stage import TIMEZONE, Stage
from simulation.store import Store
from tests.hq.mqtt_box import Box
from tests.services import Files

pytestmark = pytest.mark.xdist_group("stage-1")

A, B = "0214", "0215"
WAIT_S = 60.0
SIZES = (0, 1, 3, 4, 5, 16, 64, 109, 200, 1_000, 16_385, 65_537, 73_729, 500_000, 900_000)
MAGICS = (b"", b"SEE1", b"SEB1", b"SEA1", b"SED1")


@dataclass
class Broker:
    """The broker as its owner sees it: every message, and a way to say anything to anybody."""

    stage: Stage
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator[Broker]:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._do(self._connect())
        yield self
        self._do(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join()

    def say(self, subject: str, payload: bytes) -> None:
        self._do(self._say(subject, payload))

    def of(self, subject: str) -> list[bytes]:
        return [payload for heard, payload in list(self.heard) if heard == subject]

    def _do(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)  # type: ignore[arg-type]

    async def _connect(self) -> None:
        hq = self.stage.hq
        self._connection = await nats.connect(
            hq.facts["nats"], tls=worker_tls(hq.data / "tls"), allow_reconnect=False, error_cb=_quiet
        )

        async def hear(message: Msg) -> None:
            self.heard.append((message.subject, message.data))

        await self._connection.subscribe("se.>", cb=hear)
        await self._connection.flush()

    async def _say(self, subject: str, payload: bytes) -> None:
        await self._connection.publish(subject, payload)
        await self._connection.flush()


async def _quiet(fault: Exception) -> None:
    """What goes wrong at the end of a connection is no news."""


@dataclass
class Scene:
    """Two stores that work, the broker, and store A's certificate in wrong hands."""

    stage: Stage
    a: Store
    b: Store
    broker: Broker

    def publish(self, topic: str, *payloads: bytes) -> None:
        """As whoever holds A's certificate."""
        box = Box("thief", *self._files())
        assert box.connect(Data(self.stage.hq.data).settings().mqtt_port)
        for payload in payloads:
            box.client.publish(topic, payload, qos=1)
        box.client.publish(f"se/{A}/box-1/up/answer", b"the last word", qos=1).wait_for_publish(5)
        box.close()

    def _files(self) -> tuple[Path, Files]:
        bundle = self.a.agent.bundle
        return bundle / "ca.crt", Files(bundle / "ca.crt", bundle / "tls.crt", bundle / "tls.key")

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.stage.dsn) as db:
            return db.execute(query, values).fetchall()

    def letter(self, payload: bytes) -> str:
        """Why this became a dead letter of store A; waits for it."""
        query = "SELECT reason FROM dead_letter WHERE store = %s AND digest = %s"
        return str(wait_for("the dead letter", WAIT_S, lambda: self.ask(query, A, sha256(payload).digest()))[0][0])

    def refused(self, payload: bytes) -> bool:
        """Whether box A was told that HQ refused this."""
        data = Data(self.stage.hq.data)
        root, box = keys.load(data).root, boxes.find(data, A, "box-1")
        assert box
        opened = [open_envelope(raw, root, box.fingerprint, 0) for raw in self.broker.of(f"se.{A}.box-1.down")[:]]
        digests = [digest for one in opened if one and isinstance(one.body, Refusal) for digest in one.body.each()]
        return sha256(payload).digest()[:16] in digests

    def assert_both_go_on(self) -> None:
        """New records of both stores arrive."""
        query = "SELECT coalesce(sum(upper(seqs) - lower(seqs)), 0) FROM claim WHERE store = %s"
        before = {store: int(str(self.ask(query, store)[0][0])) for store in (A, B)}
        for store, count in before.items():
            wait_for(
                f"news of {store}",
                WAIT_S,
                lambda store=store, count=count: int(str(self.ask(query, store)[0][0])) >= count + 10,  # type: ignore[misc]
            )

    def batch_of(self, store: str) -> bytes:
        """A real batch, as it went over the broker."""
        return wait_for("a batch", WAIT_S, lambda: self.broker.of(f"se.{store}.box-1.up.batch"))[-1]


@contextmanager
def working(folder: Path) -> Iterator[Scene]:
    """Devices of both stores speak until the end; then both ends are counted."""
    silence = threading.Event()

    def feeds(seed: int) -> list[Feed]:
        at, minute = datetime.now(ZoneInfo(TIMEZONE)) - timedelta(days=1), timedelta(minutes=1)
        made = [
            simulated("gate-1", "ir-thermometer", Random(seed), at, minute),
            simulated("scan-1", "scanner-serial", Random(seed), at, minute, role="sale"),
        ]
        return [
            feed._replace(messages=takewhile(lambda _: not silence.is_set(), feed.messages), every_s=0.02)
            for feed in made
        ]

    stage = Stage(folder, feeds(1))
    other = stage.add(B, feeds(2))
    try:
        stage.hq.start()
        stage.hq.await_ready()
        for store in stage.stores:
            store.agent.start()
            store.agent.await_ready()
        with stage.store.playing(), other.playing():
            try:
                with Broker(stage).open() as broker:
                    yield Scene(stage, stage.store, other, broker)
            finally:
                silence.set()
        for store in stage.stores:
            store.await_taken()
            store.await_drained()
            store.agent.stop()
            counted = stage.tally(store)
            assert counted.clean
            assert counted.stored == counted.accepted > 100
    finally:
        silence.set()
        stage.close()


def test_attackers_leave_dead_letters_and_delay_nobody(tmp_path: Path) -> None:
    """Changed, foreign, misplaced, forged and senseless messages, one after the other, while two stores work."""
    with working(tmp_path) as scene:
        scene.assert_both_go_on()
        for attack in (changed, of_another_store, on_another_topic, forged_receipts, garbage):
            attack(scene)
            scene.assert_both_go_on()


def changed(scene: Scene) -> None:
    """A real batch with one bit of its body flipped is kept as a dead letter and refused."""
    real = scene.batch_of(A)
    flipped = real[:-1] + bytes([real[-1] ^ 1])
    scene.publish(f"se/{A}/box-1/up/batch", flipped)
    assert "changed since it was sealed" in scene.letter(flipped)
    wait_for("the refusal", WAIT_S, lambda: scene.refused(flipped))


def of_another_store(scene: Scene) -> None:
    """A batch of B under A's topic is refused, and stored for neither."""
    foreign = scene.batch_of(B)
    query = "SELECT store, seen FROM batch WHERE digest = %s"
    before = wait_for("B's batch", WAIT_S, lambda: scene.ask(query, sha256(foreign).digest()))
    scene.publish(f"se/{A}/box-1/up/batch", foreign)
    assert "another box" in scene.letter(foreign)
    wait_for("the refusal", WAIT_S, lambda: scene.refused(foreign))
    assert scene.ask(query, sha256(foreign).digest()) == before
    assert before[0][0] == B


def on_another_topic(scene: Scene) -> None:
    """A's certificate under B's topics: the broker passes nothing on."""
    marks = [f"misplaced {number}".encode() for number in range(3)]
    for mark, what in zip(marks, ("batch", "epoch", "heartbeat"), strict=True):
        before = len(scene.broker.of(f"se.{A}.box-1.up.answer"))
        scene.publish(f"se/{B}/box-1/up/{what}", mark)
        scene.publish(f"se/{A}/box-1/up/batch", mark)  # the same under A's own topic does arrive
        wait_for(
            "the last word", WAIT_S, lambda before=before: len(scene.broker.of(f"se.{A}.box-1.up.answer")) > before
        )  # type: ignore[misc]
        scene.letter(mark)
    assert not any(topic.startswith(f"se.{B}.") and payload in marks for topic, payload in scene.broker.heard)
    assert scene.ask("SELECT count(*) FROM dead_letter WHERE store = %s", B) == [(0,)]


def forged_receipts(scene: Scene) -> None:
    """Receipts that are not HQ's for this box settle nothing, while HQ itself says nothing."""
    data = Data(scene.stage.hq.data)
    box_a, box_b = (boxes.find(data, store, "box-1") for store in (A, B))
    assert box_a
    assert box_b
    ingest = scene.stage.hq.parts("ingest").values()
    for worker in ingest:
        os.kill(worker, signal.SIGSTOP)
    try:
        sent = len(scene.broker.of(f"se.{A}.box-1.up.batch"))
        wait_for("batches without receipt", WAIT_S, lambda: len(scene.broker.of(f"se.{A}.box-1.up.batch")) >= sent + 3)
        waiting = scene.broker.of(f"se.{A}.box-1.up.batch")[sent:]
        body = Receipt(time.time_ns() // 1000, b"".join(sha256(batch).digest()[:16] for batch in waiting))
        forgeries = [
            stranger().seal(Kind.RECEIPT, body, box_a.fingerprint),
            keys.load(data).receipts.seal(Kind.RECEIPT, body, box_b.fingerprint),
            keys.load(data).operations.seal(Kind.RECEIPT, body, box_a.fingerprint),
            scene.broker.of(f"se.{B}.box-1.down")[-1],
        ]
        held = sum(sum(wire_batch.parse(batch)[0].types.values()) for batch in set(waiting))
        before = scene.a.agent.status()
        for forgery in forgeries:
            scene.broker.say(f"se.{A}.box-1.down", forgery)
        forged = before["link"]["forged"] + len(forgeries)
        wait_for("the forgeries to be counted", WAIT_S, lambda: scene.a.agent.status()["link"]["forged"] >= forged)
        assert rows(scene.a.agent.status()) >= held > 0
    finally:
        for worker in ingest:
            os.kill(worker, signal.SIGCONT)


def garbage(scene: Scene) -> None:
    """Noise of every size, bare and behind each magic, on every topic of A in both directions."""
    rng = Random(3)
    noise = [magic + rng.randbytes(size) for magic in MAGICS for size in SIZES]
    for what in ("batch", "epoch", "heartbeat", "answer", "nonsense"):
        scene.publish(f"se/{A}/box-1/up/{what}", *noise)
    for payload in noise:
        scene.broker.say(f"se.{A}.box-1.down", payload)
    wait_for("its dead letters", WAIT_S, lambda: scene.ask("SELECT count(*) FROM dead_letter")[0][0] >= 50)  # type: ignore[operator]
    (letters,) = scene.ask("SELECT count(*) FROM dead_letter WHERE store = %s", A)
    assert 50 <= int(str(letters[0])) <= 100
    assert scene.ask("SELECT count(*) FROM dead_letter WHERE store = %s", B) == [(0,)]


def stranger() -> Signer:
    """A receipts key of another headquarters."""
    root, key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    return Signer(key, certificate.issue(root, Usage.RECEIPTS, 1, 1, key.public_key()))


def rows(status: dict[str, list[dict[str, int]]]) -> int:
    return sum(lane.get("rows", 0) for lane in status["lanes"])
