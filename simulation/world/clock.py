"""A machine's clocks, on the world's time."""

from __future__ import annotations

from datetime import timedelta

from cloud_sync.uplink.messages import TimeOfDay
from edge_agent.clock import Now
from records import ClockQuality
from simulation.world.agenda import BEGIN, Agenda

UP_S = 10.0  # for which the machine has been on when its agent starts


class BoxClock:
    """skew: seconds by which the wall clock is ahead of the true time."""

    def __init__(self, agenda: Agenda, skew: float) -> None:
        self._agenda = agenda
        self._booted = 0.0
        self.skew = skew
        self.quality = ClockQuality.SYNCED

    def boot(self) -> None:
        """The machine is switched on."""
        self._booted = self._agenda.now

    def now(self) -> Now:
        return Now(BEGIN + timedelta(seconds=self._agenda.now + self.skew), self.monotonic(), self.quality)

    def monotonic(self) -> float:
        return self._agenda.now - self._booted + UP_S

    def wall_us(self) -> int:
        return (self.now().wall - BEGIN) // timedelta(microseconds=1) + int(BEGIN.timestamp()) * 1_000_000

    def time_of_day(self) -> TimeOfDay:
        wall = self.now().wall
        return TimeOfDay(wall.year * 12 + wall.month, wall.hour * 60 + wall.minute)
