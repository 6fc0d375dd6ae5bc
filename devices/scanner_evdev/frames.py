"""The kernel's input events as bytes: 24 each on a 64-bit machine (linux/input.h), little endian.

struct input_event { s64 seconds; s64 microseconds; u16 type; u16 code; s32 value; }
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from devices.framing import Framing, Noise

EV_SYN, EV_KEY, SYN_DROPPED = 0, 1, 3
SIZE = 24
_EVENT = struct.Struct("<qqHHi")
_MOST_TYPE, _MOST_CODE = 0x1F, 0x2FF


class InputEvent(NamedTuple):
    """at: microseconds of the kernel's clock."""

    at: int
    type: int
    code: int
    value: int


class EventParser(Framing[InputEvent]):
    """Bytes in, events and noise out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        super().__init__(_size, _event, _noise)


def _size(buffer: bytearray, place: int) -> int | None:
    if len(buffer) - place < SIZE:
        return None
    seconds, micros, kind, code, _ = _EVENT.unpack_from(buffer, place)
    good = 0 <= seconds < 1 << 40 and 0 <= micros < 1_000_000 and kind <= _MOST_TYPE and code <= _MOST_CODE
    return SIZE if good else 0


def _event(raw: bytes) -> InputEvent:
    seconds, micros, kind, code, value = _EVENT.unpack(raw)
    return InputEvent(seconds * 1_000_000 + micros, kind, code, value)


def _noise(stretch: bytes) -> Noise:
    return Noise(f"{len(stretch)} bytes that are no input events", stretch)


def key_event(at: int, code: int, value: int) -> bytes:
    """A key's event and the report that ends it; value 1 pressed, 0 let go, 2 repeated by the kernel."""
    seconds, micros = divmod(at, 1_000_000)
    return _EVENT.pack(seconds, micros, EV_KEY, code, value) + _EVENT.pack(seconds, micros, EV_SYN, 0, 0)
