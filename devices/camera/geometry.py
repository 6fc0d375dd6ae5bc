"""Lines that people cross and areas in which they are, in pixels of the source: x to the right, y down."""

from __future__ import annotations

from math import hypot
from typing import NamedTuple

Point = tuple[float, float]


class Line(NamedTuple):
    """From (x1, y1) to (x2, y2). "In" is a crossing to the side where `side` is positive."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def length(self) -> float:
        return hypot(self.x2 - self.x1, self.y2 - self.y1)

    def side(self, point: Point) -> float:
        """Pixels from the line, positive on the inside."""
        x, y = point
        across = (self.x2 - self.x1) * (y - self.y1) - (self.y2 - self.y1) * (x - self.x1)
        return across / self.length

    def along(self, point: Point) -> float:
        """Where beside the line a point is: 0 at its beginning, 1 at its end."""
        x, y = point
        return ((x - self.x1) * (self.x2 - self.x1) + (y - self.y1) * (self.y2 - self.y1)) / self.length**2


class Area(NamedTuple):
    """A polygon of at least three corners."""

    corners: tuple[Point, ...]

    def holds(self, point: Point) -> bool:
        """Whether a point is inside, by the edges that a ray from it crosses."""
        x, y = point
        inside = False
        for (x1, y1), (x2, y2) in zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True):
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                inside = not inside
        return inside
