"""Threads that do not come back from what they called.

A share or a port may hang for hours inside the system. A restart would hang on it again, and cuts every other device
off, so a device that hangs is told as down and the others go on; only the agent's own loops are the watchdog's concern.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from edge_agent.clock import Now
from edge_agent.intake import Intake
from edge_agent.station import Station
from records.types import DeviceHealth

HANGS_S = 120.0
log = logging.getLogger(__name__)


class Standstill:
    """How long counters that rise with progress have stood still."""

    def __init__(self) -> None:
        self._moved: dict[str, tuple[int, float]] = {}

    def seconds(self, name: str, turns: int, now: Now) -> float:
        if name not in self._moved or self._moved[name][0] != turns:
            self._moved[name] = turns, now.mono
        return now.mono - self._moved[name][1]


class Hanging:
    """Tells once of a device whose thread hangs, and once when it moves again. stations: those that are read"""

    def __init__(self, stations: Sequence[Station], intake: Intake) -> None:
        self._stations = stations
        self._intake = intake
        self._standstill = Standstill()

    def turn(self, now: Now) -> None:
        for station in self._stations:
            hangs = self._standstill.seconds(station.id, station.turns(), now) > HANGS_S
            if hangs != station.hangs:
                station.hangs = hangs
                self._tell(station)

    def _tell(self, station: Station) -> None:
        state, reason = station.standing
        log.warning("event=device-%s device=%s reason=%r", state, station.id, reason or "")
        self._intake.say(station, DeviceHealth(state, reason))
