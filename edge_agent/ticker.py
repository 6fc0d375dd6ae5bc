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
from edge_agent.station import Station
from records.types import ClockStep

TURN_S = 0.5
STEP = timedelta(seconds=2)
STUCK_S = 20.0
DEVICE_STUCK_S = 120.0  # a share or a port may hang that long; only then is a restart worth what it interrupts
WATCHDOG_S = 5.0
Loops = Sequence[tuple[str, Callable[[], int], float]]
log = logging.getLogger(__name__)


@dataclass
class Ticker:
    """Runs in the main thread until `stop`.

    loops: by name, a counter that rises while that loop makes progress, and how long it may stand still in seconds
    say: sends a heartbeat
    """

    pulse: Pulse
    watchman: Watchman
    intake: Intake
    station: Station
    clock: Clock
    interval_s: float
    loops: Loops
    say: Callable[[bytes], None]
    _beat_at: float = 0.0
    _fed_at: float = 0.0
    _moved: dict[str, tuple[int, float]] = field(default_factory=dict)
    _last: Now | None = None

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(TURN_S):
            now = self.clock.now()
            self._watch_clock(now)
            self.watchman.turn(now)
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
        for name, count, limit_s in self.loops:
            turns = count()
            if name not in self._moved or self._moved[name][0] != turns:
                self._moved[name] = (turns, now.mono)
            elif now.mono - self._moved[name][1] > limit_s:
                log.error("event=stuck loop=%s", name)
                return False
        return True
