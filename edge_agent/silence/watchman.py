"""Between the rules and the agent: hears what devices hand over, records alerts, tells the stations.

Devices' threads only leave what they bring; the ticker's thread judges it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

import msgspec

from config.store import StoreConfig
from edge_agent.clock import Now
from edge_agent.recorder.desk import Desk, Submission
from edge_agent.silence.core import Heard, Silence, Tick
from edge_agent.silence.roster import Roster
from edge_agent.silence.watch import Effect, Health, Keep, Say
from edge_agent.station import Station
from records import Record

STATE = ".silence"  # no device's id begins with a dot
TICK_S = 5.0
log = logging.getLogger(__name__)


class Watchman:
    """Begins with what the buffer keeps; `turn` often, from one thread."""

    def __init__(self, config: StoreConfig, stations: Iterable[Station], desk: Desk) -> None:
        self._desk = desk
        self._stations = {station.id: station for station in stations}
        self._heard: deque[Submission] = deque()
        self._tick_at = float("-inf")
        roster = Roster(config.silence, {station.id: station.driver for station in self._stations.values()})
        kept = desk.ask(lambda buffer: buffer.state(STATE))
        self._silence = Silence(roster, kept, lambda at: config.opening_hours.is_open(at, config.zone))
        for device, reason in self._silence.silent().items():
            self._stations[device].silence = reason
        desk.on_submit = self._heard.append

    def turn(self, now: Now) -> None:
        """Judges what came since the last turn, and every few seconds the time that passed."""
        while self._heard:
            brought = self._heard.popleft()
            self._do(self._silence.step(Heard(brought.device, brought.records), now), now)
        if now.mono >= self._tick_at:
            self._tick_at = now.mono + TICK_S
            self._do(self._silence.step(Tick(), now), now)

    def _do(self, effects: list[Effect], now: Now) -> None:
        for effect in effects:
            match effect:
                case Say(device, alert, key, kept):
                    log.warning(
                        "event=%s rule=%s subject=%s", "silent" if kept else "speaks", alert.rule, alert.subject
                    )
                    self._submit([_record(device, alert, now)], {key: kept})
                case Keep(key, kept):
                    self._submit([], {key: kept})
                case Health(device, health) if station := self._stations.get(device):
                    station.silence = health.reason
                    if station.state == "up":
                        self._submit([_record(device, health, now)], {})

    def _submit(self, records: list[Record], state: dict[str, bytes | None]) -> None:
        self._desk.submit(Submission(STATE, records, [None] * len(records), state))


def _record(device: str, data: msgspec.Struct, now: Now) -> Record:
    return Record(device, now.wall, data, int(now.mono * 1000), now.quality)
