"""When to ask a box again for what HQ misses. No I/O: what is missing and the time in, what to ask for out.

What is missing for a moment may be on its way, so it is asked for after a while; then again ever more rarely until it
is stored or explained. Wherever something came, asking begins anew: the box is at it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud_sync.ingest.work import BoxName

Wanted = tuple[bytes, bytes, int, int, int]  # stream, epoch, lane, first, last
FIRST = timedelta(minutes=1)
LONGEST = timedelta(hours=6)
BOXES = 200  # asked in one step
RANGES = 100  # asked of one box in one step
_Lane = tuple[BoxName, bytes, bytes, int]


@dataclass
class _Asked:
    """missing: how many records; due: when to ask next; pause: after that."""

    missing: int
    due: datetime
    pause: timedelta


class Asking:
    """Remembers whom it asked for what. Forgotten at a restart, it only asks once more."""

    def __init__(self) -> None:
        self._lanes: dict[_Lane, _Asked] = {}

    def step(self, wanted: Mapping[BoxName, Sequence[Wanted]], now: datetime) -> dict[BoxName, list[Wanted]]:
        """What to ask each box for now. wanted: all that is missing, of the boxes that can be reached."""
        lanes: dict[_Lane, list[Wanted]] = {}
        for box, ranges in wanted.items():
            for one in ranges:
                lanes.setdefault((box, *one[:3]), []).append(one)
        self._lanes = {lane: self._seen(lane, ranges, now) for lane, ranges in lanes.items()}
        due = sorted((lane for lane in lanes if self._lanes[lane].due <= now), key=lambda lane: self._lanes[lane].due)
        asked: dict[BoxName, list[Wanted]] = {}
        for lane in due:
            if lane[0] not in asked and len(asked) == BOXES:
                break
            room = RANGES - len(asked.setdefault(lane[0], []))
            if room > 0:
                asked[lane[0]] += lanes[lane][:room]
                self._ask(self._lanes[lane], now)
        return {box: ranges for box, ranges in asked.items() if ranges}

    def _seen(self, lane: _Lane, ranges: Sequence[Wanted], now: datetime) -> _Asked:
        missing = sum(last - first + 1 for *_, first, last in ranges)
        known = self._lanes.get(lane)
        if known is None or missing < known.missing:
            return _Asked(missing, now + FIRST, FIRST)
        known.missing = missing
        return known

    @staticmethod
    def _ask(asked: _Asked, now: datetime) -> None:
        asked.due, asked.pause = now + asked.pause, min(2 * asked.pause, LONGEST)
