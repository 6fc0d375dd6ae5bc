"""Clips with exact truth: who crosses the line across the middle, which way, and when."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from devices.camera.scene import Scene, Walker

LINE = (0.0, 180.0, 480.0, 180.0)  # left to right: below it is "in"


class Truth(NamedTuple):
    """Crossings that are there to be found."""

    inward: int
    outward: int


def down(x: float, begin: float = 2.0, took: float = 4.0, **more: float) -> Walker:
    return Walker([(begin, x, -20), (begin + took, x, 380)], **more)  # type: ignore[arg-type]


def up(x: float, begin: float = 2.0, took: float = 4.0, **more: float) -> Walker:
    return Walker([(begin, x, 380), (begin + took, x, -20)], **more)  # type: ignore[arg-type]


def _one_of_many(number: int) -> Walker:
    begin = 2 + 1.1 * number
    return down(80 + 65 * (number % 6), begin) if number % 3 else up(400 - 60 * (number % 6), begin + 0.5)


def _dusk(at: float) -> float:
    return 1.0 - 0.5 * min(max((at - 4) / 6, 0), 1)


def _switched(at: float) -> float:
    return 0.35 if 6 <= at < 12 else 1.0


def _swings(at: float) -> float:
    return 80.0 * max(0.0, min(at - 2, 1, 5 - at)) if 2 <= at <= 5 else 0.0


CLIPS: dict[str, Scene] = {
    "nobody": Scene(8, []),
    "one in": Scene(8, [down(240)]),
    "one out": Scene(8, [up(240)]),
    "in, then out": Scene(16, [down(200, 2), up(280, 9)]),
    "slow": Scene(16, [down(240, 2, 12)]),
    "running": Scene(6, [down(240, 2, 1.6)]),
    "aslant": Scene(10, [Walker([(2, 40, -20), (8, 440, 380)])]),
    "side by side": Scene(8, [down(200), down(262)]),
    "three abreast": Scene(8, [down(160), down(226), down(292)]),
    "past each other": Scene(8, [down(205), up(265)]),
    "one behind the other": Scene(12, [down(240, 2), down(240, 3.2), down(240, 4.4)]),
    "U-turn before the line": Scene(10, [Walker([(2, 240, -20), (4, 240, 150), (6, 240, -20)])]),
    "U-turn on the line": Scene(10, [Walker([(2, 240, -20), (4, 240, 179), (5, 250, 179), (7, 250, -20)])]),
    "U-turn beyond the line": Scene(12, [Walker([(2, 240, -20), (4.5, 240, 230), (7, 240, -20)])]),
    "stops on the line": Scene(16, [Walker([(2, 240, -20), (4, 240, 180), (9, 242, 181), (11, 240, 380)])]),
    "along the line": Scene(10, [Walker([(2, -20, 150), (8, 500, 150)])]),
    "deep shadow": Scene(8, [down(240, shade=0.45)]),
    "polished floor": Scene(8, [down(200), up(330)], reflections=True),
    "floor like a mirror": Scene(8, [down(200, shine=18), up(330, shine=18)], reflections=True),
    "door swings, nobody": Scene(8, [], door=_swings),
    "door swings, one in": Scene(10, [down(260, 3)], door=_swings),
    "dusk": Scene(16, [down(240, 2), up(240, 9)], light=_dusk),
    "light off and on, nobody": Scene(16, [], light=_switched),
    "light off and on between two": Scene(20, [down(240, 1), down(240, 14)], light=_switched),
    "child beside a grown-up": Scene(8, [down(200, shoulders=38), down(250, shoulders=22)]),
    "large and small": Scene(12, [down(160, 2, shoulders=46), up(320, 6, shoulders=26)]),
    "bright clothes": Scene(8, [Walker([(0, -50, -50), (0.1, -50, -50)])] * 3 + [down(240)]),
    "crowd": Scene(20, [_one_of_many(number) for number in range(10)]),
}


def truth(scene: Scene, step: float = 0.005) -> Truth:
    """Of the walkers' own paths; who turns on the line has not crossed it."""
    inward = outward = 0
    for walker in scene.walkers:
        for way in _ways(walker.at, scene.seconds, step):
            inward, outward = inward + (way > 0), outward + (way < 0)
    return Truth(inward, outward)


def _ways(at: Callable[[float], tuple[float, float] | None], seconds: float, step: float) -> list[int]:
    """+1 for each crossing downwards, -1 upwards."""
    places = [place for number in range(round(seconds / step)) if (place := at(number * step))]
    sides = [1 if y > LINE[1] + 4 else -1 for _, y in places if abs(y - LINE[1]) > 4]
    return [after for before, after in pairwise(sides) if before != after]
