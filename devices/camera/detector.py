"""People (and cars) in a picture, by a YOLOX network: oblique views.

The network wants 416 x 416 BGR, unscaled 0 to 255, the picture in the upper left corner and 114 elsewhere. It answers
one row per cell of three grids (strides 8, 16, 32): centre offset and log size in cells, objectness, a score a class.
Source: Ge et al., YOLOX: Exceeding YOLO Series in 2021, arXiv:2107.08430. Classes are COCO's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from devices.camera.boxes import Box, Picture
from devices.driver import DeviceOffline

SIZE = 416
PERSON = 0
CARS = frozenset({2, 3, 5, 7})  # car, motorcycle, bus, truck
_PAD = 114
_OVERLAP = 0.45
_STRIDES = (8, 16, 32)
Floats = NDArray[np.float32]
Net = Callable[[Floats], Floats]


class Detector:
    """Boxes with a score of at least `low`; persons, or persons and cars."""

    def __init__(self, model: Path, low: float, *, cars: bool) -> None:
        self._net = _net(model)
        self._low = low
        self._classes = np.array([PERSON, *sorted(CARS)] if cars else [PERSON])

    def find(self, picture: Picture) -> list[Box]:
        """What stands in the picture, in its pixels."""
        height, width = picture.shape[:2]
        scale = min(SIZE / width, SIZE / height)
        rows = self._net(_input(picture, scale))
        scores = rows[:, 4:5] * rows[:, 5 + self._classes]
        best, score = scores.argmax(axis=1), scores.max(axis=1)
        kept = score >= self._low
        rows, best, score = rows[kept], best[kept], score[kept]
        grid, stride = (cells[kept] for cells in _cells())
        centre = (rows[:, :2] + grid) * stride / scale
        size = np.exp(np.minimum(rows[:, 2:4], 10)) * stride / scale
        corner = np.concatenate([centre - size / 2, size], axis=1)
        chosen = cv2.dnn.NMSBoxesBatched(corner.tolist(), score.tolist(), best.tolist(), self._low, _OVERLAP)
        return [
            Box(*_within(corner[n], width, height), float(score[n]), int(self._classes[best[n]]) in CARS)
            for n in sorted(chosen)
        ]


def _within(corner: Floats, width: int, height: int) -> tuple[float, float, float, float]:
    x, y, w, h = (float(value) for value in corner)
    return max(0.0, x), max(0.0, y), min(float(width), x + w), min(float(height), y + h)


def _input(picture: Picture, scale: float) -> Floats:
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (round(width * scale), round(height * scale)))
    whole = np.full((SIZE, SIZE, 3), _PAD, np.float32)
    whole[: small.shape[0], : small.shape[1]] = small
    return np.ascontiguousarray(whole.transpose(2, 0, 1)[None])


@cache
def _cells() -> tuple[Floats, Floats]:
    """Cell of the grid, and its stride, by row of the network's answer."""
    grids, strides = [], []
    for stride in _STRIDES:
        count = SIZE // stride
        y, x = np.mgrid[:count, :count]
        grids.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.full((count * count, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _net(model: Path) -> Net:
    """onnxruntime where it is installed, else OpenCV's own, which takes half as long again or more."""
    if not model.is_file():
        raise DeviceOffline(f"{model} is not there; run: edge-agent models install yolox-nano")
    try:
        import onnxruntime
    except ImportError:
        return _opencv(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda given: _rows(session.run(None, {name: given})[0])


def _opencv(model: Path) -> Net:
    net = cv2.dnn.readNetFromONNX(str(model))

    def run(given: Floats) -> Floats:
        net.setInput(given)
        return _rows(net.forward())

    return run


def _rows(answer: Any) -> Floats:
    return np.asarray(answer[0], np.float32)
