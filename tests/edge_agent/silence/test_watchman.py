"""Silence in the agent: what devices hand over is heard, alerts are on disk with their state, stations say it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config import load
from config.store import StoreConfig
from devices.driver import Reading
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import Now, SystemClock
from edge_agent.intake import Intake
from edge_agent.recorder.desk import Desk
from edge_agent.silence.watchman import STATE, Watchman
from edge_agent.station import Station
from records import ClockQuality
from records.types import Alert, DeviceHealth
from tests.config.least import WHOLE
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.silence.shop import SALE
from tests.edge_agent.test_recorder import running, until

RULES = 'opening_hours: {daily: "00:00-24:00"}\nsilence: {till_quiet: {after_min: 1}}\n'
MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)


class Watch:
    """A watchman over one till, and a clock moved by hand."""

    def __init__(self, config: StoreConfig, desk: Desk, begin_s: float) -> None:
        self.desk, self._at = desk, begin_s
        self.station = Station("till-1", "poslog", SystemClock())
        self.watchman = Watchman(config, [self.station], desk)

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self._at += 1
            at = MORNING + timedelta(seconds=self._at)
            self.watchman.turn(Now(at, self._at, ClockQuality.SYNCED))

    def sell(self) -> None:
        intake = Intake(self.desk, Cleaning(bytes(32)), SystemClock())
        intake.take(self.station, [Reading(SALE, MORNING)], waits=False).result(60)

    def until_kept(self, *keys: str) -> None:
        """Until that is what the file says."""
        until(lambda: list(self.desk.ask(lambda buffer: buffer.state(STATE))) == list(keys), f"{keys} to be kept")


@contextmanager
def watching(folder: Path, box: TestBox, begin_s: float) -> Iterator[Watch]:
    file = folder / "store.yaml"
    file.write_text(WHOLE + RULES + "devices:\n  - {id: till-1, driver: poslog, path: drop}\n")
    with running(folder, box) as (desk, _):
        yield Watch(load(file), desk, begin_s)


def said(folder: Path, box: TestBox) -> list[tuple[str, object]]:
    """Alerts and states of health as headquarters reads them."""
    with running(folder, box) as (desk, _):
        headers = desk.headers(
            [epoch for (epoch,) in desk.ask(lambda buffer: buffer._db.all("SELECT epoch FROM epoch"))]
        )
        found = box.read([*headers, *desk.parcels(frozenset(), 1000)])
    records = [found[place] for place in sorted(found)]
    return [(record.device, record.data) for record in records if isinstance(record.data, Alert | DeviceHealth)]


def test_a_quiet_till_is_told_through_kill_and_restart(tmp_path: Path) -> None:
    """One alert opened, one closed, silent once and up once, whoever starts in between."""
    box = TestBox()
    with watching(tmp_path, box, 100) as watch:
        watch.wait(50)
        assert watch.station.standing == ("up", None)
        watch.wait(30)
        assert watch.station.standing == ("silent", "no ticket for 1 min while the store is open")
        watch.until_kept("till-quiet/till-1")
    with watching(tmp_path, box, 1000) as watch:
        assert watch.station.standing[0] == "silent"
        watch.wait(200)
        watch.sell()
        watch.wait(2)
        assert watch.station.standing == ("up", None)
        watch.until_kept()
    alerts = [(device, data) for device, data in said(tmp_path, box)]
    opened, closed, *health = sorted(alerts, key=lambda told: isinstance(told[1], DeviceHealth))
    assert isinstance(opened[1], Alert)
    assert isinstance(closed[1], Alert)
    assert (opened[1].rule, opened[1].subject, opened[1].closed) == ("till-quiet", "till-1", None)
    assert closed[1].opened == opened[1].opened
    assert closed[1].closed is not None
    silent = DeviceHealth("silent", "no ticket for 1 min while the store is open")
    assert health == [("till-1", silent), ("till-1", DeviceHealth("up"))]


def test_a_device_that_is_down_stays_down(tmp_path: Path) -> None:
    """Silence adds an alert to a device that is known to be down, and takes nothing from its state."""
    box = TestBox()
    with watching(tmp_path, box, 100) as watch:
        watch.station.state, watch.station.reason = "down", "the port is gone"
        watch.wait(80)
        assert watch.station.standing == ("down", "the port is gone")
        watch.until_kept("till-quiet/till-1")
        watch.station.state, watch.station.reason = "up", None
        assert watch.station.standing[0] == "silent"
    assert [type(data) for _, data in said(tmp_path, box)] == [Alert]
