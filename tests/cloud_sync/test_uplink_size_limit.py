"""A broker that takes no large batch, and does not say so: in simulated time, and real ones."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.messages import Effect, Fetch, Fetched, LinkDown, NewParcels, Parcel, Publish
from cloud_sync.uplink.mqtt import Broker
from cloud_sync.uplink.settings import Settings
from cloud_sync.uplink.size_limit import LEAST, SizeLimit
from cloud_sync.wire.batch import MAX_SIZE
from cloud_sync.wire.topics import Up
from tests.cloud_sync.test_uplink_mqtt import headquarters, here
from tests.cloud_sync.test_uplink_world import EPOCHS, Faults, World
from tests.cloud_sync.uplink_parts import PIN, MemoryOutbox, batch, header, parcel, receipt
from tests.cloud_sync.uplink_run import BOX, DEADLINE_S, STRAIGHT, Running, running, until
from tests.mosquitto import Mosquitto, mosquitto, needs_mosquitto
from tests.services import BrokerForTests, client_files, new_broker

TAKEN = 50_000
HOUR_S = 3_600.0
SETTINGS = Settings(spread_s=0.0)
CALM = Faults(0, 0, 0, 0, 0, 1e9, 0)
SMALL, MIDDLE, LARGE = range(20), range(20, 26), range(26, 50)  # numbers of batches
NUMBERS = {2_000: SMALL, 45_000: MIDDLE, 70_000: LARGE}
SIZE = {number: size for size, numbers in NUMBERS.items() for number in numbers}


class OrderedOutbox(MemoryOutbox):
    """Knows what is fresh by its place, as the product's does."""

    def __init__(self, parcels: Iterable[Parcel]) -> None:
        super().__init__(parcels)
        self._places = dict.fromkeys(self.held, 0)

    def add(self, fresh: Parcel) -> None:
        super().add(fresh)
        self._places[fresh.prefix] = len(self._places)

    def fetch(self, wanted: Fetch) -> Fetched:
        found = super().fetch(replace(wanted, backlog=len(self.held))).parcels
        newest = max(self._places.values())
        since = newest if wanted.since is None else wanted.since
        fresh = [each._replace(fresh=True) for each in found if self._places[each.prefix] > since]
        backlog = [each for each in found if self._places[each.prefix] <= since]
        return Fetched((*fresh[: wanted.fresh], *backlog[: wanted.backlog]), newest)


@dataclass
class Narrow(World):
    """taken: largest message that the broker takes; breaks: at a larger one it ends the session, else it drops it."""

    taken: int = TAKEN
    breaks: bool = True

    def do(self, effect: Effect) -> None:
        if not isinstance(effect, Publish) or len(effect.payload) <= self.taken:
            super().do(effect)
            return
        self.count("too large")
        session = self.session
        self.later(0.1 if self.breaks else 1e9, lambda: self.end(session))

    def end(self, session: int) -> None:
        if session == self.session:
            self.session = 0
            self.tell(LinkDown(session, "closed"))

    def live(self, seconds: float) -> None:
        """Twice a minute a small batch is cut, as in a store at work."""
        ends = self.now + seconds
        for step in range(int(seconds / 30)):
            self.later(step * 30.0, lambda step=step: self.cut_one(int(self.now * 1000) + 100 * step))  # type: ignore[misc]
        self.later(seconds, lambda: None)
        while self.now < ends:
            self.step()

    def cut_one(self, number: int) -> None:
        self.outbox.add(batch(100 + number % 800_000))
        self.tell(NewParcels())

    @property
    def sizes(self) -> set[int]:
        return {len(each.payload) for each in self.outbox.held.values()}


def narrow(breaks: bool) -> Narrow:
    """A disk where what is too large comes first."""
    order = sorted(SIZE, key=lambda number: -SIZE[number])
    held = [header(epoch) for epoch in range(EPOCHS)] + [batch(number, SIZE[number]) for number in order]
    return Narrow(
        CALM, Random(5), OrderedOutbox(held), Uplink(PIN, SETTINGS, Random(5)), settings=SETTINGS, breaks=breaks
    )


@pytest.mark.parametrize("breaks", [True, False])
def test_what_is_too_large_stays_and_the_rest_goes(breaks: bool) -> None:
    """All that the broker takes is receipted within the hour, what is cut meanwhile too; then it is tried rarely."""
    box = narrow(breaks)
    box.live(HOUR_S)
    tried = box.counts["too large"]
    box.live(2 * HOUR_S)

    assert box.sizes == {70_000}
    assert len(box.outbox.held) == len(LARGE)
    assert box.core.figures.fault == "too-large"
    assert box.core.figures.most is not None
    assert 45_000 <= box.core.figures.most < 70_000
    assert 1 <= box.counts["too large"] - tried <= 100


@pytest.mark.parametrize("breaks", [True, False])
def test_a_limit_that_is_lifted_is_found_out(breaks: bool) -> None:
    """Without a restart or a new session all goes within the hour, and nothing is said to be wrong any more."""
    box = narrow(breaks)
    box.live(HOUR_S)
    box.taken = MAX_SIZE
    box.live(HOUR_S)

    assert not box.outbox.held
    assert (box.core.figures.fault, box.core.figures.most) == ("", None)


