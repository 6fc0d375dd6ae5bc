"""Frames of the 90614 serial module.

    66 66 | mode | 04 | object hi lo | second hi lo | sum

mode: 01 continuous, 02 single; object and second: hundredths of a degree Celsius, signed; sum: low byte of the sum of
the four data bytes alone (the maker's text suggests all bytes; captured frames say otherwise). `66 66 01 04 0A 83 0A
83 1A` is 26.91 °C.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_HEAD = b"\x66\x66"
_SIZE = 9
_MODES = (1, 2)
MAX_NOISE = 4096  # bytes of a stretch of noise that are kept together


class Frame(NamedTuple):
    """`celsius` of the object, `second` the module's other value, both in °C; `raw` the frame."""

    celsius: float
    second: float
    continuous: bool
    raw: bytes


class Noise(NamedTuple):
    """A stretch of bytes that belongs to no good frame."""

    reason: str
    raw: bytes


class FrameParser:
    """Bytes in, frames and noise out. Opens no port, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._noise = bytearray()

    def feed(self, data: bytes) -> list[Frame | Noise]:
        self._buffer += data
        found: list[Frame | Noise] = []
        place = 0
        while (fits := _fits(self._buffer, place)) is not None:
            if fits:
                found += self._told_noise()
                found.append(_frame(bytes(self._buffer[place : place + _SIZE])))
                place += _SIZE
                continue
            self._noise.append(self._buffer[place])
            place += 1
            if len(self._noise) == MAX_NOISE:
                found += self._told_noise()
        del self._buffer[:place]
        return found

    def end(self) -> list[Noise]:
        """What is left: noise, half a frame."""
        self._noise += self._buffer
        self._buffer.clear()
        return self._told_noise()

    def _told_noise(self) -> list[Noise]:
        noise = bytes(self._noise)
        self._noise.clear()
        return [Noise(_reason(noise), noise)] if noise else []


def _fits(buffer: bytearray, place: int) -> bool | None:
    """Whether a good frame begins at `place`; None while there are too few bytes to tell."""
    begun = buffer[place : place + _SIZE]
    if not _HEAD.startswith(begun[:2]) or (len(begun) > 2 and begun[2] not in _MODES):
        return False
    if len(begun) > 3 and begun[3] != 4:
        return False
    return _sum(begun) == begun[8] if len(begun) == _SIZE else None


def _sum(frame: bytes | bytearray) -> int:
    return sum(frame[4:8]) & 0xFF


def _frame(raw: bytes) -> Frame:
    celsius, second = struct.unpack_from(">hh", raw, 4)
    return Frame(celsius / 100, second / 100, raw[2] == 1, raw)


def _reason(noise: bytes) -> str:
    if not noise.startswith(_HEAD):
        return "no frame of the thermometer; check baudrate and cable"
    if len(noise) < _SIZE:
        return "half a frame"
    return f"wrong checksum: {noise[8]:02X}, not {_sum(noise):02X}"
