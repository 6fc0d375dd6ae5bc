"""What is found in a picture, and where."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # height x width x blue, green, red


class Box(NamedTuple):
    """Somebody or something in a picture: corners in its pixels, x to the right, y down."""

    left: float
    top: float
    right: float
    bottom: float
    score: float
    car: bool = False

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def feet(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, self.bottom

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def width(self) -> float:
        return self.right - self.left

    def moved(self, dx: float, dy: float) -> Box:
        return self._replace(left=self.left + dx, right=self.right + dx, top=self.top + dy, bottom=self.bottom + dy)

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        if wide <= 0 or high <= 0:
            return 0.0
        both = wide * high
        return both / (self.width * self.height + other.width * other.height - both)
