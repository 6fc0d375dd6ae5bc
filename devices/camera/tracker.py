"""Who is the same from one picture to the next.

Constant velocity between pictures, and two rounds of matching: tracks to certain boxes first, what is left to uncertain
ones, so that somebody half hidden goes on but nobody begins by doubt. The first round is cheapest pair first; pairs
further apart than a person moves are none. A track that finds no box goes on by its velocity for `MEMORY_S`.
Source of the two rounds: Zhang et al., ByteTrack, arXiv:2110.06864.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import hypot

from devices.camera.boxes import Box

MEMORY_S = 1.2
CERTAIN = 0.6  # a score that needs no second box
SURE = 2  # boxes before a track counts as somebody
_REACH = 0.6  # of a person's size, between two pictures a tenth of a second apart
_FIRST_REACH = 1.1  # while nothing is known of its velocity
_WIDER = 2.5  # of it, each second without a box
_SMOOTH = 0.5  # of a new box's velocity that is believed
_PARTS = 1.6  # times as high: more than turning or a raised arm makes
_SAME = 0.3  # a box that overlaps a track so much and has no track of its own begins none


@dataclass
class Track:
    """Somebody, or a car. box: where it is now; seen: seconds of the stream at its last box; began: at its first"""

    id: int
    box: Box
    began: float
    seen: float
    boxes: int = 1
    velocity: tuple[float, float] = (0.0, 0.0)
    staff: bool = False

    @property
    def sure(self) -> bool:
        return self.boxes >= SURE or self.box.score >= CERTAIN

    def expected(self, at: float) -> Box:
        """Where its box would be; it stops after a while, since nobody walks through a wall."""
        ahead = min(at - self.seen, MEMORY_S / 2)
        return self.box.moved(self.velocity[0] * ahead, self.velocity[1] * ahead)

    def meet(self, box: Box, at: float) -> None:
        (x, y), (before_x, before_y) = box.centre, self.box.centre
        passed = max(at - self.seen, 1e-3)
        new = (x - before_x) / passed, (y - before_y) / passed
        share = _SMOOTH if self.boxes > 1 else 1.0
        if self.boxes > 1 and _grown(self.box, box):
            share = 0.0  # its centre moved by what came off or on
        self.velocity = tuple(share * n + (1 - share) * old for n, old in zip(new, self.velocity, strict=True))  # type: ignore[assignment]
        self.box, self.seen, self.boxes = box, at, self.boxes + 1


class Tracker:
    """Boxes of each picture in, tracks out. sure: a score from which a box begins a track"""

    def __init__(self, sure: float) -> None:
        self._sure = sure
        self._next = 1
        self.tracks: list[Track] = []

    def step(self, boxes: Iterable[Box], at: float) -> list[Track]:
        """The tracks that ended. at: seconds of the stream, rising"""
        boxes = list(boxes)
        high = [box for box in boxes if box.score >= self._sure]
        low = [box for box in boxes if box.score < self._sure]
        left, high = self._match(self.tracks, high, at)
        if low:
            self._match(left, low, at)
        for box in high:
            if all(box.overlap(track.box) < _SAME or track.seen != at for track in self.tracks):
                self.tracks.append(Track(self._next, box, at, at))
                self._next += 1
        ended = [track for track in self.tracks if at - track.seen > (MEMORY_S if track.sure else MEMORY_S / 4)]
        self.tracks = [track for track in self.tracks if track not in ended]
        return ended

    @staticmethod
    def _match(tracks: list[Track], boxes: list[Box], at: float) -> tuple[list[Track], list[Box]]:
        """What stayed alone of both."""
        pairs = sorted(_pairs(tracks, boxes, at))
        met: set[int] = set()
        taken: set[int] = set()
        for _, number, chosen in pairs:
            if number not in met and chosen not in taken:
                met.add(number)
                taken.add(chosen)
                tracks[number].meet(boxes[chosen], at)
        alone = [track for number, track in enumerate(tracks) if number not in met]
        return alone, [box for number, box in enumerate(boxes) if number not in taken]


def _pairs(tracks: list[Track], boxes: list[Box], at: float) -> Iterator[tuple[float, int, int]]:
    for number, track in enumerate(tracks):
        expected = track.expected(at)
        size = max(expected.width, expected.height / 2)
        reach = size * ((_REACH if track.boxes > 1 else _FIRST_REACH) + _WIDER * max(0.0, at - track.seen - 0.1))
        for chosen, box in enumerate(boxes):
            if box.car != track.box.car:
                continue
            far = _far(expected, box)
            overlap = expected.overlap(box)
            if far <= min(reach, 2.5 * size) or overlap > _SAME:
                yield 1 - overlap + far / size, number, chosen


def _far(expected: Box, box: Box) -> float:
    """Pixels between them; where a part came off or on, such as a reflection, an edge of the rest is where it was."""
    (x, y), (other_x, other_y) = expected.centre, box.centre
    upright = min(abs(expected.top - box.top), abs(expected.bottom - box.bottom))
    return hypot(x - other_x, upright if _grown(expected, box) else y - other_y)


def _grown(before: Box, after: Box) -> bool:
    """Whether it became so much higher or lower at once that it is not the same of somebody."""
    lower, higher = sorted((before.height, after.height))
    return higher > _PARTS * lower
