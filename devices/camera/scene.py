"""People walking below a camera that looks straight down, drawn: clips whose truth is known to the picture.

Heads and shoulders on a floor of flagstones, with the noise of a cheap sensor; what stores have besides: shadows,
reflections, a door that swings, light that goes and comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from devices.camera.boxes import Picture
from devices.camera.geometry import Point

FPS = 10
_TILE = 48
_NOISE = 4.0


class Walker(NamedTuple):
    """Somebody. path: where at which second, straight between; shoulders: pixels across; shade: factor of a shadow's
    light; shine: what a reflection adds
    """

    path: Sequence[tuple[float, float, float]]
    shoulders: int = 34
    shade: float = 0.75
    shine: float = 10.0

    def at(self, seconds: float) -> Point | None:
        """The head's place; None before it came and after it went."""
        times = [time for time, _, _ in self.path]
        if not times[0] <= seconds <= times[-1]:
            return None
        x = np.interp(seconds, times, [x for _, x, _ in self.path])
        y = np.interp(seconds, times, [y for _, _, y in self.path])
        return float(x), float(y)


class Scene(NamedTuple):
    """A clip. light: factor of the light at a second; door: degrees that a door stands open at a second"""

    seconds: float
    walkers: Sequence[Walker]
    light: Callable[[float], float] = lambda _: 1.0
    door: Callable[[float], float] | None = None
    reflections: bool = False
    width: int = 480
    height: int = 360

    def pictures(self, seed: int, every: int = 1) -> Iterator[Picture]:
        """Each n-th picture; the same seed gives the same."""
        rng = np.random.default_rng(seed)
        floor = _floor(rng, self.width, self.height)
        for number in range(0, round(self.seconds * FPS), every):
            yield self._picture(floor, number / FPS, rng)

    def _picture(self, floor: NDArray[np.float32], at: float, rng: np.random.Generator) -> Picture:
        picture = floor.copy()
        if self.door:
            _door(picture, self.door(at))
        places = [(walker, number, place) for number, walker in enumerate(self.walkers) if (place := walker.at(at))]
        for walker, _, place in places:
            _shadow(picture, place, walker)
            if self.reflections:
                _reflection(picture, place, walker)
        for walker, number, place in places:
            _person(picture, place, walker, number, at)
        picture *= self.light(at)
        picture += rng.normal(0, _NOISE, picture.shape).astype(np.float32)
        return np.clip(picture, 0, 255).astype(np.uint8)


def _floor(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    tiles = rng.uniform(135, 165, (height // _TILE + 1, width // _TILE + 1, 1))
    floor = np.kron(tiles, np.ones((_TILE, _TILE, 1)))[:height, :width] * np.array([0.94, 0.97, 1.0])
    floor += cv2.GaussianBlur(rng.normal(0, 12, (height, width)), (7, 7), 0)[..., None]
    return np.asarray(floor, np.float32)


def _person(picture: NDArray[np.float32], place: Point, walker: Walker, number: int, at: float) -> None:
    x, y = round(place[0]), round(place[1])
    cloth = [(60, 40, 40), (40, 60, 110), (90, 90, 50), (200, 200, 210), (50, 90, 50), (70, 70, 160)][number % 6]
    swing = round(3 * np.sin(at * 11 + number))
    wide = walker.shoulders
    cv2.ellipse(picture, (x, y + swing), (wide // 2, wide // 3), 0, 0, 360, cloth, -1, cv2.LINE_AA)
    cv2.circle(picture, (x, y), wide // 5, (35, 45, 60), -1, cv2.LINE_AA)


def _shadow(picture: NDArray[np.float32], place: Point, walker: Walker) -> None:
    mask = np.zeros(picture.shape[:2], np.float32)
    centre = round(place[0] + walker.shoulders * 0.6), round(place[1] + walker.shoulders * 0.3)
    cv2.ellipse(mask, centre, (round(walker.shoulders * 0.7), walker.shoulders // 3), 20, 0, 360, 1.0, -1)
    picture *= 1 - (1 - walker.shade) * cv2.GaussianBlur(mask, (9, 9), 0)[..., None]


def _reflection(picture: NDArray[np.float32], place: Point, walker: Walker) -> None:
    """On a polished floor: a faint second body."""
    mask = np.zeros(picture.shape[:2], np.float32)
    centre = round(place[0]), round(place[1] + walker.shoulders)
    cv2.ellipse(mask, centre, (walker.shoulders // 3, walker.shoulders // 3), 0, 0, 360, 1.0, -1)
    picture += walker.shine * cv2.GaussianBlur(mask, (11, 11), 0)[..., None]


def _door(picture: NDArray[np.float32], degrees: float) -> None:
    """A leaf that is hinged in the upper left corner, seen from above."""
    angle = np.deg2rad(degrees)
    end = round(20 + 110 * np.cos(angle)), round(8 + 110 * np.sin(angle))
    cv2.line(picture, (20, 8), end, (90, 110, 140), 7, cv2.LINE_AA)
