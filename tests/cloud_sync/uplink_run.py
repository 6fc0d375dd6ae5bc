"""A whole uplink on its thread, for tests against real brokers."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.dialing import Route
from cloud_sync.uplink.hearing import Pin
from cloud_sync.uplink.inbox import Inbox
from cloud_sync.uplink.messages import TimeOfDay
from cloud_sync.uplink.mqtt import Broker, MqttLink, Tls
from cloud_sync.uplink.ports import Outbox
from cloud_sync.uplink.run import Loop
from cloud_sync.uplink.settings import Settings
from cloud_sync.wire.downlink import Kind, Order
from cloud_sync.wire.topics import Address
from tests.cloud_sync.uplink_parts import PIN
from tests.services import TOPIC_ROOT, Files

DEADLINE_S = 60.0
BOX = Address(TOPIC_ROOT, "s1", "box-1")
STRAIGHT = Route(None, None)


class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall_us(self) -> int:
        return time.time_ns() // 1000

    def time_of_day(self) -> TimeOfDay:
        return TimeOfDay(1, 0)


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@dataclass
class Orders:
    """The port `Agent`, which keeps what it is told."""

    orders: list[tuple[Kind, Order]] = field(default_factory=list)
    ranges: list[object] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    restarts: list[str] = field(default_factory=list)

    def ordered(self, kind: Kind, order: Order) -> None:
        self.orders.append((kind, order))

    def resend_wanted(self, ranges: tuple[tuple[bytes, bytes, int, int, int], ...]) -> None:
        self.ranges.append(ranges)

    def remember_lowest(self, serial: int) -> None:
        self.serials.append(serial)

    def remember_root(self, key: bytes) -> None:
        self.roots.append(key)

    def remember(self, name: str, value: int) -> None:
        self.facts[name] = value

    def restart(self, why: str) -> None:
        self.restarts.append(why)


class Running:
    """A whole uplink on its thread."""

    def __init__(self, brokers: list[Broker], files: Files, outbox: Outbox, pin: Pin, address: Address) -> None:
        self.inbox, self.agent, self.stop = Inbox(), Orders(), threading.Event()
        ways = ("wired",) * len(brokers)
        settings = Settings(spread_s=0.0, resend_s=1.0, notice_s=3.0, larger_s=5.0, ways=ways)
        self.core = Uplink(pin, settings, Random(1))
        clock = RealClock()
        tls = Tls(files.ca, files.certificate, files.key)
        self.link = MqttLink(address, brokers, tls, lambda: b"last will", self.inbox, clock)
        self.loop = Loop(self.core, self.inbox, self.link, outbox, self.agent, clock)
        self.thread = threading.Thread(target=self.loop.run, args=(self.stop,))
        self.thread.start()

    @property
    def up(self) -> bool:
        return self.core.figures.up_since is not None

    def close(self) -> None:
        self.stop.set()
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def running(
    brokers: list[Broker], files: Files, outbox: Outbox, pin: Pin = PIN, address: Address = BOX
) -> Iterator[Running]:
    made = Running(brokers, files, outbox, pin, address)
    try:
        yield made
    finally:
        made.close()
