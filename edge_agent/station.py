"""A device as the agent sees it: its state, its last sign of life, what it brought today."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from cloud_sync.wire.heartbeat import DeviceState
from edge_agent.clock import Clock, Now

State = Literal["up", "down", "silent"]
_HANGS = "reading does not come back: look at the share, cable or port behind it"


@dataclass
class Station:
    """Written by the device's own thread, read by the heartbeat's.

    state, reason: as its supervisor finds it
    silence: why it is silent though it is up; hangs: whether its thread does not come back; both written by the
    ticker's thread
    quarantined: since the agent started
    """

    id: str
    driver: str
    clock: Clock
    state: State = "up"
    reason: str | None = None
    silence: str | None = None
    hangs: bool = False
    quarantined: int = 0
    _turns: int = 0
    _last: float | None = None
    _today: int = 0
    _day: date | None = field(default=None)

    def beat(self) -> None:
        self._turns += 1

    def turns(self) -> int:
        """Rises while its thread makes progress."""
        return self._turns

    def brought(self, records: int, quarantined: int, now: Now) -> None:
        """Counts what one read gave."""
        if self._day != now.wall.date():
            self._day, self._today = now.wall.date(), 0
        self._today += records
        self.quarantined += quarantined
        self._last = now.mono

    @property
    def standing(self) -> tuple[State, str | None]:
        """Its state and the reason for it, silence and hanging included."""
        if self.hangs:
            return "down", _HANGS
        if self.state == "up" and self.silence is not None:
            return "silent", self.silence
        return self.state, self.reason

    def seen(self) -> DeviceState:
        """For the heartbeat."""
        now = self.clock.now()
        age = None if self._last is None else int(now.mono - self._last)
        today = self._today if self._day == now.wall.date() else 0
        state, reason = self.standing
        return DeviceState(self.id, self.driver, state, age, reason, today)
