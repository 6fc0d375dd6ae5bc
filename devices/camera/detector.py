"""People (and cars) in a picture, by a YOLOX network: oblique views.

The network wants BGR, unscaled 0 to 255, the picture in the upper left corner and 114 elsewhere. It answers one row per
cell of three grids (strides 8, 16, 32): centre offset and log size in cells, objectness, a score a class.
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
from devices.camera.network import Network, Shape
from devices.camera.protobuf import NoMessage
from devices.driver import DeviceOffline

SIZE = 448  # longest side: a picture of 16:9 fills 448 x 256
PERSON = 0
CARS = frozenset({2, 3, 5, 7})  # car, motorcycle, bus, truck
_PAD = 114
_OVERLAP = 0.45
_STRIDES = (8, 16, 32)
_ASKED = (416, 416)  # by the file whose answers were tried at other shapes too
Floats = NDArray[np.float32]
Net = Callable[[Floats], Floats]


class Detector:
    """Boxes with a score of at least `low`; persons, or persons and cars."""

    def __init__(self, model: Path, low: float, *, cars: bool) -> None:
        if not model.is_file():
            raise DeviceOffline(f"{model} is not there; run: edge-agent models install yolox-nano")
        self._model = model
        self._low = low
        self._classes = np.array([PERSON, *sorted(CARS)] if cars else [PERSON])
        self._seen: Shape | None = None
        self._net: Net
        self._given: Floats  # to the network

    def find(self, picture: Picture) -> list[Box]:
        """What stands in the picture, in its pixels."""
        height, width = picture.shape[:2]
        if self._seen != (height, width):
            network, wants = _fitted(self._model, height, width)
            self._given = np.full((1, 3, *wants), _PAD, np.float32)
            self._net, self._seen = _net(network), (height, width)
        wants = self._given.shape[2:]
        scale = min(wants[1] / width, wants[0] / height)
        _fill(self._given, picture, scale)
        rows = self._net(self._given)
        likely = rows[:, 4] >= self._low  # a score is never more than the objectness
        rows, grid, stride = rows[likely], *(cells[likely] for cells in _cells(wants))
        scores = rows[:, 4:5] * rows[:, 5 + self._classes]
        best, score = scores.argmax(axis=1), scores.max(axis=1)
        kept = score >= self._low
        rows, best, score, grid, stride = rows[kept], best[kept], score[kept], grid[kept], stride[kept]
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


def _fitted(model: Path, height: int, width: int) -> tuple[Network, Shape]:
    """The network for such pictures and the shape that it takes then: its own, where it was not tried at another."""
    try:
        network = Network(model.read_bytes())
    except NoMessage as fault:
        raise DeviceOffline(f"{model} is no network: {fault}; run: edge-agent models install yolox-nano") from None
    longest = max(height, width)
    wants = _side(height * SIZE / longest), _side(width * SIZE / longest)
    if network.asks == _ASKED:
        network.ask(wants)
    return network, network.asks or wants


def _side(pixels: float) -> int:
    """The least side that holds so many."""
    return max(1, -(-round(pixels) // _STRIDES[-1])) * _STRIDES[-1]


def _fill(given: Floats, picture: Picture, scale: float) -> None:
    """The upper left corner is the picture."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (round(width * scale), round(height * scale)))
    for plane, colour in zip(given[0], cv2.split(small), strict=True):
        plane[: colour.shape[0], : colour.shape[1]] = colour


@cache
def _cells(wants: Shape) -> tuple[Floats, Floats]:
    """Cell of the grid, and its stride, by row of the network's answer."""
    grids, strides = [], []
    for stride in _STRIDES:
        rows, columns = wants[0] // stride, wants[1] // stride
        y, x = np.mgrid[:rows, :columns]
        grids.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _net(network: Network) -> Net:
    """onnxruntime where it is installed, else OpenCV's own, which takes twice as long, and longer for a 6 x 6."""
    try:
        import onnxruntime
    except ImportError:
        return _opencv(network.file)
    network.begin_at_once()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: it would warn of what the file holds and nothing takes any more
    session = onnxruntime.InferenceSession(network.file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda given: _rows(session.run(None, {name: given})[0])


def _opencv(network: bytes) -> Net:
    net = cv2.dnn.readNetFromONNX(np.frombuffer(network, np.uint8))

    def run(given: Floats) -> Floats:
        net.setInput(given)
        return _rows(net.forward())

    return run


def _rows(answer: Any) -> Floats:
    return np.asarray(answer[0], np.float32)
