"""What happens at intervals, on the clock that does not step: heartbeats, the watchdog, a look at the wall clock and
at who is silent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from edge_agent.clock import Clock, Now
from edge_agent.intake import Intake
from edge_agent.notify import notify
from edge_agent.pulse import Pulse
from edge_agent.silence.watchman import Watchman
from edge_agent.standstill import Hanging, Standstill
from edge_agent.station import Station
from records.types import ClockStep

TURN_S = 0.5
STEP = timedelta(seconds=2)
STUCK_S = 20.0
WATCHDOG_S = 5.0
Loops = Sequence[tuple[str, Callable[[], int]]]
log = logging.getLogger(__name__)


@dataclass
class Ticker:
    """Runs in the main thread until `stop`.

    loops: the agent's own; by name, a counter that rises while that loop makes progress
    say: sends a heartbeat
    """

    pulse: Pulse
    watchman: Watchman
    hanging: Hanging
    intake: Intake
    station: Station
    clock: Clock
    interval_s: float
    loops: Loops
    say: Callable[[bytes], None]
    _beat_at: float = 0.0
    _fed_at: float = 0.0
    _standstill: Standstill = field(default_factory=Standstill)
    _last: Now | None = None

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(TURN_S):
            now = self.clock.now()
            self._watch_clock(now)
            self.watchman.turn(now)
            self.hanging.turn(now)
            if (changed := self.pulse.changed()) or now.mono >= self._beat_at:
                self._beat_at = now.mono + self.interval_s
                self.say(self.pulse.beat(changed))
            if now.mono - self._fed_at >= WATCHDOG_S and self._all_move(now):
                self._fed_at = now.mono
                notify("WATCHDOG=1")

    def _watch_clock(self, now: Now) -> None:
        """A wall clock that moved by more than time passed is told as a `clock.step`."""
        if self._last is not None:
            expected = self._last.wall + timedelta(seconds=now.mono - self._last.mono)
            if abs(now.wall - expected) > STEP:
                log.warning("event=clock-step before=%s after=%s", expected.isoformat(), now.wall.isoformat())
                self.intake.say(self.station, ClockStep(expected, now.wall, self.pulse.me.boot.hex()))
        self._last = now

    def _all_move(self, now: Now) -> bool:
        """Whether no loop has stood still for too long; the log names the one that has."""
        stuck = [name for name, count in self.loops if self._standstill.seconds(name, count(), now) > STUCK_S]
        for name in stuck:
            log.error("event=stuck loop=%s", name)
        return not stuck
