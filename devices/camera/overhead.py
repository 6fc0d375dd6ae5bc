"""People from straight above, by what differs from the empty floor.

Pictures are made small; K-nearest-neighbours background subtraction (Zivkovic and van der Heijden, 2006) marks what is
not floor, shadows apart; stretches of the size of a person are people, larger ones are several. What a person's size is
is learnt from the stretches that are seen alone and whole, unless it is set.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from devices.camera.boxes import Box, Picture
from devices.camera.small import halved

WIDTH = 320  # at most
_HISTORY = 1000  # pictures that make the floor: somebody who waits for minutes becomes part of it
_WARM = 15  # pictures after which somebody who stands still does not soon become floor
_UNLIKE = 400.0  # squared distance from which a pixel is not floor
_EVEN, _BRIGHTEST = 128.0, 4.0  # every picture is made as bright: dusk and lamps are no people
_SHADOW = 127  # as the mask marks it; what is neither it nor floor is 255
_LIGHT = 0.7  # of the picture that is not floor: the light changed
_ENOUGH = 20  # people seen alone, from which a person's size is known
_REMEMBERED = 200  # of them
_LEAST = 0.0015  # of the picture that a person covers at least, where its size is not known
_SPECKS, _GAPS = np.ones((3, 3), np.uint8), np.ones((9, 9), np.uint8)  # smaller ones are taken out, and closed
_SAMPLE = 49  # of so many values one tells the brightness; odd, so that all colours and columns have their turn
_SCORE = 0.5  # enough to begin a track, not to be sure at once
_PART = 0.35  # of a person's size that is somebody
_MANY = 1.7  # persons' sizes from which a stretch is several


class _Stretch(NamedTuple):
    """Pixels of one label that hang together, in the small picture."""

    left: int
    top: int
    right: int
    bottom: int
    area: int
    labels: NDArray[np.uint16]
    label: int

    @property
    def whole(self) -> bool:
        """Whether the picture's edge cuts nothing off: who comes in is smaller, and a door's leaf hangs there."""
        height, width = self.labels.shape
        return self.left > 0 and self.top > 0 and self.right < width and self.bottom < height

    def pixels(self) -> NDArray[np.int32]:
        """y, x of each."""
        within = self.labels[self.top : self.bottom, self.left : self.right] == self.label
        return np.asarray(np.add(np.argwhere(within), [self.top, self.left]), np.int32)


class Sizes:
    """Pixels that people covered who were seen alone, the last ones: in order of coming, and of size."""

    def __init__(self) -> None:
        self._came: deque[int] = deque()
        self._sorted: list[int] = []

    def add(self, size: int) -> None:
        if len(self._came) == _REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._came.popleft())]
        self._came.append(size)
        insort(self._sorted, size)

    @property
    def median(self) -> float | None:
        """None while too few were seen."""
        count = len(self._sorted)
        return (self._sorted[(count - 1) // 2] + self._sorted[count // 2]) / 2 if count > _ENOUGH else None


class Overhead:
    """Boxes of who is below. person: pixels of the source that a person covers; None where it is learnt"""

    def __init__(self, person: float | None) -> None:
        self._floor = cv2.createBackgroundSubtractorKNN(_HISTORY, _UNLIKE, detectShadows=True)
        self._person = person
        self._pictures = 0
        self._sizes = Sizes()

    def find(self, picture: Picture) -> list[Box]:
        """What stands on the floor, in pixels of the source."""
        small, times = halved(picture, WIDTH)
        marked = self._marked(_even(small))
        if cv2.countNonZero(marked) > _LIGHT * marked.size:
            return []
        opened = cv2.morphologyEx(marked, cv2.MORPH_OPEN, _SPECKS)
        whole = np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _GAPS), np.uint8)
        return [box for stretch in _stretches(whole) for box in self._people(stretch, times, whole.size)]

    def _marked(self, even: Picture) -> NDArray[np.uint8]:
        """1 where something is that is not floor; the floor is learnt from the same picture."""
        self._pictures += 1
        rate = 1 / (self._pictures if self._pictures <= _WARM else _HISTORY)
        mask = self._floor.apply(cv2.GaussianBlur(even, (3, 3), 0), learningRate=rate)
        return np.asarray(cv2.threshold(mask, _SHADOW, 1, cv2.THRESH_BINARY)[1], np.uint8)

    def _size(self, times: int) -> float | None:
        """Pixels of the small picture that a person covers; None while too few were seen."""
        return self._person / times**2 if self._person else self._sizes.median

    def _people(self, stretch: _Stretch, times: int, pixels: int) -> list[Box]:
        person = self._size(times)
        if stretch.area < (_PART * person if person else _LEAST * pixels):
            return []
        if person is None or stretch.area < _MANY * person:
            if stretch.whole:
                self._sizes.add(stretch.area)
            return [_box(stretch.left, stretch.top, stretch.right, stretch.bottom, times)]
        return [_around(part, times) for part in _parts(stretch.pixels(), round(stretch.area / person))]


def _even(small: Picture) -> Picture:
    brightness = max(1.0, float(_middle(small.reshape(-1)[::_SAMPLE])))
    return np.asarray(cv2.convertScaleAbs(small, alpha=min(_BRIGHTEST, _EVEN / brightness)), np.uint8)


def _middle(values: Picture) -> int:
    """The median, the upper one of two; by counting, which for bytes is quicker than any sorting."""
    within = np.bincount(values).cumsum()
    return int(np.searchsorted(within, values.size // 2, side="right"))


def _stretches(marked: NDArray[np.uint8]) -> list[_Stretch]:
    """Each connected stretch."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(marked, ltype=cv2.CV_16U)
    found = []
    for number in range(1, count):
        left, top, width, height, area = (int(value) for value in stats[number])
        found.append(_Stretch(left, top, left + width, top + height, area, np.asarray(labels), number))
    return found


def _parts(stretch: NDArray[np.int32], count: int) -> list[NDArray[np.int32]]:
    """The stretch as so many compact ones."""
    cv2.setRNGSeed(1)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, labels, _ = cv2.kmeans(stretch.astype(np.float32), count, None, criteria, 3, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    return [stretch[labels.ravel() == number] for number in range(count)]


def _around(pixels: NDArray[np.int32], times: int) -> Box:
    (top, left), (bottom, right) = pixels.min(axis=0), pixels.max(axis=0) + 1
    return _box(int(left), int(top), int(right), int(bottom), times)


def _box(left: int, top: int, right: int, bottom: int, times: int) -> Box:
    return Box(left * times, top * times, right * times, bottom * times, _SCORE)
