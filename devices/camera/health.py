"""Whether a camera shows what it should, from small grey pictures.

black: hardly any light. covered: light without detail, in most of the picture. defocused: far less fine detail than
this camera usually shows. moved: other edges than its usual picture has. frozen: the very same picture again and again.
A state must last before it is told; the usual picture is learnt while all is well, and never from a faulty one.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from devices.camera.boxes import Picture
from devices.camera.small import halved

State = Literal["ok", "black", "covered", "defocused", "moved", "frozen", "offline"]
Grey = NDArray[np.uint8]
Edges = NDArray[np.float32]

LOOK_S = 1.0  # between two looks: each costs as much as a tenth of looking for people in a picture
_SIZE = (320, 240)
_TILES = (4, 4)
_EDGES = (80, 60)
_DARK = 20.0  # mean of a black picture
_FLAT = 10.0  # standard deviation without detail, where there is usually twice as much
_BLANK = 4.0  # standard deviation without detail anywhere
_COVERED = 0.6  # of the tiles that had detail and have none
_BLUR = 0.15  # of the usual fine detail
_OTHER = 0.3  # correlation of edges below which it is another view
_LEARN = 10  # looks before defocused and moved can be told
_RATE = 0.1  # of a look that goes into the usual picture


class _Look(NamedTuple):
    """One small grey picture: brightness and its deviation, which tiles are flat, fine detail, strength of edges."""

    mean: float
    deviation: float
    flat: NDArray[np.bool_]
    fine: float
    edges: Edges


class Health:
    """Pictures in, a state when it changes. state: what was told last, None before the first"""

    def __init__(self, lasting_s: float, frozen_s: float) -> None:
        self._lasting_s, self._frozen_s = lasting_s, frozen_s
        self.state: State | None = None
        self._seen: State = "ok"
        self._since: float | None = None
        self._looked = float("-inf")
        self._last: Grey | None = None
        self._changed = 0.0
        self._usual = _Usual()

    def look(self, picture: Picture, at: float) -> State | None:
        """The state, where it is another than was told. at: seconds of the stream"""
        if at - self._looked < LOOK_S:
            return None
        self._looked = at
        return self._lasting(self._state(_grey(picture), at), at)

    def lost(self) -> State | None:
        """The stream is gone."""
        self._seen, self._since, self._last = "offline", None, None
        return self._told("offline")

    def _lasting(self, seen: State, at: float) -> State | None:
        if seen != self._seen or self._since is None:
            self._seen, self._since = seen, at
        return self._told(seen) if at - self._since >= self._waits(seen) else None

    def _waits(self, seen: State) -> float:
        """Seconds that a state lasts before it is told: frozen has lasted, and the first is wanted soon."""
        if seen == "frozen":
            return 0.0
        return min(1.0, self._lasting_s) if self.state is None else self._lasting_s

    def _told(self, state: State) -> State | None:
        if state == self.state:
            return None
        self.state = state
        return state

    def _state(self, grey: Grey, at: float) -> State:
        if self._last is None or not np.array_equal(grey, self._last):
            self._changed = at
        self._last = grey
        look = _measured(grey)
        if look.mean < _DARK and look.deviation < _FLAT:
            return "black"
        if at - self._changed >= self._frozen_s:
            return "frozen"
        if look.deviation < _BLANK:
            return "covered"
        if fault := self._usual.fault(look):
            return fault
        self._usual.learn(look)
        return "ok"


class _Usual:
    """What a camera shows while all is well."""

    def __init__(self) -> None:
        self._looks = 0
        self._fine = self._deviation = 0.0
        self._flat = np.zeros(_TILES)
        self._edges = np.zeros(_EDGES[::-1], np.float32)

    def fault(self, look: _Look) -> State | None:
        """What is wrong with a look that is so unlike it, once it is known."""
        if self._looks < _LEARN:
            return None
        if self._covered(look):
            return "covered"
        if look.fine < _BLUR * self._fine:
            return "defocused"
        return "moved" if self._likeness(look) < _OTHER else None

    def learn(self, look: _Look) -> None:
        self._looks += 1
        rate = max(_RATE, 1 / self._looks)
        self._fine += rate * (look.fine - self._fine)
        self._deviation += rate * (look.deviation - self._deviation)
        self._flat = self._flat + rate * (look.flat - self._flat)
        self._edges = self._edges + np.float32(rate) * (look.edges - self._edges)

    def _covered(self, look: _Look) -> bool:
        if look.deviation < min(_FLAT, self._deviation / 2):
            return True
        detailed = self._flat < 0.5
        return bool(detailed.sum() >= 4 and look.flat[detailed].mean() >= _COVERED)

    def _likeness(self, look: _Look) -> float:
        usual, now = self._edges - self._edges.mean(), look.edges - look.edges.mean()
        scale = float(np.sqrt((usual * usual).sum() * (now * now).sum()))
        return float((usual * now).sum()) / scale if scale > 0 else 1.0


def _grey(picture: Picture) -> Grey:
    """The picture as it is looked at."""
    grey, _ = halved(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8), 2 * _SIZE[0] - 1)
    return np.asarray(cv2.resize(grey, _SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def _measured(grey: Grey) -> _Look:
    smooth = cv2.GaussianBlur(grey, (5, 5), 0)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    edges = cv2.resize(cv2.magnitude(across, down), _EDGES, interpolation=cv2.INTER_AREA)
    sums, squares = (_in_tiles(each) for each in cv2.integral2(grey))
    flat = np.sqrt(np.maximum(squares - sums * sums, 0)) < _FLAT / 2
    mean = float(sums.mean())
    deviation = sqrt(max(0.0, float(squares.mean()) - mean * mean))
    _, fine = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return _Look(mean, deviation, flat, float(fine[0, 0]) ** 2, np.asarray(edges, np.float32))


def _in_tiles(integral: NDArray[Any]) -> NDArray[np.float64]:
    """The mean in each tile of what was summed up from the upper left corner."""
    high, wide = _SIZE[1] // _TILES[0], _SIZE[0] // _TILES[1]
    corners = np.asarray(integral[::high, ::wide], np.float64)
    return np.diff(np.diff(corners, axis=0), axis=1) / (high * wide)
