"""Frames of the 90614 serial module.

    66 66 | mode | 04 | object hi lo | second hi lo | sum

mode: 01 continuous, 02 single; object and second: hundredths of a degree Celsius, signed; sum: low byte of the sum of
the four data bytes alone (the maker's text suggests all bytes; captured frames say otherwise). `66 66 01 04 0A 83 0A
83 1A` is 26.91 °C.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from devices.framing import Framing, Noise

_HEAD = b"\x66\x66"
_SIZE = 9
_MODES = (1, 2)


class Frame(NamedTuple):
    """`celsius` of the object, `second` the module's other value, both in °C; `raw` the frame."""

    celsius: float
    second: float
    continuous: bool
    raw: bytes


class FrameParser(Framing[Frame]):
    """Bytes in, frames and noise out. Opens no port, reads no clock, raises nothing."""

    def __init__(self) -> None:
        super().__init__(_size, _frame, _noise)


def _size(buffer: bytearray, place: int) -> int | None:
    begun = buffer[place : place + _SIZE]
    if not _HEAD.startswith(begun[:2]) or (len(begun) > 2 and begun[2] not in _MODES):
        return 0
    if len(begun) > 3 and begun[3] != 4:
        return 0
    if len(begun) < _SIZE:
        return None
    return _SIZE if _sum(begun) == begun[8] else 0


def _sum(frame: bytes | bytearray) -> int:
    return sum(frame[4:8]) & 0xFF


def _frame(raw: bytes) -> Frame:
    celsius, second = struct.unpack_from(">hh", raw, 4)
    return Frame(celsius / 100, second / 100, raw[2] == 1, raw)


def _noise(stretch: bytes) -> Noise:
    if not stretch.startswith(_HEAD):
        return Noise("no frame of the thermometer; check baudrate and cable", stretch)
    if len(stretch) < _SIZE:
        return Noise("half a frame", stretch)
    return Noise(f"wrong checksum: {stretch[8]:02X}, not {_sum(stretch):02X}", stretch)
