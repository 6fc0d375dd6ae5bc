"""Where people stand: a grid over the picture, and how many looks found somebody in each cell."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from devices.camera.boxes import Picture
from devices.camera.geometry import Point
from devices.driver import Reading
from records.types import ZoneHeatmap


class Heat:
    """A heat map each `every_s`. cell: pixels of a cell's edge"""

    def __init__(self, cell: int, every_s: float) -> None:
        self._cell = cell
        self._every = timedelta(seconds=every_s)
        self._begun: datetime | None = None
        self._grid = np.zeros((0, 0), np.int64)

    def look(self, people: list[Point], picture: Picture, now: datetime) -> list[Reading]:
        """Somebody at each of these points; the map, when its time is over."""
        height, width = picture.shape[:2]
        shape = -(-height // self._cell), -(-width // self._cell)
        if self._begun is None or self._grid.shape != shape:
            self._begun, self._grid = now, np.zeros(shape, np.int64)
        for x, y in people:
            row, column = int(y) // self._cell, int(x) // self._cell
            self._grid[min(row, shape[0] - 1), min(column, shape[1] - 1)] += 1
        if now - self._begun < self._every:
            return []
        grid = tuple(tuple(int(value) for value in row) for row in self._grid)
        self._begun, self._grid = now, np.zeros(shape, np.int64)
        return [Reading(ZoneHeatmap(grid, cell_px=self._cell), now)]
