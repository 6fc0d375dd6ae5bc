"""Who crosses a line, and which way.

A track is on a side once its anchor is further from the line than the dead band, so that somebody who stands on the
line counts once or not at all. The crossing's time is when the anchor passed the line itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from devices.camera.geometry import Line, Point

_BESIDE = 0.05  # of the line's length that somebody may pass beside its ends


class Crossing(NamedTuple):
    """at: seconds of the stream; inward: to the positive side"""

    line: str
    at: float
    inward: bool


@dataclass
class _Place:
    """A track beside a line. side: where it surely was last, 0 nowhere yet; passed: when the sign last changed"""

    side: int
    sign: int
    passed: float
    where: Point


class Counter:
    """One line."""

    def __init__(self, name: str, line: Line) -> None:
        self._name, self._line = name, line
        self._places: dict[int, _Place] = {}

    def look(self, track: int, anchor: Point, at: float, band: float) -> Crossing | None:
        """The crossing that this place of a track completes. band: pixels beside the line where nobody is on a side"""
        distance = self._line.side(anchor)
        sign = 1 if distance >= 0 else -1
        side = sign if abs(distance) > band else 0
        place = self._places.setdefault(track, _Place(side, sign, at, anchor))
        if sign != place.sign:
            place.sign, place.passed, place.where = sign, at, anchor
        if not side or side == place.side:
            return None
        came_from, place.side = place.side, side
        if not came_from or not -_BESIDE <= self._line.along(place.where) <= 1 + _BESIDE:
            return None
        return Crossing(self._name, place.passed, side > 0)

    def forget(self, track: int) -> None:
        self._places.pop(track, None)
