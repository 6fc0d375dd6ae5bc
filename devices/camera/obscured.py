"""A picture in which nobody can be recognised. The one place where pictures are encoded; none is written from here.

All of it is made so small that a face has a few pixels, which leaves enough to place lines by, and whoever was found is
a few blocks of one colour each.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from devices.camera.boxes import Box, Picture
from devices.glass import Shown

LONGEST = 96  # pixels that the longer side is left with: a face an eighth of the picture wide has twelve
_BLOCKS = (3, 4)  # across and down somebody
_BESIDE = 0.15  # of a box's size around it that may still be the person
_QUALITY = 70


def obscured(picture: Picture, people: Iterable[Box]) -> Shown:
    """What the page may show of it, at most some 10 KB. people: boxes in the picture's pixels"""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    for box in people:
        _hide(small, box, scale)
    told, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not told:
        raise ValueError(f"a picture of {width}x{height} cannot be encoded")
    return Shown(jpeg.tobytes(), width, height)


def _hide(small: Picture, box: Box, scale: float) -> None:
    beside, above = _BESIDE * box.width, _BESIDE * box.height
    left, top = max(0, int((box.left - beside) * scale)), max(0, int((box.top - above) * scale))
    right, bottom = int((box.right + beside) * scale) + 1, int((box.bottom + above) * scale) + 1
    somebody = small[top : max(0, bottom), left : max(0, right)]
    if somebody.size:
        blocks = cv2.resize(somebody, _BLOCKS, interpolation=cv2.INTER_AREA)
        somebody[:] = cv2.resize(blocks, somebody.shape[1::-1], interpolation=cv2.INTER_NEAREST)
