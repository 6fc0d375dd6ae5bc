"""A till's database full of old sales, and an agent that is killed while it takes them: none twice, none lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

import pytest

from cloud_sync.uplink.messages import Parcel
from devices.driver import Context, Driver, Taken
from devices.registry import driver
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.recorder.desk import Desk
from edge_agent.recorder.shell import RecorderThread
from edge_agent.station import Station
from edge_agent.supervisor import supervise
from records.types import Quarantine, Transaction
from tests.devices.pos_sql.till import Till
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.test_recorder import running

ZONE = ZoneInfo("Asia/Shanghai")
LIFE_S = 120


class Mortal:
    """A driver whose process is killed at its nth bringing: before the records are handed over, or between their
    commit and the confirmation.
    """

    def __init__(self, device: Driver, nth: int, where: str) -> None:
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


class Life(NamedTuple):
    """What a process of the agent needs to go on where the last one was killed."""

    folder: Path
    box: TestBox
    url: Path
    chunk_rows: int

    def device(self, state: dict[str, bytes]) -> Driver:
        settings = {
            "id": "till",
            "driver": "pos-sql",
            "url_file": self.url,
            "poll_s": 0.1,
            "chunk_rows": self.chunk_rows,
        }
        options = driver("pos-sql").options.model_validate(settings)
        return cast(Driver, driver("pos-sql").device(options, Context(state, ZONE, currency="CNY")))

    def lived(
        self,
        mortal: Callable[[Driver], Driver],
        until: Callable[[Station, threading.Event], object],
        hq: Headquarters | None,
    ) -> None:
        """Recorder, cleaning and supervised driver, as the daemon puts them together, over one buffer file."""
        clock, ended = SystemClock(), threading.Event()
        station = Station("till", "pos-sql", clock)
        with running(self.folder, self.box) as (desk, recorder):
            device = mortal(self.device(desk.ask(lambda buffer: buffer.state("till"))))
            intake = Intake(desk, Cleaning(bytes(32)), clock)
            work = threading.Thread(target=supervise, args=(device, station, intake, ended))
            work.start()
            until(station, ended)
            work.join(20)
            if hq:
                hq.drain(desk, recorder)


class Headquarters:
    """Takes what the agent has to send, and gives receipts."""

    def __init__(self) -> None:
        self.parcels: dict[bytes, Parcel] = {}

    def drain(self, desk: Desk, recorder: RecorderThread) -> None:
        """Until all that was accepted is in batches, and each is here."""
        deadline = monotonic() + 5 * LIFE_S
        while (status := recorder.status()).cut != status.accepted or desk.parcels(frozenset(), 1):
            assert monotonic() < deadline
            came = desk.parcels(frozenset(), 200)
            self.parcels.update((parcel.digest, parcel) for parcel in came)
            desk.receipted(tuple(parcel.prefix for parcel in came))
            sleep(0.02)


def killed(life: Life, nth: int, where: str) -> bool:
    """One life that ends by SIGKILL."""

    def work() -> None:
        life.lived(lambda device: Mortal(device, nth, where), lambda _, ended: ended.wait(LIFE_S), None)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(LIFE_S)
    return process.exitcode == -signal.SIGKILL


def at_rest(station: Station, ended: threading.Event) -> None:
    """Ends a life once nothing new came for many looks."""
    seen, turns, deadline = -1, 0, monotonic() + 20 * LIFE_S
    while station.turns() < turns + 40 and monotonic() < deadline:
        today = station.seen().today
        if today != seen:
            seen, turns = today, station.turns()
        ended.wait(0.05)
    ended.set()


def drain(folder: Path, count: int, kills: int, chunk_rows: int) -> None:
    till, box = Till(folder), TestBox()
    owed = till.sell(count)
    life, rng = Life(folder, box, till.url, chunk_rows), Random(count)
    for number in range(kills):
        assert killed(life, rng.randint(1, 3), rng.choice(["before", "between", "between"])), f"life {number}"
    hq = Headquarters()
    life.lived(lambda device: device, at_rest, hq)

    records = list(box.read([*hq.parcels.values()]).values())
    sales = [record.data for record in records if isinstance(record.data, Transaction)]
    assert not [record for record in records if isinstance(record.data, Quarantine)]
    assert len({sale.source_id for sale in sales}) == len(sales) == count
    assert sum((sale.total or Decimal(0) for sale in sales), Decimal(0)) == owed


def test_a_full_till_is_drained_over_kills(tmp_path: Path) -> None:
    """Every sale once and to the cent, though the agent was killed twelve times while it read."""
    drain(tmp_path, 2_000, 12, 200)


@pytest.mark.long
def test_a_hundred_thousand_old_sales_over_a_hundred_kills(tmp_path: Path) -> None:
    """The same at the size of a till that was never emptied."""
    drain(tmp_path, 100_000, 100, 1_000)
