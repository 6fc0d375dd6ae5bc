"""Telling a spike from a change. Pure: readings in, state out; no clock, no device.

Sensors say wrong values with a right checksum (79.75 °C in a freezer at -16 °C). A reading that is further from the
last believed one than its time allows is held to be a spike, until `AGREEING` such readings in a row agree with each
other: then the temperature has really changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

AGREEING = 3


class Pace(NamedTuple):
    """How fast a temperature may change: by `step_c` at once, and by `c_per_min` over time."""

    step_c: float
    c_per_min: float


class Point(NamedTuple):
    celsius: float
    at: datetime


class Doubt(NamedTuple):
    """Readings in a row that agree with each other and not with what was believed."""

    first: Point
    last: Point
    readings: int


class Course(NamedTuple):
    """The last believed reading, and what has been doubted since."""

    believed: Point
    doubt: Doubt | None = None

    @property
    def last(self) -> Point:
        return self.doubt.last if self.doubt else self.believed


class Judged(NamedTuple):
    """course: after the reading; begun: the first of the doubted readings that this one confirms."""

    course: Course
    begun: Point | None = None


def judged(before: Course | None, point: Point, pace: Pace) -> Judged:
    """What a reading makes of the course: it is believed when there is no `doubt`. The first reading ever is."""
    doubt = before.doubt if before else None
    agrees = doubt is not None and _follows(doubt.last, point, pace)
    if before is None or _follows(before.believed, point, pace):
        return Judged(Course(point), doubt.first if doubt and agrees else None)
    if doubt is None or not agrees:
        return Judged(before._replace(doubt=Doubt(point, point, 1)))
    if doubt.readings + 1 < AGREEING:
        return Judged(before._replace(doubt=Doubt(doubt.first, point, doubt.readings + 1)))
    return Judged(Course(point), doubt.first)


def _follows(before: Point, point: Point, pace: Pace) -> bool:
    minutes = max(0.0, (point.at - before.at).total_seconds() / 60)
    return abs(point.celsius - before.celsius) <= pace.step_c + pace.c_per_min * minutes
