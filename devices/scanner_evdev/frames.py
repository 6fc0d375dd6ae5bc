"""The kernel's input events as bytes: 24 each on a 64-bit machine (linux/input.h), little endian.

struct input_event { s64 seconds; s64 microseconds; u16 type; u16 code; s32 value; }
"""

from __future__ import annotations

import struct
from typing import NamedTuple

EV_SYN, EV_KEY, SYN_DROPPED = 0, 1, 3
SIZE = 24
_EVENT = struct.Struct("<qqHHi")
_MOST_TYPE, _MOST_CODE = 0x1F, 0x2FF
_MOST_NOISE = 4096


class InputEvent(NamedTuple):
    """at: microseconds of the kernel's clock."""

    at: int
    type: int
    code: int
    value: int


class Noise(NamedTuple):
    """Bytes that are no events."""

    raw: bytes


class EventParser:
    """Bytes in, events out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._noise = bytearray()

    def feed(self, data: bytes) -> list[InputEvent | Noise]:
        self._buffer += data
        found: list[InputEvent | Noise] = []
        place = 0
        while place + SIZE <= len(self._buffer):
            seconds, micros, kind, code, value = _EVENT.unpack_from(self._buffer, place)
            if 0 <= seconds < 1 << 40 and 0 <= micros < 1_000_000 and kind <= _MOST_TYPE and code <= _MOST_CODE:
                found += self._told_noise()
                found.append(InputEvent(seconds * 1_000_000 + micros, kind, code, value))
                place += SIZE
                continue
            self._noise.append(self._buffer[place])  # a false start: look for the next one
            place += 1
            if len(self._noise) == _MOST_NOISE:
                found += self._told_noise()
        del self._buffer[:place]
        return found

    def end(self) -> list[Noise]:
        """What is left is no whole event."""
        self._noise += self._buffer
        self._buffer.clear()
        return self._told_noise()

    def _told_noise(self) -> list[Noise]:
        noise = bytes(self._noise)
        self._noise.clear()
        return [Noise(noise)] if noise else []


def key_event(at: int, code: int, value: int) -> bytes:
    """A key's event and the report that ends it; value 1 pressed, 0 let go, 2 repeated by the kernel."""
    seconds, micros = divmod(at, 1_000_000)
    return _EVENT.pack(seconds, micros, EV_KEY, code, value) + _EVENT.pack(seconds, micros, EV_SYN, 0, 0)
