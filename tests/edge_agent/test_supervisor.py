"""A device's loss and return, told once each; sources confirmed after the commit alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from devices.driver import DeviceOffline, Item, Reading, Rejected, Taken
from edge_agent.buffer import Buffer
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.recorder.desk import Desk
from edge_agent.recorder.opening import FILE
from edge_agent.station import Station
from edge_agent.supervisor import Failed, Say, Supervision, Wait, Works, supervise
from records import Record
from records.types import DeviceHealth, DoorCount, Quarantine
from tests.edge_agent.boxes import NOON, TestBox
from tests.edge_agent.test_recorder import running, until


class Scripted:
    """A device that does what its script says, one step a read: items, or an exception to raise."""

    def __init__(self, *script: Taken | Exception) -> None:
        self.script = list(script)
        self.opened = 0
        self.done = threading.Event()

    def open(self) -> None:
        self.opened += 1

    def read(self, timeout_s: float) -> Taken:
        if not self.script:
            self.done.set()
            time.sleep(0.01)
            return Taken()
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        pass


class AtOnce(Random):
    """No waiting between tries."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


def count(number: int) -> Item:
    return Reading(DoorCount(in_=number, out=0), NOON)


@contextmanager
def supervised(folder: Path, device: Scripted) -> Iterator[Callable[[], list[Record]]]:
    """Runs the device under supervision; gives what HQ would read in the end."""
    box, stop = TestBox(), threading.Event()
    with running(folder, box) as (desk, _):
        intake = Intake(desk, Cleaning(bytes(32)), SystemClock())
        station = Station("door-1", "scripted", SystemClock())
        work = threading.Thread(target=supervise, args=(device, station, intake, stop))
        work.start()
        yield lambda: kept(folder, box)
        stop.set()
        work.join(60)
        assert not work.is_alive()


def kept(folder: Path, box: TestBox) -> list[Record]:
    buffer = Buffer(folder / FILE)
    found = box.read(buffer.outbox.parcels(frozenset(), 1000))
    buffer.close()
    return [found[key] for key in sorted(found) if found[key].device == "door-1"]


def test_a_loss_and_a_return_are_told_once_each() -> None:
    """However often a lost device is tried, HQ hears of one down and one up."""
    supervision = Supervision(AtOnce())
    said = []
    for event in (Works(), Failed("gone"), Failed("gone"), Failed("gone"), Works(), Works()):
        said += [effect.health for effect in supervision.step(event) if isinstance(effect, Say)]

    assert said == [DeviceHealth(state="down", reason="gone"), DeviceHealth(state="up")]


def test_tries_grow_rarer() -> None:
    """The wait doubles up to a minute, jittered over its upper half."""
    supervision = Supervision(Random(1))
    waits = []
    for _ in range(12):
        waits += [effect.seconds for effect in supervision.step(Failed("gone")) if isinstance(effect, Wait)]

    assert [0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits[:6])] == [True] * 6
    assert all(30 <= wait <= 60 for wait in waits[6:])


def test_a_driver_that_raises_anything_is_opened_again(tmp_path: Path) -> None:
    """A bug in a driver costs neither the agent nor what comes after it."""
    device = Scripted(
        Taken([count(1)]), ZeroDivisionError("bug"), Taken([count(2)]), DeviceOffline("x"), Taken([count(3)])
    )
    with supervised(tmp_path, device) as records:
        assert device.done.wait(30)
    found = records()

    assert [record.data.in_ for record in found if isinstance(record.data, DoorCount)] == [1, 2, 3]
    assert [record.data.state for record in found if isinstance(record.data, DeviceHealth)] == ["down", "up"] * 2
    assert device.opened == 3


def test_a_port_without_its_device_is_lost_once(tmp_path: Path) -> None:
    """Opened again and again with nothing behind it but noise: one down, and an up with the first reading."""
    lost = DeviceOffline("no slave answers")
    noise = Taken([Rejected("half a frame", b"\x01", NOON)])
    device = Scripted(lost, Taken(), lost, noise, lost, Taken([count(1)]))
    with supervised(tmp_path, device) as records:
        assert device.done.wait(60)

    assert [record.data.state for record in records() if isinstance(record.data, DeviceHealth)] == ["down", "up"]
    assert device.opened == 4


def test_a_silent_device_that_comes_back_is_silent_still(tmp_path: Path) -> None:
    """A port that is plugged in again ends no silence that a rule has told: the last word is not `up`."""
    device, stop, box = Scripted(DeviceOffline("unplugged"), Taken([count(1)])), threading.Event(), TestBox()
    with running(tmp_path, box) as (desk, _):
        station = Station("door-1", "scripted", SystemClock())
        station.silence = "nobody counted"
        intake = Intake(desk, Cleaning(bytes(32)), SystemClock())
        work = threading.Thread(target=supervise, args=(device, station, intake, stop))
        work.start()
        assert device.done.wait(60)
        stop.set()
        work.join(60)
    told = [record.data for record in kept(tmp_path, box) if isinstance(record.data, DeviceHealth)]
    assert told == [DeviceHealth("down", "unplugged"), DeviceHealth("silent", "nobody counted")]


def test_a_source_is_confirmed_after_the_commit(tmp_path: Path) -> None:
    """When a source hears that its readings were taken, they are on disk, with the driver's state."""
    seen: list[int] = []
    desks: list[Desk] = []

    def confirm() -> None:
        seen.append(desks[0].ask(lambda buffer: len(buffer.state("door-1"))))

    item = Reading(DoorCount(in_=1, out=0), NOON, state={"cursor": b"7"})
    device, stop = Scripted(Taken([item], confirm)), threading.Event()
    with running(tmp_path, TestBox()) as (desk, _):
        desks.append(desk)
        intake = Intake(desk, Cleaning(bytes(32)), SystemClock())
        station = Station("door-1", "scripted", SystemClock())
        work = threading.Thread(target=supervise, args=(device, station, intake, stop))
        work.start()
        until(lambda: bool(seen), "the confirmation")
        stop.set()
        work.join(60)

    assert seen == [1]


def test_what_is_rejected_is_kept_in_quarantine(tmp_path: Path) -> None:
    """A rejected reading becomes a record with its reason and bytes, and is counted."""
    device = Scripted(Taken([Rejected("no such frame", b"\x02garbage", NOON), count(1)]))
    with supervised(tmp_path, device) as records:
        assert device.done.wait(30)

    (rejected,) = [record.data for record in records() if isinstance(record.data, Quarantine)]
    assert rejected.reason == "no such frame"
