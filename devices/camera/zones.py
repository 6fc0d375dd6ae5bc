"""Who is in a zone, for how long, and how long they queue.

Somebody is in a zone while the anchor is inside; leaving for less than `BRIEF_S` is no leaving. A zone where people
queue tells its length and how long who left last had waited.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.camera.geometry import Area, Point

BRIEF_S = 1.0
SHORTEST_S = 1.0  # who is inside for less only passed a corner


@dataclass
class _Stay:
    since: float
    last: float


class Zone:
    """One area. stays: of who is inside now, by track"""

    def __init__(self, name: str, area: Area) -> None:
        self.name = name
        self._area = area
        self._stays: dict[int, _Stay] = {}

    @property
    def count(self) -> int:
        """Who is inside now."""
        return len(self._stays)

    def look(self, track: int, anchor: Point, at: float, since: float) -> None:
        """Somebody's place now. since: from when on they were surely here, if they are inside and were not before"""
        if self._area.holds(anchor):
            self._stays.setdefault(track, _Stay(since, at)).last = at

    @property
    def newest(self) -> float:
        """When who is inside last came."""
        return max((stay.since for stay in self._stays.values()), default=0.0)

    def left(self, at: float) -> list[tuple[int, float]]:
        """Who left since the last look, by track, and for how many seconds they were inside."""
        gone = {track: stay for track, stay in self._stays.items() if at - stay.last > BRIEF_S}
        for track in gone:
            del self._stays[track]
        stayed = ((track, stay.last - stay.since) for track, stay in gone.items())
        return [(track, seconds) for track, seconds in stayed if seconds >= SHORTEST_S]
