"""A till's database full of old sales, agents that are killed while they take them, and a box that is replaced halfway:
headquarters counts none twice and misses none.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from random import Random
from time import monotonic
from typing import Literal, NamedTuple

import pytest

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire.topics import Up
from devices.driver import Driver, Taken
from records import Lane
from tests.devices.pos_sql.till import Till
from tests.hq.placed import LIMIT_S, Counted, Headquarters, Life, Placed, wait

Where = Literal["before", "between"]
LOOKS = 40  # at a till without anything new that end the last life


class Mortal:
    """A driver whose process is killed at its nth bringing: before the records are handed over, or between their
    commit and the confirmation.
    """

    def __init__(self, device: Driver, nth: int, where: Where) -> None:
        self._device, self._left, self._where = device, nth, where

    def open(self) -> None:
        self._device.open()

    def read(self, timeout_s: float) -> Taken:
        taken = self._device.read(timeout_s)
        if not taken.items:
            return taken
        self._left -= 1
        if not self._left and self._where == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        return Taken(taken.items, self._confirm)

    def _confirm(self) -> None:
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)

    def close(self) -> None:
        self._device.close()


class Kill(NamedTuple):
    """At which bringing of a life, and where in it."""

    nth: int
    where: Where


def kills(count: int, seed: int) -> list[Kill]:
    """So many between commit and confirmation, and a few more before."""
    rng = Random(seed)
    places: list[Where] = ["between"] * count + ["before"] * (count // 5)
    rng.shuffle(places)
    return [Kill(rng.randint(1, 3), where) for where in places]


def outlive(box: Placed, url: Path, ends: Iterable[Kill]) -> None:
    """One life of the box after the other, each of which ends by SIGKILL."""
    for number, (nth, where) in enumerate(ends):
        assert killed(box, url, nth, where), f"life {number} of {box.name}"


def killed(box: Placed, url: Path, nth: int, where: Where) -> bool:
    def work() -> None:
        box.live(url, lambda device: Mortal(device, nth, where), lambda life: life.ended.wait(LIMIT_S))

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(LIMIT_S)
    return process.exitcode == -signal.SIGKILL


def held(life: Life) -> int:
    """Vital records of the box's buffer: sales, and the one that says when the stream began."""
    return life.recorder.status().accepted[Lane.VITAL]


def at_rest(life: Life) -> None:
    """Once nothing new came for many looks."""
    seen, turns, deadline = -1, 0, monotonic() + 2 * LIMIT_S
    while life.station.turns() < turns + LOOKS:
        assert monotonic() < deadline, "the till never came to an end"
        today = life.station.seen().today
        if today != seen:
            seen, turns = today, life.station.turns()
        life.ended.wait(0.05)


def half_sent(headquarters: Headquarters, old: Placed, parcels: list[Parcel]) -> int:
    """A box sends half of its batches and is gone with the rest; what headquarters has of the till then."""
    batches = [parcel for parcel in parcels if parcel.what is Up.BATCH]
    headers = [parcel for parcel in parcels if parcel.what is Up.EPOCH]
    headquarters.take(old, [*headers, *batches[: len(batches) // 2]])
    headquarters.house.port.close()  # no connection of it is carried into the lives to come
    return headquarters.counted().tickets


def drain(headquarters: Headquarters, folder: Path, count: int, ends: list[Kill], chunk_rows: int) -> None:
    till = Till(folder)
    owed = till.sell(count)
    old, new = (Placed(f"box-{n}", f"till-{n}", folder / f"box-{n}", chunk_rows) for n in (1, 2))
    for box in (old, new):
        headquarters.register(box)

    outlive(old, till.url, ends[::2])
    reached: list[int] = []

    def halfway(life: Life) -> None:
        wait(lambda: held(life) >= count // 2, "half of the till")
        reached.append(held(life))

    twice = half_sent(headquarters, old, old.read(till.url, halfway))
    assert count // 2 <= reached[0] < count * 3 // 4, "the box is replaced halfway"
    assert 0 < twice < reached[0], "some of it is here, some is lost with the box"
    outlive(new, till.url, ends[1::2])
    headquarters.take(new, new.read(till.url, at_rest))

    assert headquarters.counted() == Counted(owed, count)
    assert headquarters.numbers() == count
    assert headquarters.counted("duplicate_of IS NOT NULL").tickets == twice
    assert headquarters.counted("box = 'box-1'").tickets == twice
    assert headquarters.counted("box = 'box-2'").tickets == count
    assert headquarters.house.rows("SELECT count(*) FROM quarantine") == [(0,)]
    assert headquarters.house.alerts() == []


def test_a_full_till_is_drained_over_kills_and_a_replaced_box(headquarters: Headquarters, tmp_path: Path) -> None:
    """Each sale counts once and to the cent, though the agent was killed twelve times while it read, ten of them
    between commit and confirmation, and another box began anew when half was read.
    """
    drain(headquarters, tmp_path, 2_000, kills(10, seed=1), 200)


@pytest.mark.long
def test_a_hundred_thousand_old_sales_over_a_hundred_kills(headquarters: Headquarters, tmp_path: Path) -> None:
    """The same at the size of a till that was never emptied, with a hundred kills between commit and confirmation."""
    drain(headquarters, tmp_path, 100_000, kills(100, seed=2), 1_000)
