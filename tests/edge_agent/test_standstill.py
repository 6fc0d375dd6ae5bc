"""A share or port that hangs inside the system is told as down, once, and takes nothing else along."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from devices.driver import Reading, Taken
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.standstill import HANGS_S, Hanging
from edge_agent.station import Station
from edge_agent.supervisor import supervise
from records.types import DeviceHealth, DoorCount
from tests.edge_agent.boxes import NOON, HandClock, TestBox
from tests.edge_agent.test_recorder import running, until
from tests.edge_agent.test_supervisor import kept


class Share:
    """Reads what a pipe brings, and hangs in the system for as long as it brings nothing."""

    def __init__(self) -> None:
        self.out, self.into = os.pipe()

    def open(self) -> None:
        pass

    def read(self, timeout_s: float) -> Taken:
        return Taken([Reading(DoorCount(os.read(self.out, 1)[0], 0), NOON)])

    def close(self) -> None:
        pass


def test_a_device_that_hangs_is_down_until_it_moves(tmp_path: Path) -> None:
    """Told once each way, with what to look at; what it brings afterwards is kept."""
    box, clock, share, stop = TestBox(), HandClock(), Share(), threading.Event()
    with running(tmp_path, box) as (desk, _):
        intake = Intake(desk, Cleaning(bytes(32)), SystemClock())
        station = Station("door-1", "share", SystemClock())
        hanging = Hanging([station], intake)
        work = threading.Thread(target=supervise, args=(share, station, intake, stop))
        work.start()
        os.write(share.into, b"\x01")
        until(lambda: station.turns() == 1, "the first count")
        states = []
        for passed in (0, HANGS_S, 1, 1):
            clock.mono += passed
            hanging.turn(clock.now())
            states.append(station.standing[0])
        assert states == ["up", "up", "down", "down"]
        assert "look at the share" in (station.standing[1] or "")

        os.write(share.into, b"\x02")
        until(lambda: station.turns() == 2, "the second count")
        hanging.turn(clock.now())
        assert station.standing == ("up", None)
        stop.set()
        os.write(share.into, b"\x03")
        work.join(60)
        assert not work.is_alive()

    found = [record.data for record in kept(tmp_path, box)]
    assert [data.state for data in found if isinstance(data, DeviceHealth)] == ["down", "up"]
    assert [data.in_ for data in found if isinstance(data, DoorCount)] == [1, 2, 3]