@pytest.mark.parametrize("breaks", [True, False])
def test_a_limit_that_is_lowered_is_found_out(breaks: bool) -> None:
    """What went before is no proof for ever."""
    box = narrow(breaks)
    box.live(HOUR_S)
    box.taken = 30_000
    for number in MIDDLE:
        box.outbox.add(batch(900_000 + number, 45_000))
    box.live(2 * HOUR_S)

    assert box.sizes == {45_000, 70_000}
    assert box.core.figures.most is not None
    assert box.core.figures.most < 45_000


def test_a_bad_line_costs_minutes() -> None:
    """Sessions that break for other reasons, with large batches in flight, leave no limit behind."""
    limit, now = SizeLimit(300.0, Random(1)), 10.0
    for _ in range(4):
        limit.broke([70_000, 300], now)
    assert (limit.fault, limit.most < 70_000) == ("too-large", True)

    while limit.most < 70_000:
        now = limit.again_at
        limit.try_more(now)
    assert now < HOUR_S
    limit.took(70_000)
    assert (limit.fault, limit.most, limit.may(MAX_SIZE, [MAX_SIZE])) == ("", MAX_SIZE, True)


def test_small_batches_are_never_in_doubt() -> None:
    """However often sessions break with them in flight, they go on going."""
    limit = SizeLimit(300.0, Random(1))
    for _ in range(10):
        limit.broke([LEAST, 300], 10.0)

    assert (limit.fault, limit.most, limit.may(LEAST, [LEAST] * 5)) == ("sessions-break", MAX_SIZE, True)


GO, STAY = 2_000, 20_000
BETWEEN = 18_000
WAYS = 4  # the same broker so many times, so that sessions begin again without long waits


def limit(broker: BrokerForTests, size: int) -> None:
    """A running broker takes no message beyond `size` from now on."""
    said = json.loads(broker.server.config_file.read_text())
    said["max_payload"] = size
    broker.server.config_file.write_text(json.dumps(said))
    assert broker.server.reload()


def some(size: int, numbers: range) -> list[Parcel]:
    return [batch(number, size) for number in numbers]


def only_small_ones_go(uplink: Running, outbox: MemoryOutbox) -> None:
    """Large ones lie in front; small ones are cut all the time, as in a store at work."""
    looks = itertools.count(100)

    def limited() -> bool:
        if (look := next(looks)) % 20 == 0:
            outbox.add(batch(look, GO))
            uplink.inbox.offer(NewParcels())
        return uplink.core.figures.fault == "too-large"

    until(limited, "the fault was not named")
    held = {each.prefix for each in some(STAY, range(5))}
    until(lambda: set(outbox.held) == held, "not every small one was receipted")


def test_nats_refuses_the_size_and_the_rest_goes(tmp_path: Path) -> None:
    """A server that ends the session at every large batch gets all small ones; once it takes them the large ones go."""
    broker = new_broker(tmp_path)
    broker.start()
    try:
        files = broker.box(BOX.store, BOX.box)
        limit(broker, BETWEEN)
        outbox = OrderedOutbox([*some(STAY, range(5)), *some(GO, range(5, 20))])
        with headquarters(broker) as hq, running([here(broker)] * WAYS, files, outbox) as uplink:
            only_small_ones_go(uplink, outbox)
            limit(broker, 1_000_000)
            until(lambda: not outbox.held, "not everything was receipted")
            assert uplink.core.figures.fault == ""
        assert {each.payload for each in some(STAY, range(5))} <= set(hq.payloads(Up.BATCH))
    finally:
        broker.server.stop()


@contextmanager
def receipting(broker: Mosquitto) -> Iterator[None]:
    """An HQ over MQTT that receipts whatever reaches it."""
    files = client_files(broker.tls, "hq", broker.authority)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="hq", protocol=paho.MQTTv311)
    client.tls_set(str(files.ca), str(files.certificate), str(files.key))
    listening = threading.Event()
    client.on_connect = lambda *_: client.subscribe(BOX.up(Up.BATCH), qos=1)
    client.on_subscribe = lambda *_: listening.set()
    client.on_message = lambda _c, _d, message: client.publish(
        BOX.down(), receipt([parcel(Up.BATCH, message.payload)], 0), qos=1
    )
    client.connect("localhost", broker.port)
    client.loop_start()
    try:
        assert listening.wait(DEADLINE_S)
        yield
    finally:
        client.disconnect()
        client.loop_stop()


@needs_mosquitto
def test_mosquitto_refuses_the_size_and_the_rest_goes(tmp_path: Path) -> None:
    """The same with the other family of brokers: all small ones go, the large ones stay."""
    with mosquitto(tmp_path, f"message_size_limit {BETWEEN}\n") as broker:
        files = broker.box(BOX.store, BOX.box)
        outbox = OrderedOutbox([*some(STAY, range(5)), *some(GO, range(5, 20))])
        there = Broker("localhost", broker.port, None, STRAIGHT)
        with receipting(broker), running([there] * WAYS, files, outbox) as uplink:
            only_small_ones_go(uplink, outbox)
