"""People (and cars) in a picture, by a YOLOX network: oblique views.

The network wants BGR, unscaled 0 to 255, the picture in the upper left corner and 114 elsewhere. It answers one row per
cell of three grids (strides 8, 16, 32): centre offset and log size in cells, objectness, a score a class. Its file asks
for 416 x 416; all of it is convolution, so it is told to take the shape of the picture instead: two thirds of the work.
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

SIZE = 448  # longest side: a picture of 16:9 fills 448 x 256
PERSON = 0
CARS = frozenset({2, 3, 5, 7})  # car, motorcycle, bus, truck
_PAD = 114
_OVERLAP = 0.45
_STRIDES = (8, 16, 32)
_ASKED = (416, 416)  # by the file
_LEAST = 128  # side; from here on ONNX writes a side in two bytes, as it does 416
Shape = tuple[int, int]  # height, width
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
        self._wants = _ASKED
        self._net: Net

    def find(self, picture: Picture) -> list[Box]:
        """What stands in the picture, in its pixels."""
        height, width = picture.shape[:2]
        if self._seen != (height, width):
            network, self._wants = _fitted(self._model.read_bytes(), height, width)
            self._net, self._seen = _net(network), (height, width)
        scale = min(self._wants[1] / width, self._wants[0] / height)
        rows = self._net(_input(picture, scale, self._wants))
        scores = rows[:, 4:5] * rows[:, 5 + self._classes]
        best, score = scores.argmax(axis=1), scores.max(axis=1)
        kept = score >= self._low
        rows, best, score = rows[kept], best[kept], score[kept]
        grid, stride = (cells[kept] for cells in _cells(self._wants))
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


def _fitted(network: bytes, height: int, width: int) -> tuple[bytes, Shape]:
    """The network for such pictures and what it wants then; as it is where its file says its size otherwise."""
    longest = max(height, width)
    wants = _side(height * SIZE / longest), _side(width * SIZE / longest)
    asks = _asks(_ASKED)
    return (network.replace(asks, _asks(wants)), wants) if network.count(asks) == 1 else (network, _ASKED)


def _side(pixels: float) -> int:
    """The least side that holds so many."""
    return max(_LEAST, -(-round(pixels) // _STRIDES[-1]) * _STRIDES[-1])


def _asks(shape: Shape) -> bytes:
    """The shape 1 x 3 x height x width as ONNX writes it (protobuf: TensorShapeProto's dimensions)."""
    height, width = (bytes((side & 0x7F | 0x80, side >> 7)) for side in shape)
    return b"\n\x02\x08\x01\n\x02\x08\x03\n\x03\x08" + height + b"\n\x03\x08" + width


def _input(picture: Picture, scale: float, wants: Shape) -> Floats:
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (round(width * scale), round(height * scale)))
    whole = np.full((*wants, 3), _PAD, np.uint8)
    whole[: small.shape[0], : small.shape[1]] = small
    return np.asarray(cv2.dnn.blobFromImage(whole), np.float32)


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


def _net(network: bytes) -> Net:
    """onnxruntime where it is installed, else OpenCV's own, which takes half as long again or more."""
    try:
        import onnxruntime
    except ImportError:
        return _opencv(network)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3  # errors: it would warn of each shape that its file says otherwise
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
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
